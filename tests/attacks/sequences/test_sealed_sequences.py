"""Sequences around sealed sums, each harmless by itself: told apart by what nodes remember alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from goe_lake.federation.asker import Asker as Who
from tests.attacks.sequences.sealed_worlds import SECRETS, Asker, Key, SealedWorld

Numbers = Mapping[Key, float | None]
First = Callable[[Asker], Numbers]
Then = Callable[[Asker, Numbers], Numbers]
COMMON, RARE, EDGE = 1000, 2000, 3000
COUNTRIES = ("AT", "EE", "FI")
CASES = "SELECT sum(t2d) AS x FROM samples"
CASES_BY_SEX = "SELECT sex, sum(t2d) AS x FROM samples GROUP BY sex"
BY_CASE = "SELECT t2d, count(*) AS n FROM samples GROUP BY t2d"
BY_DRUG = "SELECT metformin, count(*) AS n FROM samples GROUP BY metformin"


@dataclass(frozen=True)
class Attack:
    """What is asked at *first*, and what is made of it and of later answers: the target's, several times.

    *as_open* says that the status of open answers tells too whether few persons changed.
    """

    first: First
    then: Then
    as_open: bool = False


def less(one: float | None, *others: float | None) -> float | None:
    """*one* less the *others*; None where one of them is not told."""
    if one is None or None in others:
        return None
    return one - sum(other for other in others if other is not None)


def added(numbers: Iterable[float | None]) -> float | None:
    """The sum; None where a part is not told."""
    found = list(numbers)
    return None if None in found or not found else sum(number for number in found if number is not None)


def grown(ask: First, *at: Key) -> Attack:
    """The same numbers later and before."""

    def then(asker: Asker, before: Numbers) -> Numbers:
        now = ask(asker)
        return {key: less(now.get(key), before.get(key)) for key in at}

    return Attack(ask, then)


def by_sex_later(asker: Asker, before: Numbers) -> Numbers:
    """The later question is another one: its cells are added up."""
    now = asker.alleles("sex")
    return {
        (pos,): less(added(now.get((pos, sex)) for sex in "FM"), before.get((pos,))) for pos in (COMMON, RARE)
    }


def what_others_leave(asker: Asker) -> Numbers:
    """All, less the other countries: what is left is EE's."""
    told = asker.alleles("country", where="s.country <> 'EE'")
    return {(): less(asker.alleles().get((COMMON,)), *(told.get((COMMON, name)) for name in ("AT", "FI")))}


def released_and_all(asker: Asker) -> float | None:
    """All, less what every country released before."""
    own = asker.numbers(
        "SELECT pos, country, ac FROM allele_frequencies "
        "WHERE country <> 'all' AND population = 'all' AND sex = 'all'"
    )
    return less(asker.alleles().get((COMMON,)), *(own.get((COMMON, name)) for name in COUNTRIES))


SITES = grown(Asker.alleles, (COMMON,), (RARE,), (EDGE,))
SITES_BY_SEX = Attack(Asker.alleles, by_sex_later)
GROUPS = grown(lambda asker: asker.numbers(BY_CASE), (True,))
#: Before the target joins, and after.
JOINS = {
    "at sites": SITES,
    "at sites, by sex": SITES_BY_SEX,
    "as a case": grown(lambda asker: asker.numbers(CASES), ()),
    "as a case of a group": GROUPS,
    "as a case, by sex": Attack(
        lambda asker: asker.numbers(CASES),
        lambda asker, before: {(): less(added(asker.numbers(CASES_BY_SEX).values()), before.get(()))},
        as_open=True,
    ),
    "the sum less the others, then EE openly": Attack(
        what_others_leave,
        lambda asker, before: {
            (): less(asker.alleles("country", where="s.country = 'EE'").get((COMMON, "EE")), before[()])
        },
    ),
    "every country, then the sum": Attack(
        lambda asker: asker.alleles("country"),
        lambda asker, before: {
            (): less(asker.alleles().get((COMMON,)), *(before.get((COMMON, name)) for name in COUNTRIES))
        },
    ),
}
#: Before the target withdraws, and after: less is told.
LEAVES = {"at sites": SITES, "at sites, by sex": SITES_BY_SEX, "as a case of a group": GROUPS}


def sealed_beside_open_label(asker: Asker) -> Numbers:
    """With diabetes over all, less the other countries, and less EE's on metformin."""
    told = asker.alleles("country", "t2d", where="s.country <> 'EE'")
    own = asker.alleles("country", "metformin", where="s.country = 'EE'").get((COMMON, "EE", True))
    others = [told.get((COMMON, name, True)) for name in ("AT", "FI")]
    return {(): less(asker.alleles("t2d").get((COMMON, True)), *others, own)}


