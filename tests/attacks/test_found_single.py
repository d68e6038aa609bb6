"""Attacks with one answer that were found by review: each test asserts that the attack does not succeed.

Node EE has 200 planted persons. The target is the one born in 1929: body mass index 44.11, LDL 6.66,
diabetic, and the one carrier of the private variant chr1-3000-G-T.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import goe_lake
from goe_lake.config import read_node
from goe_lake.engine.sites import SITE_SCHEMA, SiteList, unite
from goe_lake.errors import NodeFailed, QueryRefused, ReleaseRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.gateway import Federation
from goe_lake.federation.node import EmbeddedNode
from goe_lake.lake import ingest
from goe_lake.release import Release

PERSONS = 200
K = 10
TARGET = "(birth_year = 1929)"
VCF_HEAD = (
    "##fileformat=VCFv4.3\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">\n'
    '##INFO=<ID=END,Number=1,Type=Integer,Description="End">\n'
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type">\n'
    '##ALT=<ID=DEL,Description="Deletion">\n'
)
NODE_TOML = """
[node]
country = "{country}"
name = "{country}"
assembly = "GRCh38"
lake = "lake"
[[genotypes]]
files = ["calls.vcf"]
absent_sites = "hom_ref"
format_fields = ["GQ"]
[samples]
file = "samples.tsv"
[samples.columns.bmi]
type = "double"
bounds = [10, 80]
resolution = 0.01
[samples.columns.ldl]
type = "double"
bounds = [0, 15]
resolution = 0.01
[samples.columns.t2d]
type = "boolean"
[samples.columns.e11]
type = "boolean"
[samples.columns.children]
type = "integer"
bounds = [0, 20]
resolution = 1
[[scores]]
file = "scores.tsv"
[scores.columns.A]
bounds = [0, 1]
resolution = 0.01
[scores.columns.B]
bounds = [0, 1]
resolution = 0.01
[scores.columns.ONE]
bounds = [0, 2]
resolution = 0.01
"""


# The planted persons ---------------------------------------------------------------------------------


def _samples(country: str) -> str:
    rows = ["sample_id\tsex\tbirth_year\tbmi\tldl\tt2d\tchildren\te11"]
    for i in range(PERSONS):
        target = country == "EE" and i == 0
        bmi = "44.11" if target else f"{20 + (i * 37 % 199) * 0.1:.2f}"
        ldl = "6.66" if target else f"{2 + (i * 53 % 197) * 0.02:.2f}"
        fields = [
            f"{country}{i:04d}",
            "M" if i % 2 == 0 else "F",
            "1929" if target else str(1940 + i % 60),
            "" if 100 <= i < 130 else bmi,
            ldl,
            str(target or i % 5 == 1).lower(),
            "2" if i == 7 else str(int(i % 4 == 0)),
            str(i < 3).lower(),
        ]
        rows.append("\t".join(fields))
    return "\n".join(rows) + "\n"


def _scores(country: str) -> str:
    rows = ["sample_id\tpgs_id\tscore"]
    for i in range(PERSONS):
        name = f"{country}{i:04d}"
        rows.append(f"{name}\tA\t{(i * 17 % 101) / 100:.2f}")
        rows.append(f"{name}\tB\t{(i * 29 % 101) / 100:.2f}")
        rows.append(f"{name}\tONE\t{2 if i == 9 else int(i % 7 == 0)}.00")
    return "\n".join(rows) + "\n"


def _record(pos: int, ref: str, alt: str, hets: set[int], homs: set[int] | None = None, end: int = 0) -> str:
    calls = ["1/1:50" if homs and i in homs else "0/1:50" if i in hets else "0/0:50" for i in range(PERSONS)]
    info = f"SVTYPE=DEL;END={end}" if end else "."
    return "\t".join(["chr1", str(pos), ".", ref, alt, ".", "PASS", info, "GT:GQ", *calls])


def _calls(country: str) -> str:
    everyone = range(PERSONS)
    # of the 15 homozygotes at 1500, three are men
    homs = {2, 4, 6, *range(101, 125, 2)}
    records = [
        _record(1000, "A", "C", {i for i in everyone if i % 4 == 1}),
        _record(1500, "A", "G", {i for i in everyone if i % 5 == 0}, homs),
        _record(2000, "A", "T", {i for i in everyone if i % 3 == 1}),
    ]
    if country == "EE":
        records.append(_record(3000, "G", "T", {0}))
    if country != "LT":
        records.append(_record(4000, "G", "C", set(range(1 if country == "EE" else 15))))
    records.append(_record(5000, "N", "<DEL>", {i for i in everyone if i % 4 == 2}, end=5500))
    if country == "EE":
        records.append(_record(5000, "N", "<DEL>", {0}, end=5600))
        records.append(_record(6000, "N", "<DEL>", set(range(5)), end=6500))
        records.append(_record(6000, "N", "<DEL>", set(range(5)), end=6600))
    names = [f"{country}{i:04d}" for i in everyone]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]
    return VCF_HEAD + "\t".join(columns) + "\n" + "\n".join(records) + "\n"


def _build(folder: Path, country: str) -> Path:
    folder.mkdir()
    (folder / "samples.tsv").write_text(_samples(country))
    (folder / "scores.tsv").write_text(_scores(country))
    (folder / "calls.vcf").write_text(_calls(country))
    (folder / "node.toml").write_text(NODE_TOML.format(country=country))
    ingest(read_node(folder / "node.toml"), min_label_persons=K)
    return folder / "node.toml"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three nodes; FI lists chr1-4000-G-C, of which EE has one carrier and LT none."""
    base = tmp_path_factory.mktemp("planted")
    return {country: _build(base / country.lower(), country) for country in ("EE", "FI", "LT")}


