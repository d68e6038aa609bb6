"""Dates of persons: years and months as keys, in conditions, and as ages, however persons are spread."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from goe_lake import QueryRefused, open_federation
from goe_lake.federation import Federation
from tests.lake.nodes import persons_node

NODE = """[node]
id = "NODE-{country}"
country = "{country}"
policy = "policy.toml"
[samples]
file = "samples.tsv"
[samples.columns.recruited]
type = "date"
"""
K = 5
Person = tuple[int, date | None]


def _node(folder: Path, country: str, persons: list[Person], policy: str) -> Path:
    rows = [(f"{country}{number:03d}", *person) for number, person in enumerate(persons)]
    columns = ("sample_id", "birth_year", "recruited")
    return persons_node(folder, NODE.format(country=country), policy, columns, rows)


@pytest.fixture(scope="module")
def persons() -> list[Person]:
    """80 persons, some of whom were recruited nobody knows when."""
    chance = random.Random(3)
    return [
        (
            chance.randint(1940, 1999),
            None if chance.random() < 0.1 else date(chance.randint(2019, 2021), chance.randint(1, 12), 15),
        )
        for _ in range(80)
    ]


@pytest.fixture(scope="module")
def split(persons: list[Person], tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """The persons at two nodes, without protection."""
    folder = tmp_path_factory.mktemp("dates")
    countries = ("EE", "FI")
    return open_federation(
        [_node(folder / its, its, persons[n::2], 'protection = "off"') for n, its in enumerate(countries)]
    )


@pytest.mark.parametrize(
    "year", ["year(recruited)", "extract(year FROM recruited)", "date_part('year', recruited)"]
)
def test_years_and_months_are_keys(year: str, persons: list[Person], split: Federation) -> None:
    """In each spelling; a missing date is a group of its own."""
    answer = split.sql(f"SELECT {year} AS y, month(recruited) AS m, count(*) AS n FROM samples GROUP BY y, m")
    counted = Counter((day and day.year, day and day.month) for _, day in persons)
    assert {(row["y"], row["m"]): row["n"] for row in answer.to_arrow().to_pylist()} == counted


def test_ages_at_a_date_and_spans_of_years(persons: list[Person], split: Federation) -> None:
    """Differences of years count the turns of the year, as DuckDB does."""
    text = """
        SELECT count(*) FILTER (WHERE date_diff('year', make_date(birth_year, 7, 1), recruited) > 50) AS old,
               count(*) FILTER (WHERE year(recruited) = year(DATE '2020-02-29')) AS n,
               count(*) FILTER (WHERE date_diff('year', recruited, DATE '2026-01-01') >= 6) AS long_ago
        FROM samples
    """
    (row,) = split.sql(text).to_arrow().to_pylist()
    known = [(born, day) for born, day in persons if day is not None]
    assert row["old"] == sum(day.year - born > 50 for born, day in known)
    assert row["n"] == sum(day.year == 2020 for _, day in known)
    assert row["long_ago"] == sum(2026 - day.year >= 6 for _, day in known)


def test_a_year_of_a_date_is_no_column_to_sum(split: Federation) -> None:
    """A sum is taken of columns: refused before a node is asked."""
    with pytest.raises(QueryRefused, match="G403"):
        split.sql("SELECT avg(year(recruited) - birth_year) FROM samples")


def test_a_year_of_one_person_has_no_row(persons: list[Person], tmp_path: Path) -> None:
    """Two worlds: in the one the only person of 2001 is a woman born in 1950, in the other one of 1960."""
    seen = []
    for born in (1950, 1960):
        rest = [(year, day) for year, day in persons if day is not None]
        toml = _node(tmp_path / str(born), "EE", [(born, date(2001, 5, 5)), *rest], f"min_persons = {K}")
        federation = open_federation([toml], project="demo")
        asked = (
            "SELECT year(recruited) AS y, count(*) AS n, avg(birth_year) AS b FROM samples "
            "WHERE year(recruited) < 2010 GROUP BY y",
            "SELECT count(*) FILTER (WHERE year(recruited) = 2001 AND birth_year < 1955) AS n FROM samples",
            "SELECT month(recruited) AS m, count(*) FROM samples WHERE year(recruited) = 2001 GROUP BY m",
        )
        seen.append([(a.to_arrow().to_pylist(), a.status.to_pylist()) for a in map(federation.sql, asked)])
    assert seen[0] == seen[1]