#: At one time; but for the target whoever has diabetes is on metformin.
LABELS: dict[str, First] = {
    "alleles by labels that nearly say the same": lambda asker: {
        (): less(asker.alleles("t2d").get((COMMON, True)), asker.alleles("metformin").get((COMMON, True)))
    },
    "the same where no country tells its own": lambda asker: {
        (): less(asker.alleles("t2d").get((RARE, True)), asker.alleles("metformin").get((RARE, True)))
    },
    "persons by labels that nearly say the same": lambda asker: {
        (): less(asker.numbers(BY_CASE).get((True,)), asker.numbers(BY_DRUG).get((True,)))
    },
    "one of them sealed and the other open": sealed_beside_open_label,
}


def projects(attacks: Iterable[str]) -> dict[str, str]:
    """A project with a member of its own for each attack: what is asked in one is not known to others."""
    return {f"project-{place}": f"analyst-{place}" for place, _ in enumerate(attacks)}


def found(attacks: Mapping[str, Attack], world: SealedWorld, *, joins: bool) -> dict[str, Numbers]:
    """What each of *attacks* computes in *world*, in which the target joins, or leaves."""
    before = world.open(target=not joins)
    world.approve(projects(attacks))
    askers = [Who(name, member) for name, member in projects(attacks).items()]
    first = [
        attack.first(Asker(before.for_asker(who)))
        for who, attack in zip(askers, attacks.values(), strict=True)
    ]
    after = world.open(target=joins)
    return {
        name: attack.then(Asker(after.for_asker(who)), told)
        for who, told, (name, attack) in zip(askers, first, attacks.items(), strict=True)
    }


@pytest.mark.parametrize("joins", [True, False], ids=["joins", "leaves"])
def test_what_the_target_has_by_deliveries(joins: bool, tmp_path: Path) -> None:
    """It is computed without the audit; with it both worlds look alike, also in what is not told."""
    attacks = JOINS if joins else LEAVES
    without = found(attacks, SealedWorld(tmp_path / "without", True, audit=False), joins=joins)
    assert {number for told in without.values() for number in told.values()} == {1 if joins else -1}
    one, other = (
        found(attacks, SealedWorld(tmp_path / str(secret), secret, audit=True), joins=joins)
        for secret in SECRETS
    )
    for name, attack in attacks.items():
        assert one[name] == other[name] or attack.as_open, name
        assert {*one[name].values(), *other[name].values()} <= {0, None}, name
    assert set(one["at sites"].values()) == {0}


def at_once(world: SealedWorld) -> dict[str, float | None]:
    """What each attack of `LABELS` computes."""
    federation = world.open(target=True)
    world.approve(projects(LABELS))
    askers = [Asker(federation.for_asker(Who(*names))) for names in projects(LABELS).items()]
    return {name: attack(asker)[()] for asker, (name, attack) in zip(askers, LABELS.items(), strict=True)}


def test_what_the_target_has_by_labels(tmp_path: Path) -> None:
    """The same of labels that differ by one person: the number of the first is told for the second too."""
    assert set(at_once(SealedWorld(tmp_path / "without", True, audit=False)).values()) == {1}
    for secret in SECRETS:
        told = at_once(SealedWorld(tmp_path / str(secret), secret, audit=True))
        assert set(told.values()) == {0}


def test_what_the_target_has_by_released_frequencies(tmp_path: Path) -> None:
    """Released before the target joined; whoever asks for the sum later."""
    for secret, audit in ((True, False), *((secret, True) for secret in SECRETS)):
        world = SealedWorld(tmp_path / f"{audit}{secret}", secret, audit)
        world.open(target=False).release_frequencies()
        assert released_and_all(Asker(world.open(target=True))) == (not audit)


def test_whoever_asks(tmp_path: Path) -> None:
    """Projects that nobody approved are one; an analyst of two that were is held to both."""
    computed = []
    for secret in SECRETS:
        world = SealedWorld(tmp_path / str(secret), secret, audit=True)
        before = world.open(target=False)
        world.approve({"one": "anna", "another": "anna"})
        asked = [(Who("this"), Who("that")), (Who("one", "anna"), Who("another", "anna"))]
        first = [Asker(before.for_asker(one)).alleles()[RARE,] for one, _ in asked]
        after = world.open(target=True)
        then = [Asker(after.for_asker(other)).alleles()[RARE,] for _, other in asked]
        assert None not in first
        computed.append([less(*pair) for pair in zip(then, first, strict=True)])
    assert computed[0] == computed[1]


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    """Asked again at the same snapshots it is the same, unmarked; later it is marked."""
    world = SealedWorld(tmp_path, True, audit=True)
    text = "SELECT pos, sum(dosage) AS ac FROM genotypes GROUP BY contig, pos, ref, alt ORDER BY pos"
    federation = world.open(target=False)
    assert "cells: sealed" in federation.explain(text)
    answers = [federation.sql(text), federation.sql(text), world.open(target=False).sql(text)]
    for answer in answers:
        assert answer.table.column("ac").to_pylist() == [45, 12, 12]
        assert set(answer.status.column("ac").to_pylist()) == {"ok"}
    later = world.open(target=True).sql(text)
    assert later.table.column("ac").to_pylist() == [45, 12, 12]
    assert set(later.status.column("ac").to_pylist()) == {"approx"}