@pytest.fixture(scope="module")
def estonia(nodes: dict[str, Path]) -> Federation:
    """The node of the target alone."""
    return goe_lake.open_federation([nodes["EE"]], project="demo")


@pytest.fixture(scope="module")
def three(nodes: dict[str, Path]) -> Federation:
    """All three nodes."""
    return goe_lake.open_federation(list(nodes.values()), project="demo")


@pytest.fixture
def node(nodes: dict[str, Path]) -> EmbeddedNode:
    """The target's node, as a gateway of ill will reaches it."""
    embedded = EmbeddedNode(nodes["EE"])
    embedded.lay(unite([embedded.offer_sites()]))
    return embedded


# Asking ----------------------------------------------------------------------------------------------


def seen(federation: Federation, text: str) -> dict[str, Any] | None:
    """The first row of an answer; None where the query is refused."""
    try:
        rows = federation.sql(text).to_arrow().to_pylist()
    except QueryRefused:
        return None
    return rows[0] if rows else {}


def told(federation: Federation, text: str) -> tuple[object, ...]:
    """Everything that an analyst can see of an answer, the query's own text and id aside."""
    try:
        answer = federation.sql(text)
    except QueryRefused as refused:
        return ("refused", refused.code)
    statuses = [tuple(row.values()) for row in answer.status.to_pylist()]
    values = [tuple(row.values()) for row in answer.to_arrow().to_pylist()]
    return (values, statuses, answer.envelope.rows)


def combined(row: dict[str, Any] | None, **weights: int) -> float | None:
    """The linear combination of a row's values; None where one of them is not told."""
    if row is None or any(row.get(name) is None for name in weights):
        return None
    return float(sum(weight * row[name] for name, weight in weights.items()))


def column(name: str, table: str = "samples") -> dict[str, Any]:
    """A column in release/1."""
    return {"column": [table, name]}


def literal(kind: str, value: str) -> dict[str, Any]:
    """A constant in release/1."""
    return {"literal": [kind, value]}


def call(op: str, *args: object) -> dict[str, Any]:
    """An operator in release/1."""
    return {"op": op, "args": list(args)}


def measure(
    name: str = "m0",
    function: str = "rows",
    argument: object = None,
    where: object = None,
    resolution: str = "1",
) -> dict[str, Any]:
    """A measure in release/1."""
    return {
        "name": name, "function": function, "factors": [] if argument is None else [argument],
        "where": where, "resolution": resolution,
    }  # fmt: skip


def release(
    conditions: Sequence[object] = (), measures: Sequence[object] | None = None, table: str = "samples"
) -> dict[str, Any]:
    """A release/1 without keys over one table."""
    return {
        "version": "release/1",
        "relation": {"first": {"table": table, "alias": table}, "joins": []},
        "conditions": list(conditions),
        "keys": [],
        "measures": list(measures or [measure()]),
        "cells": "open",
    }


def sent(node: EmbeddedNode, data: dict[str, Any]) -> object:
    """The cells that a node sends for release/1 JSON, or how it turned it down."""
    try:
        return node.answer(Release.from_json(data), Asker("demo"), "q").cells.to_pylist()
    except (NodeFailed, ReleaseRefused) as error:
        return type(error).__name__


