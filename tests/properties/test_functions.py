"""Sums of functions of columns: within the rounding of each person's value, however persons are spread."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake import QueryRefused, open_federation
from goe_lake.catalog import Column, ColumnType
from goe_lake.computed import LEVELS, Computed, Function, Unbounded, computed_column
from goe_lake.federation import Federation
from tests.lake.nodes import persons_node

NODE = """[node]
id = "NODE-{country}"
country = "{country}"
policy = "policy.toml"
[samples]
file = "samples.tsv"
[samples.columns.crp]
type = "double"
bounds = [0, 300]
resolution = 0.1
[samples.columns.weight]
type = "double"
unit = "kg"
bounds = [30, 250]
resolution = 0.1
[samples.columns.height]
type = "double"
unit = "m"
bounds = [1, 2.5]
resolution = 0.01
"""
Person = dict[str, float]
#: Each argument as SQL and in Python, the columns that it reads, and the step that it is rounded to.
ARGUMENTS: dict[str, tuple[Callable[[Person], float], tuple[str, ...], float]] = {
    "ln(weight)": (lambda p: math.log(p["weight"]), ("weight",), 0.001),
    "log10(3 * weight)": (lambda p: math.log10(3 * p["weight"]), ("weight",), 0.001),
    "log(2, weight)": (lambda p: math.log2(p["weight"]), ("weight",), 0.002),
    "ln(crp + 1)": (lambda p: math.log(p["crp"] + 1), ("crp",), 0.002),
    "sqrt(4 * crp)": (lambda p: 2 * math.sqrt(p["crp"]), ("crp",), 0.01),
    "weight ** 0.5": (lambda p: math.sqrt(p["weight"]), ("weight",), 0.005),
    "1 / height": (lambda p: 1 / p["height"], ("height",), 0.0005),
    "weight / (height * height)": (lambda p: p["weight"] / p["height"] ** 2, ("height", "weight"), 0.1),
    "(weight - 5) / height": (lambda p: (p["weight"] - 5) / p["height"], ("height", "weight"), 0.11),
    "ln(weight / height)": (lambda p: math.log(p["weight"] / p["height"]), ("height", "weight"), 0.002),
    "CASE WHEN weight > 70 THEN ln(weight) WHEN weight <= 70 THEN 0 END": (
        lambda p: math.log(p["weight"]) if p["weight"] > 70 else 0.0,
        ("weight",),
        0.001,
    ),
}


def _persons(number: int, chance: random.Random) -> list[dict[str, float | None]]:
    def one() -> dict[str, float | None]:
        values = {
            "crp": round(chance.expovariate(0.3), 1),
            "weight": round(chance.gauss(78, 15), 1),
            "height": round(chance.gauss(1.7, 0.1), 2),
        }
        return {name: None if chance.random() < 0.05 else value for name, value in values.items()}

    return [one() for _ in range(number)]


@pytest.fixture(scope="module")
def persons() -> list[dict[str, float | None]]:
    """90 persons, of whom some values are missing."""
    return _persons(90, random.Random(7))


@pytest.fixture(scope="module")
def split(
    persons: list[dict[str, float | None]], tmp_path_factory: pytest.TempPathFactory
) -> dict[int, Federation]:
    """The same persons at one node, and at three."""
    folder = tmp_path_factory.mktemp("functions")
    tomls = {
        nodes: [_node(folder / f"{nodes}{n}", "EFL"[n], persons[n::nodes]) for n in range(nodes)]
        for nodes in (1, 3)
    }
    return {nodes: open_federation(its) for nodes, its in tomls.items()}


def _node(folder: Path, letter: str, persons: list[dict[str, float | None]]) -> Path:
    country = {"E": "EE", "F": "FI", "L": "LV"}[letter]
    names = ("crp", "weight", "height")
    rows = [
        (f"{country}{number:03d}", *(person[name] for name in names)) for number, person in enumerate(persons)
    ]
    toml = NODE.format(country=country)
    return persons_node(folder, toml, 'protection = "off"', ("sample_id", *names), rows)


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_mean_is_within_the_step_and_the_same_at_any_nodes(
    argument: str, persons: list[dict[str, float | None]], split: dict[int, Federation]
) -> None:
    """Half a step at most, marked as such, and not a bit else where the persons are spread otherwise."""
    function, columns, step = ARGUMENTS[argument]
    known = [p for p in persons if all(p[column] is not None for column in columns)]
    values = [function(p) for p in known]  # type: ignore[arg-type]
    # two forms of one column are not multiplied
    spread = "NULL" if "- 5" in argument else f"stddev({argument})"
    text = f"SELECT avg({argument}) AS m, {spread} AS s, count({columns[0]}) AS n FROM samples"
    answers = {nodes: federation.sql(text) for nodes, federation in split.items()}
    (row,) = answers[1].to_arrow().to_pylist()
    assert answers[3].to_arrow().to_pylist() == [row]
    assert abs(row["m"] - statistics.fmean(values)) <= step / 2 + 1e-12
    assert row["s"] is None or row["s"] == pytest.approx(statistics.stdev(values), rel=0.01)
    statuses = answers[1].status.to_pylist()[0]
    assert statuses["m"] == "approx"
    assert row["s"] is None or statuses["s"] == "approx"
    assert statuses["n"] == "ok"
    assert any("is rounded to" in notice for notice in answers[1].envelope.notices)


def test_a_geometric_mean_and_a_correlation(
    persons: list[dict[str, float | None]], split: dict[int, Federation]
) -> None:
    """What is made of such sums is as near as they are."""
    weights = [p["weight"] for p in persons if p["weight"] is not None]
    both = [(p["crp"], p["weight"]) for p in persons if p["crp"] is not None and p["weight"] is not None]
    text = "SELECT geomean(weight) AS g, corr(ln(crp + 1), weight) AS r FROM samples"
    (row,) = split[3].sql(text).to_arrow().to_pylist()
    assert row["g"] == pytest.approx(statistics.geometric_mean(weights), rel=1e-3)
    logs = [math.log(crp + 1) for crp, _ in both]
    assert row["r"] == pytest.approx(statistics.correlation(logs, [weight for _, weight in both]), abs=1e-2)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("ln(crp)", "lower bound of crp, 0, is not above 0"),
        ("1 / crp", "lower bound of crp, 0, is not above 0"),
        ("weight / (height - 1)", "not a function of columns"),
        ("1 / (height - 1.5)", "not a function of columns"),
        ("sqrt(weight + 1000000 * height)", "not a function of columns"),
        ("ln(ln(weight))", "not a function of columns"),
        ("weight / weight", "not a function of columns"),
        ("exp(weight / 10)", "not made of two columns"),
        ("1 / (1 + exp(weight))", "not made of two columns"),
        ("pow(weight, 0.3)", "not made of two columns"),
    ],
)
def test_what_has_no_finite_interval_or_a_number_inside_is_refused(
    argument: str, told: str, split: dict[int, Federation]
) -> None:
    """Before a node is asked, in the words of the text."""
    with pytest.raises(QueryRefused, match="G403") as refused:
        split[1].sql(f"SELECT avg({argument}) FROM samples")
    assert told in refused.value.message


def _column(name: str, low: Decimal, high: Decimal) -> Column:
    return Column(name, ColumnType.DOUBLE, bounds=(low, high), resolution=Decimal("0.01"))


bounds = st.decimals(Decimal("-1000"), Decimal("1000"), places=2)


@given(
    st.sampled_from([its for its in Function if its is not Function.RATIO_BY_PERSON]),
    bounds,
    bounds,
    bounds,
    bounds,
)
def test_a_computed_column_has_few_levels_and_holds_its_values(
    function: Function, a: Decimal, b: Decimal, c: Decimal, d: Decimal
) -> None:
    """At most 4,096 steps, whose ends hold the function at each corner; or there is no such column."""
    columns = {"x": _column("x", min(a, b), max(a, b)), "y": _column("y", min(c, d), max(c, d))}
    names = ("x", "y") if function in (Function.RATIO, Function.RATIO_TO_SQUARE) else ("y",)
    made = Computed(function, names)
    assert computed_column(made.name) == made
    try:
        column = made.describe(columns)
    except Unbounded:
        return
    assert column.bounds is not None
    assert column.resolution is not None
    low, high = column.bounds
    assert (high - low) / column.resolution <= LEVELS
    assert (low / column.resolution) % 1 == (high / column.resolution) % 1 == 0
    for x in columns["x"].bounds or ():
        for y in columns["y"].bounds or ():
            values = {"x": float(x), "y": float(y), "ln": math.log, "sqrt": math.sqrt}
            value = eval(made.sql(*names), values)
            assert float(low) - 1e-9 <= value <= float(high) + 1e-9


def test_a_ratio_by_person_is_made_of_columns_of_one_sub_aggregate() -> None:
    """Its name says what is added and taken off; no other table has one, and no other names make one."""
    made = computed_column("ratio_by_person$o0_mo2$o1_o12")
    assert made is not None
    assert made.sides == (((1, "o0"), (-1, "o2")), ((1, "o1"), (1, "o12")))
    assert made.stored == ("o0", "o2", "o1", "o12")
    for name in ("ratio_by_person$bmi$ldl", "ratio_by_person$o0", "ratio_by_person$o0_o1_o2_o3_o4$o1"):
        assert computed_column(name) is None
    text = Column("o0", ColumnType.LABEL)
    with pytest.raises(Unbounded):
        made.describe({name: replace(text, name=name) for name in made.stored})
