"""A measure of persons of another country is over nobody at a node, which is public and told."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

import random
from pathlib import Path

import pytest

from goe_lake import open_federation
from goe_lake.federation import Federation
from goe_lake.federation.public_zeros import _holds
from goe_lake.release import Call, ColumnRef, Literal, LiteralType
from tests.lake.nodes import persons_node
from tests.properties.comparison import rows_of

NODE = """[node]
id = "NODE-{country}"
country = "{country}"
policy = "policy.toml"
[samples]
file = "samples.tsv"
[samples.columns.ldl]
type = "double"
bounds = [0.3, 15]
resolution = 0.01
"""
COUNTRY = ColumnRef("s", "country")
EE, FI = (Literal(LiteralType.TEXT, name) for name in ("EE", "FI"))


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    """Two countries of 80 persons at a threshold of 10."""
    folder, chance = tmp_path_factory.mktemp("countries"), random.Random(3)
    tomls: list[Path] = []
    for country, mean in (("EE", 3.4), ("FI", 4.1)):
        rows = [
            (f"{country}{number:03d}", "FM"[number % 2], round(chance.gauss(mean, 0.8), 2))
            for number in range(80)
        ]
        text = NODE.format(country=country)
        names = ("sample_id", "sex", "ldl")
        policy = 'protection = "on"\nmin_persons = 10\nmin_contributors = 10'
        tomls.append(persons_node(folder / country, text, policy, names, rows))
    return open_federation(tomls)


@pytest.mark.parametrize(
    "value", ["count(*)", "count(ldl)", "sum(ldl)", "avg(ldl)", "stddev(ldl)", "count(DISTINCT sample_id)"]
)
def test_a_filter_on_the_country_is_told_as_a_condition_on_it_is(value: str, federation: Federation) -> None:
    """The other country's node has nobody to hide."""
    inside = federation.sql(
        f"SELECT sex, {value} FILTER (country = 'EE') AS v FROM samples GROUP BY sex ORDER BY sex"
    )
    outside = federation.sql(
        f"SELECT sex, {value} AS v FROM samples WHERE country = 'EE' GROUP BY sex ORDER BY sex"
    )
    assert {word for row in rows_of(inside.status) for word in row} == {"ok"}
    assert rows_of(inside.table) == rows_of(outside.table)


def test_a_value_relative_to_the_own_country_is_told(federation: Federation) -> None:
    """The mean of z-scores over all is 0, their variance nearly 1."""
    answer = federation.sql(
        "WITH m AS (SELECT country, avg(ldl) AS mean, stddev_pop(ldl) AS sd FROM samples GROUP BY country) "
        "SELECT avg((ldl - mean) / sd) AS mean_z, var_pop((ldl - mean) / sd) AS variance FROM samples JOIN m USING (country)"
    )
    ((mean, variance),) = rows_of(answer.table)
    assert rows_of(answer.status) == [("ok", "ok")]
    assert mean == pytest.approx(0, abs=1e-9)
    assert variance == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(
    "condition", ["country = 'EE' AND ldl > 14.9", "ldl > 14.9", "country <> 'FI' AND sex = 'X'"]
)
def test_nobody_by_other_facts_is_not_told(condition: str, federation: Federation) -> None:
    """0 and a few look alike where persons decide."""
    answer = federation.sql(f"SELECT count(*) FILTER ({condition}) AS n FROM samples")
    assert rows_of(answer.table) != [(0,)] or rows_of(answer.status) != [("ok",)]


def test_what_a_country_says_of_a_condition() -> None:
    """Only equalities with texts, and what is made of them, are known of everybody."""
    here = Call("eq", (COUNTRY, EE))
    other = Call("eq", (COUNTRY, FI))
    of_person = Call("eq", (ColumnRef("s", "sex"), Literal(LiteralType.TEXT, "F")))
    known = {
        here: (True,), other: (False,), Call("ne", (COUNTRY, EE)): (False,),
        Call("in", (COUNTRY, FI, EE)): (True,), Call("not", (Call("is_true", (other,)),)): (True,),
        Call("and", (here, other)): (False,), Call("or", (here, other)): (True,),
        Call("eq", (ColumnRef("g", "country"), FI)): None, of_person: None,
        Call("and", (other, of_person)): None, Call("like", (COUNTRY, EE)): None,
    }  # fmt: skip
    assert {node: _holds(node, {"s"}, "EE") for node in known} == known