@contextmanager
def stopped_after(node: EmbeddedNode, seconds: float) -> Iterator[None]:
    """Interrupt what *node* does after so many seconds, so that a test ends."""
    timer = threading.Timer(seconds, node.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


# Linear combinations of the measures of one row ------------------------------------------------------


def test_tracker_of_three_filters(estonia: Federation) -> None:
    """(men or T) + (women or T) - everyone is the sum over T, and every pair differs by a hundred."""
    row = seen(
        estonia,
        f"SELECT sum(ldl) FILTER (WHERE sex = 'M' OR {TARGET}) AS a, "
        f"sum(ldl) FILTER (WHERE sex = 'F' OR {TARGET}) AS b, sum(ldl) AS s FROM samples",
    )
    assert combined(row, a=1, b=1, s=-1) != pytest.approx(6.66)


def test_partition_that_leaves_few_out(estonia: Federation) -> None:
    """Sums below 30 and from 30 to 44 leave out the one person above 44."""
    row = seen(
        estonia,
        "SELECT sum(ldl) AS s, sum(ldl) FILTER (WHERE bmi < 30) AS a, "
        "sum(ldl) FILTER (WHERE bmi >= 30 AND bmi < 44) AS b FROM samples WHERE bmi IS NOT NULL",
    )
    assert combined(row, s=1, a=-1, b=-1) != pytest.approx(6.66)


def test_partition_of_the_public_number_of_persons(estonia: Federation) -> None:
    """Two filters that all but cover the node: its public size less both is the target."""
    row = seen(
        estonia,
        "SELECT count(*) FILTER (WHERE birth_year < 1970 AND birth_year > 1929) AS a, "
        "count(*) FILTER (WHERE birth_year >= 1970) AS b FROM samples",
    )
    rest = combined(row, a=1, b=1)
    assert rest is None or PERSONS - rest not in range(1, K)


@pytest.mark.parametrize("other", ["count(DISTINCT sample_id)", "count(sample_id)", "count(birth_year)"])
def test_counts_of_two_kinds(estonia: Federation, other: str) -> None:
    """count(*) less a count of another kind, whose filter leaves the target out, is the target."""
    row = seen(
        estonia,
        f"SELECT count(*) FILTER (WHERE birth_year < 1980) AS a, "
        f"{other} FILTER (WHERE birth_year < 1980 AND birth_year <> 1929) AS b FROM samples",
    )
    assert combined(row, a=1, b=-1) != 1


def test_sum_of_a_boolean_less_its_count(estonia: Federation) -> None:
    """sum(t2d) and count_if(t2d …) are one number by two names; their difference is the target's diabetes."""
    row = seen(
        estonia,
        "SELECT sum(t2d) FILTER (WHERE birth_year < 1980) AS a, "
        "count_if(t2d AND birth_year < 1980 AND birth_year <> 1929) AS b FROM samples",
    )
    assert combined(row, a=1, b=-1) != 1


# Few values ------------------------------------------------------------------------------------------


def test_sum_and_count_of_few_values(estonia: Federation) -> None:
    """Of children 0, 1, 2: the sum less the number above 0 is the number of persons with two."""
    row = seen(estonia, "SELECT sum(children) AS a, count_if(children > 0) AS b FROM samples")
    assert combined(row, a=1, b=-1) != 1


def test_score_of_one_variant(estonia: Federation) -> None:
    """A score of one variant is a dosage: its sum less its carriers is the number of homozygotes."""
    row = seen(estonia, "SELECT sum(score) AS a, count_if(score > 0) AS b FROM scores WHERE pgs_id = 'ONE'")
    assert combined(row, a=1, b=-1) != 1


def test_homozygotes_within_a_filter(estonia: Federation) -> None:
    """15 persons are homozygous, so classes are told; of the men only 3 are, and AC less carriers tells."""
    row = seen(
        estonia,
        "SELECT sum(dosage) FILTER (WHERE sex = 'M') AS a, "
        "count(*) FILTER (WHERE dosage >= 1 AND sex = 'M') AS b "
        "FROM samples JOIN genotypes USING (sample_id) WHERE pos = 1500",
    )
    assert combined(row, a=1, b=-1) != 3


# Missing values --------------------------------------------------------------------------------------


def test_condition_that_chooses_among_missing_values(estonia: Federation) -> None:
    """coalesce(bmi > 0, X) keeps all who have a BMI, and of those without one whomever X picks."""
    row = seen(
        estonia,
        "SELECT count(*) AS n, count(bmi) AS b FROM samples WHERE coalesce(bmi > 0, birth_year = 1940)",
    )
    assert combined(row, n=1, b=-1) != 1


# Several rows a person -------------------------------------------------------------------------------


def test_person_with_fewer_rows(estonia: Federation) -> None:
    """Everyone has two rows but the target, who has one: twice the sum over A less the sum is the target."""
    row = seen(
        estonia,
        "SELECT sum(ldl) FILTER (WHERE pgs_id = 'A') AS s, sum(ldl) AS t FROM samples "
        f"JOIN scores USING (sample_id) WHERE pgs_id = 'A' OR (pgs_id = 'B' AND NOT {TARGET})",
    )
    assert combined(row, s=2, t=-1) != pytest.approx(6.66)


def test_value_of_a_private_variants_carrier(estonia: Federation) -> None:
    """Two listed sites and a private one: the sum less twice that at one site is the carrier's LDL."""
    row = seen(
        estonia,
        "SELECT sum(ldl) AS a, sum(ldl) FILTER (WHERE pos = 1000) AS b FROM samples "
        "JOIN genotypes USING (sample_id) WHERE pos IN (1000, 2000, 3000)",
    )
    assert combined(row, a=1, b=-2) != pytest.approx(6.66)


def test_carriers_of_a_private_variant(estonia: Federation) -> None:
    """AC over three sites less AC at the two listed ones is AC at the private one."""
    row = seen(
        estonia,
        "SELECT sum(dosage) AS a, sum(dosage) FILTER (WHERE pos = 1000) AS b, "
        "sum(dosage) FILTER (WHERE pos = 2000) AS c FROM genotypes WHERE pos IN (1000, 2000, 3000)",
    )
    assert combined(row, a=1, b=-1, c=-1) != 1


def test_existence_of_a_private_variant(estonia: Federation) -> None:
    """Rows at a listed site and a candidate: told as if it were not there, whether it is or not."""
    text = "SELECT count(*) AS n FROM genotypes WHERE pos IN (1000, {})"
    assert told(estonia, text.format(3000)) == told(estonia, text.format(3001))


def test_key_that_cuts_persons_two_ways(estonia: Federation) -> None:
    """A key that reads pgs_id and persons cuts persons twice: two large cells differ by the target."""
    text = (
        f"SELECT CASE WHEN pgs_id = 'A' THEN (CASE WHEN sex = 'M' OR {TARGET} THEN 'b1' ELSE 'b0' END) "
        f"ELSE (CASE WHEN sex = 'F' OR {TARGET} THEN 'c1' ELSE 'c0' END) END AS k, sum(ldl) AS s "
        "FROM samples JOIN scores USING (sample_id) WHERE pgs_id IN ('A', 'B') GROUP BY 1"
    )
    try:
        rows = estonia.sql(text).to_arrow().to_pylist()
    except QueryRefused:
        return
    sums = {row["k"]: row["s"] for row in rows}
    # women or T, less women without T
    assert combined(sums, c1=1, b0=-1) != pytest.approx(6.66)


def test_symbolic_alleles_with_one_start(estonia: Federation) -> None:
    """Two deletions of one start and two ends share a cell in which each person is counted twice."""
    text = (
        "SELECT pos, count(DISTINCT sample_id) AS n, sum(called_alleles) AS an "
        "FROM genotypes WHERE pos IN (5000, 6000) GROUP BY contig, pos, ref, alt"
    )
    try:
        rows = estonia.sql(text).to_arrow().to_pylist()
    except QueryRefused:
        return
    counted = {row["pos"]: row["n"] for row in rows}
    # 5 carriers of two private deletions are not 10 persons, and 200 persons are not 201
    assert 6000 not in counted
    assert counted.get(5000) in (None, PERSONS)


# Shown or withheld as an answer ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) AS n FROM samples WHERE NOT (birth_year = 1929 AND {})",
        "SELECT count(*) FILTER (WHERE NOT (birth_year = 1929 AND {})) AS n FROM samples",
        "SELECT birth_year = 1929 AND {} AS key, count(*) AS n FROM samples GROUP BY 1",
        "SELECT avg(ldl) AS l, avg(ldl) FILTER (WHERE sex = 'M' AND NOT (birth_year = 1929 AND {})) AS m, "
        "avg(ldl) FILTER (WHERE sex = 'M') AS n FROM samples",
    ],
    ids=["where", "filter", "key", "pair"],
)
def test_status_answers_a_question_about_one_person(estonia: Federation, text: str) -> None:
    """Whether the target has diabetes must not decide between a number and a withheld one."""
    assert told(estonia, text.format("t2d")) == told(estonia, text.format("NOT t2d"))


