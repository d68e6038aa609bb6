"""Sequences of answers, each harmless by itself: told apart by the audit alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from goe_lake.engine import node
from tests.attacks.sequences.worlds import SECRETS, Asker, World

# Born in 1903, the target is in the one of these and not in the other; nobody else is. Neither is a
# condition with parts that could be left out.
WITH, WITHOUT = "birth_year % 4 = 3", "(birth_year - 1940) % 4 = 3"
REST_WITH = "(birth_year - 1940) % 4 <> 3"
GENOTYPES = "samples JOIN genotypes USING (sample_id)"

Attack = Callable[[World], float | None]


def less(one: float | None, *others: float | None) -> float | None:
    """*one* less the *others*; None where one of them is not told."""
    if one is None or None in others:
        return None
    return one - sum(other for other in others if other is not None)


def by_one_condition(world: World) -> float | None:
    """The same sum over all who are in the one selection, and in the other."""
    ask = world.open()
    return less(ask("sum(ldl)", WITH), ask("sum(ldl)", WITHOUT))


def by_mean_and_count(world: World) -> float | None:
    """Means times counts."""
    ask = world.open()
    one, two = (ask("avg(ldl)", where) for where in (WITH, WITHOUT))
    n, m = (ask("count(ldl)", where) for where in (WITH, WITHOUT))
    return None if None in (one, two, n, m) else one * n - two * m


def by_affine_forms(world: World) -> float | None:
    """Ten times the LDL and five is the LDL."""
    ask = world.open()
    one, two = ask("sum(ldl * 10 + 5)", WITH), ask("sum(ldl)", WITHOUT)
    n = ask("count(ldl)", WITH)
    return None if None in (one, two, n) else (one - 5 * n) / 10 - two


def by_node(world: World) -> float | None:
    """All nodes, then all but one, then that one with another selection."""
    ask = world.open()
    rows = ask.federation.sql(f"SELECT country, sum(ldl) AS x FROM samples WHERE {WITH} GROUP BY country")
    told = {row["country"]: row["x"] for row in rows.table.to_pylist()}
    everywhere = ask.federation.sql(f"SELECT sum(ldl) AS x FROM samples WHERE {WITH}").table.to_pylist()
    return less(less(everywhere[0]["x"], told.get("FI")), ask("sum(ldl)", WITHOUT))


def by_delivery(world: World) -> float | None:
    """A new snapshot holds the target too."""
    before = world.open(EE={0})("sum(ldl)", "birth_year > 0")
    return less(world.open()("sum(ldl)", "birth_year > 0"), before)


def by_withdrawal(world: World) -> float | None:
    """A new snapshot lacks the target."""
    before = world.open()("sum(ldl)", "birth_year > 0")
    return less(before, world.open(EE={0})("sum(ldl)", "birth_year > 0"))


def by_union(world: World) -> float | None:
    """One answer's cells, added, and then all of them at once with the target."""
    ask = world.open()
    rows = ask.federation.sql(
        f"SELECT sex, sum(ldl) AS x FROM samples WHERE country = 'EE' AND {WITHOUT} GROUP BY sex"
    ).table.to_pylist()
    return less(ask("sum(ldl)", WITH), *(row["x"] for row in rows))


def by_key_and_condition(world: World) -> float | None:
    """The selection as a key, then as a condition."""
    ask = world.open()
    rows = ask.federation.sql(
        f"SELECT {WITHOUT} AS k, sum(ldl) AS x FROM samples WHERE country = 'EE' GROUP BY 1"
    ).table.to_pylist()
    told = {row["k"]: row["x"] for row in rows}
    return less(ask("sum(ldl)", WITH), told.get(True))


def by_releases_of_one_query(world: World) -> float | None:
    """Both sums in one query."""
    ask = world.open()
    one, two = (f"SELECT sum(ldl) AS s FROM samples WHERE country = 'EE' AND {w}" for w in (WITH, WITHOUT))
    try:
        answer = ask.federation.sql(f"SELECT a.s - b.s AS x FROM ({one}) AS a, ({two}) AS b")
    except Exception:
        return None
    return answer.table.to_pylist()[0]["x"]


