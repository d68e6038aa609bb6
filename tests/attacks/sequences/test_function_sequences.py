"""Sequences that ask for a column and for a function of it, which is nearly a straight line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.sequences.test_sequences import WITH, WITHOUT, less
from tests.attacks.sequences.worlds import World

#: Between 9 and 12 a square root is a straight line, but for some hundredths.
LOW, HIGH = 9.0, 12.0
SECRETS = ("9.4", "11.7")
#: A function takes twenty different values in each of the selections.
MANY = 360
Attack = Callable[[World], float | None]


def line(roots: float | None, persons: float | None) -> float | None:
    """The sum of a column of so many *persons* from that of its *roots*."""
    if roots is None or persons is None:
        return None
    slope = (HIGH**0.5 - LOW**0.5) / (HIGH - LOW)
    return (roots - persons * (LOW**0.5 - slope * LOW)) / slope


def by_roots_alone(world: World) -> float | None:
    """The same function of both selections, on the line."""
    ask = world.open()
    one, two = (ask("sum(sqrt(ldl))", where) for where in (WITH, WITHOUT))
    return line(less(one, two), 1)


def by_a_root_after_the_column(world: World) -> float | None:
    """The column of those with the target, then the roots of those without."""
    ask = world.open()
    one = ask("sum(ldl)", WITH)
    return less(one, line(ask("sum(sqrt(ldl))", WITHOUT), ask("count(*)", WITHOUT)))


def by_the_column_after_a_root(world: World) -> float | None:
    """The roots first."""
    ask = world.open()
    n = ask("count(*)", WITH)
    one = line(ask("sum(sqrt(ldl))", WITH), n)
    return less(one, ask("sum(ldl)", WITHOUT))


def by_two_functions(world: World) -> float | None:
    """Roots of the ones, and logarithms of the others: both are lines."""
    ask = world.open()
    persons = ask("count(*)", WITH)
    one = line(ask("sum(sqrt(ldl))", WITH), persons)
    logs = ask("sum(ln(ldl + 1))", WITHOUT)
    if logs is None or persons is None:
        return None
    # of the logarithms of one more a line as well, through the middle
    return less(one, (logs - (persons - 1) * 2.4423) * 11.5 + (persons - 1) * 10.5)


def by_a_union_of_roots(world: World) -> float | None:
    """The roots of women and men without the target, added, and the column of all with her."""
    ask = world.open()
    one = ask("sum(ldl)", "birth_year % 2 = 1")
    rows = ask.federation.sql(
        "SELECT sex, sum(sqrt(ldl)) AS x, count(*) AS n FROM samples "
        "WHERE country = 'EE' AND (birth_year - 1940) % 2 = 1 GROUP BY sex"
    ).table.to_pylist()
    return less(one, *(line(row["x"], row["n"]) for row in rows))


def by_one_query(world: World) -> float | None:
    """Both in one release."""
    ask = world.open()
    text = (
        f"SELECT sum(ldl) FILTER (WHERE {WITH}) AS a, sum(sqrt(ldl)) FILTER (WHERE {WITHOUT}) AS b, "
        f"count(*) FILTER (WHERE {WITHOUT}) AS n FROM samples WHERE country = 'EE'"
    )
    (row,) = ask.federation.sql(text).table.to_pylist()
    return less(row["a"], line(row["b"], row["n"]))


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        by_roots_alone, by_a_root_after_the_column, by_the_column_after_a_root, by_two_functions,
        by_a_union_of_roots, by_one_query,
    )
}  # fmt: skip


def world_of(folder: Path, secret: str, *, audit: bool) -> World:
    """The usual world, with an LDL between 9 and 12."""
    world = World(folder, secret, audit=audit, size=MANY)
    for person in world.persons["EE"][1:]:
        person["ldl"] = f"{LOW + float(person['ldl']) / 2:.1f}"
    return world


@pytest.mark.parametrize("name", ATTACKS)
def test_a_function_beside_its_column_tells_nothing(name: str, tmp_path: Path) -> None:
    """Without the audit the two worlds differ by what the target has; with it they do not."""
    if name != "by_one_query":  # one release needs no audit
        off = [ATTACKS[name](world_of(tmp_path / f"off{secret}", secret, audit=False)) for secret in SECRETS]
        assert None not in off
        assert off[1] - off[0] == pytest.approx(2.3, abs=0.3)  # type: ignore[operator]
    on = [ATTACKS[name](world_of(tmp_path / f"on{secret}", secret, audit=True)) for secret in SECRETS]
    assert None in on or on[0] == pytest.approx(on[1], abs=1e-6)


#: The LDL of each person, by way of a nested query of one row a person.
BY_PERSON = (
    "samples JOIN (SELECT sample_id, max(ldl) AS x, count(*) AS n FROM samples GROUP BY sample_id) AS b "
    "USING (sample_id)"
)


@pytest.mark.parametrize("first", ["the column", "by person", "in one query", "as a ratio"])
def test_a_column_by_person_is_the_column(first: str, tmp_path: Path) -> None:
    """The LDL of those with the target by person, and of those without as it is, in either order."""

    def attack(secret: str, *, audit: bool) -> float | None:
        ask = world_of(tmp_path / f"{audit}{secret}", secret, audit=audit).open()
        if first == "in one query":
            text = f"SELECT sum(b.x) FILTER (WHERE {WITH}) AS x, sum(ldl) FILTER (WHERE {WITHOUT}) AS y FROM "
            (row,) = ask.federation.sql(f"{text}{BY_PERSON} WHERE country = 'EE'").table.to_pylist()
            return less(row["x"], row["y"])
        by_person = "sum(b.x / b.n)" if first == "as a ratio" else "sum(b.x)"
        asked = [(by_person, WITH, BY_PERSON), ("sum(ldl)", WITHOUT)]
        told = [ask(*one) for one in (asked[::-1] if first == "the column" else asked)]
        return less(*(told[::-1] if first == "the column" else told))

    if first != "in one query":
        assert [attack(secret, audit=False) for secret in SECRETS] == [
            # a ratio of each person is rounded
            pytest.approx(float(secret), abs=0.05 if first == "as a ratio" else 1e-6)
            for secret in SECRETS
        ]
    on = [attack(secret, audit=True) for secret in SECRETS]
    assert None in on or on[0] == pytest.approx(on[1])


def test_a_column_and_its_functions_of_the_same_persons_are_told(tmp_path: Path) -> None:
    """Whatever came first: nobody differs."""
    ask = world_of(tmp_path, SECRETS[0], audit=True).open()
    selects = ("avg(ldl)", "avg(sqrt(ldl))", "avg(ln(ldl + 1))", "stddev(ldl)", "skewness(ldl)")
    assert None not in [ask(select, WITH) for select in selects]