def test_many_statuses_spell_a_value(estonia: Federation) -> None:
    """One filter a threshold: the statuses of one answer spell the target's body mass index."""
    thresholds = range(48, 40, -1)
    measures = ", ".join(f"count_if(NOT (birth_year = 1929 AND bmi > {t})) AS over_{t}" for t in thresholds)
    row = seen(estonia, f"SELECT {measures} FROM samples")
    shown = {name: value is not None for name, value in (row or {}).items()}
    assert len(set(shown.values())) <= 1


def test_quality_tells_that_a_node_has_a_carrier(three: Federation) -> None:
    """At a site listed by Finland, one Estonian carrier must look like no Lithuanian one."""
    answer = three.sql(
        "SELECT country, count(gq) AS n FROM samples JOIN genotypes USING (sample_id) "
        "WHERE variant_id = 'chr1-4000-G-C' GROUP BY country"
    )
    found = {row["country"]: row["n"] for row in answer.to_arrow().to_pylist()}
    assert found.get("EE") == found.get("LT")


# Availability ----------------------------------------------------------------------------------------


def test_many_measures_of_one_argument(node: EmbeddedNode) -> None:
    """100 counts under 100 filters of 200 persons take minutes: 4,950 pairs, each an aggregate."""
    measures = [
        measure(f"m{i}", "rows", None, call("gt", column("bmi"), literal("decimal", f"{20 + i / 5:.1f}")))
        for i in range(100)
    ]
    with stopped_after(node, 5):
        assert sent(node, release(measures=measures)) != "NodeFailed"


