"""Over the wire and in one process, the same text gives the same answer, or the same refusal."""

from __future__ import annotations

import json
import ssl
from dataclasses import replace
from importlib.resources import files

import httpx
import jsonschema
import pyarrow as pa
import pytest

import goe_lake
from goe_lake.cli import main
from goe_lake.errors import ConfigError, QueryRefused
from goe_lake.federation import Answer, Federation
from goe_lake.federation.client import Client, GatewayFailed
from goe_lake.federation.wire import ARROW_TYPE
from tests.services.running import Running

ANSWERED = [
    "SELECT country, count(*) AS n FROM samples GROUP BY country",
    "SELECT sex, avg(bmi) AS bmi, count(*) AS n FROM samples GROUP BY sex ORDER BY sex",
    "SELECT population, cohort, count(*) AS n FROM samples GROUP BY population, cohort",
    "SELECT birth_year, count(*) AS n FROM samples GROUP BY birth_year HAVING count(*) > 12 ORDER BY n DESC",
    "SELECT count(*) AS n, sum(ldl) AS total FROM samples WHERE bmi > 200",
    "SELECT count(DISTINCT sample_id) AS n FROM samples WHERE t2d",
    "SELECT pgs_id, avg(score) AS mean FROM scores GROUP BY pgs_id",
    "SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes "
    "WHERE contig = 'chr1' GROUP BY variant_id",
    "SELECT s.sex, sum(g.dosage) AS ac FROM genotypes g JOIN samples s USING (sample_id) "
    "WHERE g.contig = 'chr19' GROUP BY s.sex",
    "SELECT country, sex, avg(ldl) / avg(bmi) AS ratio FROM samples GROUP BY ALL",
    "SELECT country, sex, avg(ldl) / avg(bmi) AS ratio FROM samples GROUP BY country, sex",
    "SELECT variant_id, gene FROM variants WHERE contig = 'chr19' ORDER BY pos, variant_id LIMIT 20",
    "SELECT g.gene, count(*) AS sites, rank() OVER (ORDER BY count(*) DESC, g.gene) AS place "
    "FROM variants AS v JOIN genes AS g USING (gene) GROUP BY g.gene",
    "SELECT n.node_id, x.n FROM nodes AS n JOIN (SELECT country, count(*) AS n FROM samples GROUP BY 1) AS x "
    "USING (country) ORDER BY n.node_id",
    "WITH c AS (SELECT population, sex, count(*) AS n FROM samples GROUP BY ALL) "
    "SELECT population, sum(n) AS n, count(*) AS groups FROM c GROUP BY population ORDER BY population",
    "SELECT birth_year, count(*) AS n, sum(count(*)) OVER () AS total FROM samples GROUP BY birth_year",
    "SELECT variant_id, ac, an, af, n_het, status FROM allele_frequencies "
    "WHERE contig = 'chr19' AND country = 'all' AND population = 'all' AND sex = 'all'",
    "SELECT sex, count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples) GROUP BY sex",
    "SELECT country, median(bmi) AS m, quantile_cont(ldl, 0.9) AS q FROM samples GROUP BY country",
    "WITH m AS (SELECT avg(bmi) AS mu, avg(ldl) AS top FROM samples) "
    "SELECT country, avg((bmi - mu) / top) AS z FROM samples, m GROUP BY country",
    "SELECT sex, quantile_cont(bmi, [0.25, 0.5]) AS q, histogram(bmi, [20, 25, 30]) AS h, "
    "histogram(cohort) AS c FROM samples GROUP BY sex",
    "SELECT n.name, avg(s.bmi) AS bmi FROM samples AS s JOIN nodes AS n USING (country) GROUP BY n.name",
]
REFUSED = [
    "SELECT sample_id FROM samples",
    "SELECT birth_year FROM samples",
    "SELECT count(*) FROM '/etc/passwd'",
    "SELECT count(*)\nFROM samples\nWHERE nothing = 1",
    "DROP TABLE samples",
    "SELECT count(*) FROM samples WHERE bmi > (SELECT max(n) FROM "
    "(SELECT birth_year, avg(bmi) AS n FROM samples GROUP BY 1) AS x)",
    "SELEC",
]


def outcome(federation: Federation | Client, text: str) -> Answer | QueryRefused:
    """What *federation* makes of *text*."""
    try:
        return federation.sql(text)
    except QueryRefused as refused:
        return refused


