"""Attacks by functions of columns: a pole, packed digits, and ratios by what nearly everybody shares."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from goe_lake import open_federation
from goe_lake.federation import Federation
from tests.attacks.worlds import observed
from tests.lake.nodes import persons_node

# The target is the only person born before 1940, and the only one of her cohort with another height.
ALONE = "birth_year < 1910"
# Born in 1903 she is in the one of these and not in the other; nobody else is.
WITH, WITHOUT = "birth_year % 4 = 3", "(birth_year - 1940) % 4 = 3"
K = 5
NODE = """[node]
id = "NODE-{number}"
country = "{country}"
policy = "policy.toml"
[samples]
file = "samples.tsv"
[samples.columns.cohort]
values = ["C1", "C2"]
[samples.columns.weight]
type = "double"
bounds = [30, 250]
resolution = 0.1
[samples.columns.height]
type = "double"
bounds = [1, 2.5]
resolution = 0.01
[samples.columns.dose]
type = "double"
bounds = [0.01, 100]
resolution = 0.01
[samples.columns.visits]
type = "integer"
bounds = [1, 50]
"""
COLUMNS = ("sample_id", "birth_year", "cohort", "weight", "height", "dose", "visits")
SECRETS = ({"weight": "63.4", "dose": "0.01", "visits": "3"}, {"weight": "88.1", "dose": "70", "visits": "2"})
#: The same columns by way of a nested query of one row a person.
OWN = (
    "samples JOIN (SELECT sample_id, max(weight) AS w, max(height) AS h, max(dose) AS d, min(visits) AS n "
    "FROM samples GROUP BY sample_id) AS b USING (sample_id)"
)
#: What is asked, and what must not be told of it: the target decides.
HIDDEN = {
    "a_function_of_one": f"SELECT avg(ln(weight)) FILTER (WHERE {ALONE}) AS v FROM samples",
    "all_less_all_but_one": "SELECT sum(ln(weight)) - sum(ln(weight)) "
    f"FILTER (WHERE NOT {ALONE}) AS v FROM samples",
    "the_ratio_of_one": f"SELECT sum(weight / height) - sum(weight / height) "
    f"FILTER (WHERE NOT {ALONE}) AS v FROM samples",
    "a_slope_on_one": f"SELECT regr_slope(ln(weight), ({ALONE})::INT) AS v FROM samples",
    "a_sum_with_her_and_roots_without": f"SELECT sum(weight) FILTER (WHERE {WITH}) AS a, sum(sqrt(weight)) "
    f"FILTER (WHERE {WITHOUT}) AS v FROM samples",
    "roots_with_her_and_logarithms_without": f"SELECT sum(sqrt(weight)) FILTER (WHERE {WITH}) AS a, "
    f"sum(ln(weight)) FILTER (WHERE {WITHOUT}) AS v FROM samples",
    "a_pole": "SELECT avg(1 / dose) AS v FROM samples",
    "a_pole_beside_a_ratio": "SELECT sum(weight / dose) AS v FROM samples WHERE cohort = 'C1'",
    "a_ratio_by_what_all_but_one_share": "SELECT sum(weight / height) AS v FROM samples WHERE cohort = 'C1'",
    "a_product_by_what_all_but_one_share": "SELECT sum(weight * height) AS v "
    "FROM samples WHERE cohort = 'C1'",
    "a_ratio_by_few_values": "SELECT sum(weight / visits) AS v FROM samples WHERE cohort = 'C1'",
    "a_root_of_few_values": "SELECT sum(sqrt(visits)) AS v FROM samples",
    # ratios by person
    "the_ratio_by_person_of_one": "SELECT sum(w / h) - sum(w / h) "
    f"FILTER (WHERE NOT {ALONE}) AS v FROM {OWN}",
    "a_sum_with_her_and_ratios_without": f"SELECT sum(w) FILTER (WHERE {WITH}) AS a, sum(w / h) "
    f"FILTER (WHERE {WITHOUT}) AS v FROM {OWN} WHERE cohort = 'C1'",
    "a_difference_that_is_hers": "SELECT sum((w - u) / h) AS v FROM (SELECT sample_id, max(weight) AS w, "
    f"max(height) AS h, coalesce(max(weight) FILTER (WHERE NOT {ALONE}), 0) AS u "
    "FROM samples GROUP BY sample_id) AS b",
}


def build(folder: Path, secret: dict[str, str]) -> Federation:
    """Three countries of 60 persons; the target with *secret* lives in the first."""
    tomls = []
    for number, country in enumerate(("EE", "FI", "LV")):
        chance = random.Random(number)
        rows = []
        for place in range(60):
            first = place < 30
            person = {
                "sample_id": f"{country}{place:02d}",
                "birth_year": str(chance.randint(1940, 1959)),
                "cohort": "C1" if first else "C2",
                "weight": f"{chance.uniform(60, 90):.1f}",
                "height": "1.7" if first else f"{chance.uniform(1.5, 1.9):.2f}",
                "dose": f"{chance.uniform(50, 99):.2f}",
                "visits": str(1 + place % 2),
            }
            if number == 0 and place == 0:
                person |= {"birth_year": "1903", "height": "1.6", **secret}
            rows.append([person[column] for column in COLUMNS])
        toml, policy = NODE.format(number=number, country=country), f"min_persons = {K}"
        tomls.append(persons_node(folder / country, toml, policy, COLUMNS, rows))
    return open_federation(tomls, project="demo")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Federation, Federation]:
    """The two worlds."""
    folder = tmp_path_factory.mktemp("worlds")
    one, other = (build(folder / str(place), secret) for place, secret in enumerate(SECRETS))
    return one, other


@pytest.mark.parametrize("attack", HIDDEN)
def test_what_rests_on_the_target_is_not_told(worlds: tuple[Federation, Federation], attack: str) -> None:
    """At her node it is withheld in either world, or 0: a part of the question that is hers was left out."""
    text = HIDDEN[attack]
    if OWN in text:
        text = f"{text}{' AND' if 'WHERE cohort' in text else ' WHERE'} country = 'EE'"
    text = text.replace("FROM samples", "FROM samples WHERE country = 'EE'") if OWN not in text else text
    text = text.replace("'EE' WHERE", "'EE' AND")
    one, other = (observed(world, text) for world in worlds)
    assert "refused" not in one
    assert one["status"] == other["status"]
    assert {seen["rows"][0]["v"] for seen in (one, other)} <= {None, 0}


@pytest.mark.parametrize("ratio", ["w / d", "w / n"])
def test_a_ratio_by_person_that_one_decides_is_withheld(
    worlds: tuple[Federation, Federation], ratio: str
) -> None:
    """In one world the target is at a pole, and alone has her number of visits."""
    where = " WHERE cohort = 'C1'" if ratio == "w / n" else ""
    text = f"SELECT country, avg({ratio}) AS v FROM {OWN}{where} GROUP BY country ORDER BY country"
    rows = observed(worlds[0], text)["rows"]
    assert [row["v"] is None for row in rows] == [True, False, False]


def test_what_all_but_one_divide_by_is_divided_by(worlds: tuple[Federation, Federation]) -> None:
    """Her height is left out, so that the ratios are the weights, which are told as well."""
    where = f"FROM {OWN} WHERE cohort = 'C1' AND country = 'EE'"
    for world in worlds:
        ((ratio,), (whole,)) = (
            observed(world, f"SELECT {text} AS v {where}")["rows"][0].values()
            for text in ("sum(w / h)", "sum(w)")
        )
        assert ratio * 1.7 == pytest.approx(whole, rel=2**-11)


def test_where_a_part_of_few_is_left_out_nothing_is_combined(
    worlds: tuple[Federation, Federation],
) -> None:
    """The two halves with her are the two halves without: what is left of the sum is rounding."""
    text = (
        f"SELECT sum(sqrt(weight)) FILTER (WHERE cohort = 'C1' OR {ALONE}) "
        f"+ sum(sqrt(weight)) FILTER (WHERE cohort = 'C2' OR {ALONE}) - sum(sqrt(weight)) AS v "
        "FROM samples WHERE country = 'EE'"
    )
    assert [observed(world, text)["rows"][0]["v"] for world in worlds] == [pytest.approx(0, abs=1e-9)] * 2


def test_ordinary_questions_are_answered(worlds: tuple[Federation, Federation]) -> None:
    """The rules leave means, ratios and spreads of everybody alone."""
    text = (
        "SELECT avg(ln(weight)) AS a, avg(weight / (height * height)) AS b, "
        "geomean(weight) AS e FROM samples WHERE cohort = 'C2'",
        # squares of functions take more values than a cohort of a country has
        "SELECT stddev(sqrt(dose)) AS c, corr(ln(weight), dose) AS d FROM samples",
    )
    for one in text:
        told = observed(worlds[1], one)
        assert set(told["status"][0].values()) == {"approx"}, told