def by_two_analysts(world: World) -> float | None:
    """One asks for the one sum, and a colleague for the other."""
    return less(world.open(analyst="anna")("sum(ldl)", WITH), world.open(analyst="ben")("sum(ldl)", WITHOUT))


def by_names_of_projects(world: World) -> float | None:
    """Two analysts of projects that nobody approved."""
    one, other = world.open("one", "anna"), world.open("another", "ben")
    return less(one("sum(ldl)", WITH), other("sum(ldl)", WITHOUT))


SUMS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        by_one_condition, by_mean_and_count, by_affine_forms, by_node, by_delivery, by_withdrawal, by_union,
        by_key_and_condition, by_releases_of_one_query, by_two_analysts, by_names_of_projects,
    )
}  # fmt: skip


def found(attack: Attack, folder: Path, *, audit: bool) -> list[float | None]:
    """What *attack* computes in either world."""
    countries = ("EE", "FI") if attack is by_node else ("EE",)
    return [
        attack(World(folder / str(place), secret, audit, countries)) for place, secret in enumerate(SECRETS)
    ]


@pytest.mark.parametrize("name", SUMS)
def test_the_ldl_of_the_target_by_a_sequence(name: str, tmp_path: Path) -> None:
    """What is computed is the LDL of the target without the audit, and the same in both worlds with it."""
    secrets = [pytest.approx(float(secret)) for secret in SECRETS]
    assert found(SUMS[name], tmp_path / "off", audit=False) == secrets
    one, other = found(SUMS[name], tmp_path / "on", audit=True)
    assert one is None or other is None or one == pytest.approx(other)


def by_general_tracker(world: World) -> float | None:
    """Denning's tracker: either half of the country with the target, less the country."""
    ask = world.open()
    one, other, whole = (ask("sum(ldl)", where) for where in (WITH, REST_WITH, "true"))
    return None if one is None or other is None or whole is None else one + other - whole


@pytest.mark.xfail(strict=True, reason="no two of the three differ by few persons: noise or a budget alone")
def test_three_numbers_tell_nothing(tmp_path: Path) -> None:
    """What is computed is the same in both worlds."""
    secrets = [pytest.approx(float(secret)) for secret in SECRETS]
    assert found(by_general_tracker, tmp_path, audit=True) != secrets


def by_tracker_of_parts(world: World) -> float | None:
    """Denning's general tracker as it is written: the target is a part of a condition."""
    ask = world.open()
    part = "(birth_year = 1903 AND ldl > 5)"
    halves = [ask("count(*)", f"(sex {sign} 'M' OR {part})") for sign in ("=", "<>")]
    whole = ask("count(*)")
    return None if whole is None or None in halves else halves[0] + halves[1] - whole