def without_id(answer: Answer) -> object:
    """The envelope, without what is new each time."""
    return replace(answer.envelope, query_id="", budget_left=None)


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("text", ANSWERED)
def test_answers_are_those_of_the_embedded_federation(client: Client, embedded: Federation, text: str):
    """Table, types, statuses and envelope are equal; where one refuses, so does the other.

    Both read the same ledgers, so that the second is held to what the first was told.
    """
    there, here = outcome(client, text), outcome(embedded, text)
    if isinstance(here, QueryRefused):
        assert vars(there) == vars(here)
        return
    assert isinstance(there, Answer), there
    assert there.table.equals(here.table, check_metadata=True)
    assert there.status.equals(here.status, check_metadata=True)
    assert without_id(there) == without_id(here)


@pytest.mark.parametrize("text", REFUSED)
def test_refusals_are_those_of_the_embedded_federation(client: Client, embedded: Federation, text: str):
    """The same code, place, message and hint, and so the same text to the analyst."""
    here, there = outcome(embedded, text), outcome(client, text)
    assert isinstance(here, QueryRefused)
    assert isinstance(there, QueryRefused)
    assert vars(there) == vars(here)
    assert there.pointing_at(text) == here.pointing_at(text)


def test_explanations_and_catalogue_are_the_same(client: Client, embedded: Federation):
    """An analyst sees the same tables and the same plan either way."""
    assert client.catalog.to_json() == embedded.catalog.to_json()
    assert client.explain(ANSWERED[1]) == embedded.explain(ANSWERED[1])
    with pytest.raises(QueryRefused):
        client.explain(REFUSED[0])


def test_a_reader_of_one_stream_finds_the_table(client: Client, services: Running, embedded: Federation):
    """Tools that know Arrow but not this gateway read the answer, and JSON says the same."""
    asked = {"sql": ANSWERED[1]}
    with httpx.Client(
        base_url=services.url, verify=ssl.create_default_context(cafile=services.keys.ca)
    ) as http:
        arrow = http.post("/v1/query", json=asked, headers={"Accept": ARROW_TYPE})
        answer = http.post("/v1/query", json=asked).json()
    expected = embedded.sql(ANSWERED[1])
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert table.equals(expected.table)
    assert answer["rows"] == expected.table.to_pylist()
    assert answer["status"] == expected.status.to_pylist()
    schema = json.loads(files("goe_lake").joinpath("schemas/envelope-1.schema.json").read_text())
    for envelope in (answer["envelope"], json.loads(table.schema.metadata[b"goe_lake.envelope"])):
        jsonschema.validate(envelope, schema)


def test_the_command_line_asks_a_gateway(services: Running, capsys: pytest.CaptureFixture[str]):
    """`goe query --gateway` prints what `goe query --nodes` would."""
    main(["query", ANSWERED[0], "--gateway", services.url, "--ca", str(services.keys.ca), "--format", "json"])
    printed = json.loads(capsys.readouterr().out)
    assert {row["country"]: row["n"] for row in printed["rows"]} == {"EE": 130, "FI": 130, "LV": 130}


def test_a_purpose_that_no_consent_covers_counts_nobody(services: Running):
    """The project travels to the nodes, which decide whose consent covers it."""
    with goe_lake.connect(services.url, ca=services.keys.ca, project="marketing") as client:
        answer = client.sql("SELECT count(*) AS n FROM samples")
    assert answer.table.column("n").to_pylist() == [None]


def test_a_gateway_that_cannot_be_trusted_or_reached_says_so(services: Running):
    """The way out is named where there is one: the authority that signs the certificate."""
    with goe_lake.connect(services.url) as client, pytest.raises(GatewayFailed, match="--ca"):
        client.sql(ANSWERED[0])
    with goe_lake.connect("https://localhost:1") as client, pytest.raises(GatewayFailed, match="reached"):
        client.sql(ANSWERED[0])
    with pytest.raises(ConfigError, match="ca"):
        goe_lake.connect(services.url, ca="nowhere.pem")


@pytest.mark.parametrize("url", ["http://localhost:1", "localhost", "https://host/path", "https://u:p@host"])
def test_only_https_is_spoken(url: str):
    """An address that is not https, or holds more than host and port, is refused before anything is sent."""
    with pytest.raises(ConfigError, match="url"):
        goe_lake.connect(url)