# Releases of a gateway of ill will -------------------------------------------------------------------


def test_constant_that_is_a_column(node: EmbeddedNode) -> None:
    """The decimal `e11` has no digit: it is written as it is, and DuckDB reads the column e11 (ICD-10)."""
    excluded = sent(node, release([call("not", literal("decimal", "e11"))]))
    # three persons have E11; as a constant the condition is public, and nothing guards its complement
    assert excluded != [{"m0": PERSONS - 3, "m0_withheld": False}]


def test_resolution_of_three_million_digits(node: EmbeddedNode) -> None:
    """1E-3000000 takes a second of whole-number arithmetic under the node's lock; 1E-999999999 for ever."""
    tiny = measure("m0", "sum", column("bmi"), resolution="1E-3000000")
    assert sent(node, release(measures=[tiny])) == "ReleaseRefused"


def test_failure_answers_a_question_about_one_person(node: EmbeddedNode) -> None:
    """At 4E-37 a BMI of 44 overflows the sum: failed means that the target has diabetes."""
    big = measure("m0", "sum", column("bmi"), resolution="4E-37")
    target = call("eq", column("birth_year"), literal("integer", "1929"))
    outcomes = [
        sent(node, release([target, call(op, column("t2d"))], [big])) for op in ("is_true", "is_false")
    ]
    assert outcomes[0] == outcomes[1]


def test_site_list_that_names_private_sites(node: EmbeddedNode) -> None:
    """A gateway that lists a candidate learns by the count of gq whether the node's files have it."""
    sites = [
        {"contig": "chr1", "pos": pos, "ref": "G", "alt": "T", "variant_id": f"chr1-{pos}-G-T",
         "end_pos": pos, "type": "snv", "sv_len": None, "rsid": None, "gene": None, "consequence": None,
         "filter": "PASS"}
        for pos in (3000, 3001)
    ]  # fmt: skip
    try:
        node.lay(SiteList(pa.Table.from_pylist(sites, schema=SITE_SCHEMA)))
    except (NodeFailed, ReleaseRefused):
        return
    outcomes = [
        sent(
            node,
            release(
                [call("eq", column("pos", "genotypes"), literal("integer", str(pos)))],
                [measure("m0", "rows", column("gq", "genotypes"))],
                "genotypes",
            ),
        )
        for pos in (3000, 3001)
    ]
    assert outcomes[0] == outcomes[1]


# Failures that depend on persons ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "SELECT count(*) AS n FROM samples WHERE CASE WHEN birth_year = {year} THEN 'a' END = 'b'",
        "SELECT count(*) FILTER (CASE WHEN birth_year <= {year} THEN 'a' END = 'b') AS n FROM samples",
        "SELECT avg(ldl) AS m FROM samples WHERE CASE WHEN birth_year = {year} THEN 'a' END <> 'b' OR t2d",
    ],
)
def test_whether_a_node_fails_does_not_tell_the_least_value(estonia: Federation, text: str) -> None:
    """DuckDB 2.0 fails on such a comparison where a column's statistics leave no row: nobody so old."""
    target, nobody = (told(estonia, text.format(year=year)) for year in (1929, 1928))
    assert target == nobody