def test_a_tracker_that_is_part_of_a_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells whether the LDL is above 5 where parts of few are not left out, and nothing where they are."""
    one, other = found(by_tracker_of_parts, tmp_path / "on", audit=True)
    assert one == other
    one, other = found(by_tracker_of_parts, tmp_path / "off", audit=False)
    assert one == other
    with monkeypatch.context() as patch:
        patch.setattr(node, "least_effect", lambda _: 0)
        assert found(by_tracker_of_parts, tmp_path / "without", audit=False) == [0, 1]


def test_an_analyst_of_two_projects_is_held_to_both(tmp_path: Path) -> None:
    """Approved projects are accounts of their own; a name that asks in both is one analyst."""
    for audit, same in ((False, False), (True, True)):
        world = World(tmp_path / str(audit), "3.7", audit=audit)
        world.open()
        world.approve("one", "another")
        told = world.open("one", "anna")("sum(ldl)", WITH)
        assert told is not None
        assert (world.open("another", "anna")("sum(ldl)", WITHOUT) == told) is same


def test_rounded_answers_are_held_to_earlier_ones(tmp_path: Path) -> None:
    """What is rounded is the earlier number: without the audit a crossing of 5 tells who is there."""
    for on in (False, True):
        ask = World(tmp_path / str(on), "3.7", audit=on, output="rounded").open()
        told = [ask("sum(ldl)", where) for where in (WITH, WITHOUT)]
        assert None not in told
        assert (told[0] == told[1]) is on


def count_by(ask: Asker, select: str, source: str = "samples") -> float | None:
    """One number of both selections, less each other."""
    return less(ask(select, WITH, source), ask(select, WITHOUT, source))


@pytest.mark.parametrize(
    ("select", "source"),
    [
        ("count(*)", "samples"),
        ("count(DISTINCT sample_id)", "samples"),
        ("count(ldl)", "samples"),
        ("sum(CASE WHEN t2d THEN 1 ELSE 0 END)", "samples"),
        ("count(*)", f"{GENOTYPES}"),
        ("sum(dosage)", f"{GENOTYPES}"),
    ],
)
def test_whether_the_target_is_counted(select: str, source: str, tmp_path: Path) -> None:
    """The difference of two counts is one without the audit, and nobody with it."""
    assert count_by(World(tmp_path / "off", "3.7", audit=False).open(), select, source) == 1
    assert count_by(World(tmp_path / "on", "3.7", audit=True).open(), select, source) in (0, None)


def test_counts_of_different_columns_are_one_quantity(tmp_path: Path) -> None:
    """Nobody lacks a value: so counts of three columns count the same persons."""
    selects = ("count(*)", "count(ldl)", "count(birth_year)")
    for on in (False, True):
        for place, (one, other) in enumerate(pairwise((*selects, *selects[::-1]))):
            ask = World(tmp_path / f"{on}{place}", "3.7", audit=on).open()
            difference = less(ask(one, WITH), ask(other, WITHOUT))
            assert difference == (1 if not on else 0) or (on and difference is None)


def test_reconstruction_from_ranges(tmp_path: Path) -> None:
    """Cumulated counts by year, and those with diabetes, give both for each year: natural selectors."""
    for on in (False, True):
        world = World(tmp_path / str(on), "3.7", audit=on)
        ask = world.open()
        years = range(1946, 1956)
        sums = [ask("sum(ldl)", f"birth_year <= {year}") for year in years]
        steps = [less(after, before) for before, after in pairwise(sums)]
        true = [
            sum(float(p["ldl"]) for p in world.persons["EE"] if p["birth_year"] == str(year))
            for year in years[1:]
        ]
        persons = [sum(p["birth_year"] == str(year) for p in world.persons["EE"]) for year in years[1:]]
        exposed = [
            step is not None and step == pytest.approx(value)
            for step, value, n in zip(steps, true, persons, strict=True)
            if 0 < n < 5
        ]
        assert len(exposed) > 3
        assert all(exposed) is not on
        assert any(exposed) is not on


def test_rewording_gives_one_value(tmp_path: Path) -> None:
    """However a selection is written, its number is the same, and is marked but for the first."""
    ask = World(tmp_path, "3.7", audit=True).open()
    forms = [WITH, "birth_year % 4 > 2", "(birth_year + 4) % 4 = 3", "(birth_year - 1936) % 4 = 3"]
    answers = [
        ask.federation.sql(f"SELECT sum(ldl) AS x FROM samples WHERE country = 'EE' AND {where}")
        for where in forms
    ]
    assert len({answer.table.to_pylist()[0]["x"] for answer in answers}) == 1
    statuses = [answer.status.to_pylist()[0]["x"] for answer in answers]
    assert statuses == ["ok", "approx", "approx", "approx"]


def test_the_same_question_has_the_same_answer_each_time(tmp_path: Path) -> None:
    """Marks and all: what an answer added to the ledger does not change what it is told the second time.

    All are of one population, so that their number is held to that of everybody.
    """
    world = World(tmp_path, SECRETS[0], audit=True)
    for number, person in enumerate(world.persons["EE"]):
        person["population"] = "Alpha"
        person["ldl"] = "" if number == 7 else person["ldl"]
    text = "SELECT population, count(*) AS n, avg(ldl) AS m, count(ldl) AS l FROM samples GROUP BY population"
    answers = [world.open().federation.sql(text) for _ in range(3)]
    told = [(answer.table.to_pylist(), answer.status.to_pylist()) for answer in answers]
    assert told[0] == told[1] == told[2]
    assert told[0][1] == [{"population": "ok", "n": "approx", "m": "approx", "l": "approx"}]
