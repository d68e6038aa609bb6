"""Attacks by sums of powers: as many equations for the numbers of persons by value as there are powers."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goe_lake import open_federation
from goe_lake.federation import Federation
from tests.attacks.worlds import observed
from tests.lake.nodes import persons_node

K = 10
NODE = """[node]
id = "NODE-{number}"
country = "{country}"
policy = "policy.toml"
[samples]
file = "samples.tsv"
[samples.columns.ldl]
type = "double"
bounds = [0.1, 12]
resolution = 0.1
[samples.columns.weight]
type = "double"
bounds = [30, 250]
resolution = 0.1
"""
COLUMNS = ("sample_id", "sex", "birth_year", "ldl", "weight")
#: Three persons of the first country were born in 1956, between thirty of 1955 and thirty of 1957.
BORN = [*[1955] * 30, *[1956] * 3, *[1957] * 30]
LATER = [1958] * 15
POWERS = "count(*) AS m0, sum(x) AS m1, sum(x * x) AS m2, sum(x * x * x) AS m3, sum(x * x * x * x) AS m4"


def build(folder: Path) -> Federation:
    """Three countries of 378 persons, whose LDL is 2.0 to 6.7 each evenly often."""
    tomls = []
    for number, country in enumerate(("EE", "FI", "LV")):
        chance = random.Random(number)
        born = [*BORN, *LATER, *(chance.randint(1930, 1954) for _ in range(300))]
        ldl = [f"{2 + place % 48 / 10:.1f}" for place in range(len(born))]
        chance.shuffle(ldl)
        rows = [
            [f"{country}{place:03d}", chance.choice("FM"), year, ldl[place], f"{chance.gauss(75, 8):.1f}"]
            for place, year in enumerate(born)
        ]
        toml = NODE.format(number=number, country=country)
        tomls.append(persons_node(folder / country, toml, f"min_persons = {K}", COLUMNS, rows))
    return open_federation(tomls, project="demo")


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    """The three countries, of which nobody asked anything before."""
    return build(tmp_path)


def asked(federation: Federation, what: str, where: str) -> dict[str, Any]:
    """The one row of *what* about the first country."""
    seen = observed(federation, f"SELECT {what} FROM samples WHERE country = 'EE' AND {where}")
    (row,) = seen["rows"]
    return dict(row)


def persons_by_value(moments: list[float], lowest: int, values: int) -> list[Fraction]:
    """How many persons have each of *values* whole numbers from *lowest* on, by that many moments."""
    table = np.array([[(lowest + value) ** power for value in range(values)] for power in range(values)])
    solved = np.linalg.solve(table.astype(np.float64), np.array(moments))
    return [Fraction(float(number)).limit_denominator(10) for number in solved]


def test_what_three_sums_say_of_three_values() -> None:
    """The attack itself, on numbers that a gateway without the rule told."""
    moments = [float(sum((year - 1955) ** power for year in BORN)) for power in range(3)]
    assert persons_by_value(moments, 0, 3) == [30, 3, 30]


def test_squares_are_not_told_of_three_values(federation: Federation) -> None:
    """n and the sum are; with the squares they would be solved for the three of 1956."""
    what = POWERS.replace("x", "(birth_year - 1955)")
    told = asked(federation, what, "birth_year BETWEEN 1955 AND 1957")
    assert told == {"m0": 63, "m1": 63, "m2": None, "m3": None, "m4": None}


@pytest.mark.parametrize(
    "what",
    [
        "stddev(ldl)",
        "skewness(ldl)",
        "kurtosis(ldl)",
        "regr_slope(weight, ldl)",
        "avg(ln(ldl))",
        "avg(1 / ldl)",
        "avg(weight / ldl)",
        "var_pop(sqrt(ldl))",
    ],
)
def test_nor_is_anything_else_of_few_values(federation: Federation, what: str) -> None:
    """Some 40 persons have one of five values."""
    assert asked(federation, f"{what} AS v", "ldl BETWEEN 4.0 AND 4.4") == {"v": None}


def test_each_bin_of_a_histogram_is_not_taken_apart(federation: Federation) -> None:
    """Bins of five values with four powers were the number of persons with each value, in one question."""
    text = f"SELECT floor(ldl * 2) / 2 AS bin, {POWERS} FROM samples WHERE country = 'EE' GROUP BY 1"
    rows = observed(federation, text.replace("x", "ldl"))["rows"]
    assert len(rows) == 10
    assert all(row["m0"] is not None and row["m2"] is None for row in rows)


def test_few_values_are_not_the_difference_of_two_sums(federation: Federation) -> None:
    """In one answer and in two: what is chosen by the column is chosen in steps of ten of its values."""
    together = asked(
        federation,
        "sum(ldl * ldl) FILTER (WHERE ldl < 4.5) AS a, sum(ldl * ldl) FILTER (WHERE ldl < 4.2) AS b",
        "TRUE",
    )
    assert together == {"a": None, "b": None}
    for most in ("4.5", "4.2"):
        assert asked(federation, "sum(ldl * ldl) AS v", f"ldl < {most}") == {"v": None}


def test_nor_is_what_a_sub_aggregate_chooses_by_the_column(federation: Federation) -> None:
    """The same, chosen by person beneath."""
    chosen = "sample_id IN (SELECT sample_id FROM samples WHERE ldl < 4.2)"
    assert asked(federation, "sum(ldl * ldl) AS v", chosen) == {"v": None}


def test_a_later_kurtosis_differs_in_more_persons(federation: Federation, audited: None) -> None:
    """Fifteen persons are enough for the difference of means, and too few for that of fourth powers."""
    what = "avg(ldl) AS a, kurtosis(ldl) AS k"
    assert None not in asked(federation, what, "TRUE").values()
    later = asked(federation, what, "birth_year < 1958")
    assert later["a"] is not None
    assert later["k"] is None


def test_ordinary_spreads_are_told(federation: Federation) -> None:
    """Of enough different values, by whole steps of them, and by other columns."""
    what = "stddev(ldl) AS a, kurtosis(ldl) AS b, regr_slope(weight, ldl) AS c, avg(ln(ldl)) AS d"
    assert None not in asked(federation, what, "sex = 'F'").values()
    by_step = "stddev(ldl) AS a, corr(weight, ldl) AS b, avg(weight) FILTER (WHERE ldl < 4.2) AS c"
    assert None not in asked(federation, by_step, "ldl < 5").values()
