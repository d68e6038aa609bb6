"""What a query would cost is told before it is asked, and is never too little."""

from __future__ import annotations

from pathlib import Path

import pytest

import goe_lake
from goe_lake.cli import main
from goe_lake.config import read_node
from goe_lake.demo import make_cohort
from goe_lake.federation import Answer, Federation
from goe_lake.lake import ingest


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One small node with genotypes."""
    tomls = make_cohort(tmp_path_factory.mktemp("estimates"), countries=("EE",), persons=130)
    for toml in tomls:
        ingest(read_node(toml), min_label_persons=10)
    return tomls


@pytest.fixture(scope="module")
def federation(nodes: list[Path]) -> Federation:
    """The node as a federation."""
    return goe_lake.open_federation(nodes)


SITES = "SELECT variant_id, sum(dosage) AS ac FROM genotypes WHERE contig = '{contig}' GROUP BY variant_id"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) AS n FROM samples",
        "SELECT sex, population, avg(bmi) AS m FROM samples GROUP BY sex, population",
        "SELECT country, sex, count(*) AS n FROM samples GROUP BY country, sex",
        "SELECT count(*) AS n, (SELECT avg(ldl) FROM samples) AS l FROM samples",
        "SELECT sex, count(*) AS n FROM samples WHERE ldl > (SELECT avg(ldl) FROM samples) GROUP BY sex",
        SITES,
        "SELECT variant_id, sex, sum(dosage) AS ac FROM samples JOIN genotypes USING (sample_id) "
        "WHERE pos < 60000000 GROUP BY variant_id, sex",
    ],
)
def test_an_answer_costs_at_most_what_was_estimated(federation: Federation, query: str) -> None:
    """The node counts no more than public facts allow; the estimate itself is not counted."""
    contig = federation.site_list.sites.column("contig")[0].as_py()
    query = query.format(contig=contig)
    before = federation.sql("SELECT count(*) AS n FROM samples").envelope.budget_left
    estimate = federation.estimate(query)
    after = federation.sql(query).envelope.budget_left
    assert before.queries - after.queries == estimate.queries == 1
    assert 0 < before.cells - after.cells <= estimate.cells
    assert (estimate.rare_sites > 0) == ("variant_id" in query)


def test_rare_sites_are_counted_where_they_are_told(federation: Federation) -> None:
    """Sites of which an allele count below 50 is told: what is left follows from what was told."""
    before = federation.sql("SELECT count(*) AS n FROM samples").envelope.budget_left.rare_sites
    answer = federation.sql("SELECT variant_id, sum(dosage) AS ac FROM genotypes GROUP BY variant_id")
    told = [ac for _, ac in rows_of(answer) if ac is not None]
    rare = sum(ac < 50 for ac in told)
    assert before - answer.envelope.budget_left.rare_sites == rare > 0
    assert rare < len(told)


def rows_of(answer: Answer) -> list[list[object]]:
    """The rows of an answer as lists."""
    return [list(row.values()) for row in answer.table.to_pylist()]


def test_sites_are_counted_by_the_conditions_about_them(federation: Federation) -> None:
    """A question about one contig costs its listed sites, by sex twice as many or three times with NULL."""
    sites = federation.site_list.sites
    contig = sites.column("contig")[0].as_py()
    listed = sites.column("contig").to_pylist().count(contig)
    assert federation.estimate(SITES.format(contig=contig)).cells == listed
    assert listed < sites.num_rows


def test_public_tables_cost_nothing_and_open_keys_any_number(
    federation: Federation, nodes: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing public bounds the rows, no number is made up."""
    assert federation.estimate("SELECT count(*) AS n FROM variants").queries == 0
    query = "SELECT birth_year, count(*) AS n FROM samples GROUP BY birth_year"
    assert federation.estimate(query).cells is None
    main(["query", query, "--nodes", str(nodes[0]), "--estimate"])
    assert "any number of cells, at most 0 rare sites" in capsys.readouterr().out
