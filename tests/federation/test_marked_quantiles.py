"""A quantile over counts that are approximate is approximate, and has no bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

import goe_lake
from goe_lake.config import read_node
from goe_lake.federation import Federation
from goe_lake.lake import ingest

NODE = """[node]
country = "EE"

[samples]
file = "samples.tsv"

[samples.columns.sex]
values = ["F", "M"]
nullable = false

[samples.columns.bmi]
type = "double"
bounds = [10, 80]
resolution = 0.01
"""
PERSONS = 200


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One node of 100 women born from 1950 to 1954, 20 in each year, and 100 men, none of them in 1950."""
    folder = tmp_path_factory.mktemp("marked")
    (folder / "node.toml").write_text(NODE)
    lines = [f"S{n:04}\t{'FM'[n % 2]}\t{1950 + max(n % 5, n % 2)}\t{20 + n / 25}" for n in range(PERSONS)]
    (folder / "samples.tsv").write_text("\n".join(["sample_id\tsex\tbirth_year\tbmi", *lines]) + "\n")
    ingest(read_node(folder / "node.toml"), min_label_persons=10)
    return folder / "node.toml"


@pytest.fixture
def federation(node: Path) -> Federation:
    """The node as a federation of one."""
    return goe_lake.open_federation([node])


def test_a_quantile_that_would_be_exact_is_approximate(federation: Federation) -> None:
    """Each year has intervals of its own, so that the median is known; not where a condition was left out."""
    exact = federation.sql("SELECT median(birth_year) AS y FROM samples")
    marked = federation.sql("SELECT median(birth_year) AS y FROM samples WHERE birth_year > 1930")
    assert exact.table.equals(marked.table)
    assert [answer.status.column("y").to_pylist() for answer in (exact, marked)] == [["ok"], ["approx"]]


def test_what_is_computed_without_a_condition_has_no_bounds(federation: Federation) -> None:
    """Of men nobody was born in 1950; of women the condition decides, and the bounds hold."""
    answer = federation.sql(
        "SELECT sex, median(bmi) AS m FROM samples WHERE birth_year > 1950 GROUP BY sex ORDER BY sex"
    )
    assert answer.table.column("m").null_count == 0
    assert answer.status.column("m").to_pylist() == ["approx", "approx"]
    assert [bound.row for bound in answer.envelope.bounds] == [0]
    assert any("condition" in notice for notice in answer.envelope.notices)


@pytest.mark.usefixtures("audited")
def test_an_earlier_count_makes_a_quantile_approximate(node: Path) -> None:
    """Nearly the same persons were counted by the same intervals: a new count might tell them apart."""
    federation = goe_lake.open_federation([node])
    federation.sql("SELECT median(birth_year) AS y FROM samples WHERE bmi > 22")
    again = federation.sql("SELECT median(birth_year) AS y FROM samples WHERE bmi > 22.05")
    assert again.status.column("y").to_pylist() == ["approx"]
    assert not again.envelope.bounds


def test_a_group_that_an_approximate_condition_leaves_says_nothing(federation: Federation) -> None:
    """Whether anybody of a group was kept is not certain, nor is then what a quantile of none of them is."""
    answer = federation.sql(
        "SELECT sex, median(bmi) FILTER (WHERE sex = 'F' AND sex = 'M') AS m, "
        "sum(bmi) FILTER (WHERE sex = 'F' AND sex = 'M') AS s "
        "FROM samples WHERE birth_year > 1930 GROUP BY sex"
    )
    assert answer.table.num_rows == 2
    assert {word for name in "ms" for word in answer.status.column(name).to_pylist()} == {"withheld"}
