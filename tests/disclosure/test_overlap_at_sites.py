"""Earlier numbers at sites: differences rest on k carriers and k others, whatever the selections are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.disclosure.earlier_sites import (
    COMPUTED,
    REPEATED,
    UNTOLD,
    WITHHELD,
    Difference,
    SiteClaim,
    SiteRecord,
    judge_sites,
)
from goe_lake.disclosure.overlap import selection_of

PERSONS, SITES = 60, 12
#: Not called, ref, het, hom-alt.
AC, HET, CALLED = (0, 0, 1, 2), (0, 0, 1, 0), (0, 2, 2, 2)


class World:
    """Persons with genotype classes (sites x persons), and everything that was told of them."""

    def __init__(self, seed: int, least: int) -> None:
        chance = np.random.default_rng(seed)
        rate = chance.choice([0.02, 0.2, 0.9], SITES)[:, None]
        alleles = (chance.random((2, SITES, PERSONS)) < rate).sum(axis=0)
        self.classes = np.where(chance.random((SITES, PERSONS)) < 0.05, 0, alleles + 1)
        self.least, self.records = least, list[SiteRecord]()
        self.sites = np.arange(SITES, dtype=np.uint64) * 7

    def scan(self, sites: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
        """Persons by group, class and site, one by one."""
        places = (sites // 7).astype(int)
        counts = np.zeros((groups, 4, len(places)), dtype=np.int64)
        for column, place in enumerate(places):
            for person in range(min(PERSONS, len(group))):
                if group[person] >= 0:
                    counts[group[person], self.classes[place, person], column] += 1
        return counts

    def value(self, weights: tuple[int, ...], who: set[int]) -> np.ndarray:
        """The true number at each site."""
        return np.array(weights)[self.classes[:, sorted(who)]].sum(axis=1)

    def ask(self, parts: list[set[int]], weights: tuple[int, ...], difference: Difference, name: str) -> list:
        """What becomes of one answer; remembered."""
        claims = []
        for place, who in enumerate(parts):
            numbers = np.array(sorted(who), dtype=np.int64)
            values = self.value(weights, who)
            adding = (np.array(weights)[self.classes[:, numbers]] != 0).sum(axis=1)
            values = np.where(adding >= self.least, values, UNTOLD)
            chosen = selection_of(numbers, np.ones(len(numbers), dtype=np.uint64))
            claims.append(
                SiteClaim(weights, chosen, self.sites, values, f"{name} {place}", difference, 0, name,
                          (place,) if len(parts) > 1 else ())
            )  # fmt: skip
        verdicts, records = judge_sites(claims, self.records, self.least, self.scan)
        self.records += records
        return verdicts


def few(world: World, one: set[int], other: set[int], weights: tuple[int, ...]) -> np.ndarray:
    """The sites at which one less other rests on fewer than k persons who add something."""
    adding = (np.array(weights)[world.classes[:, sorted(one ^ other)]] != 0).sum(axis=1)
    return adding < world.least


@given(seed=st.integers(0, 2**32), least=st.integers(2, 5))
def test_no_difference_rests_on_few_carriers(seed: int, least: int) -> None:
    """Of all AC that were computed, and their sums within an answer, no two differ by few carriers."""
    world = World(seed, least)
    chance = np.random.default_rng(seed + 1)
    seen: list[tuple[set[int], np.ndarray]] = []
    for number in range(5):
        whole = set(np.flatnonzero(chance.random(PERSONS) < chance.choice([0.5, 0.95, 1.0])).tolist())
        cut = {person for person in whole if chance.random() < 0.5}
        parts = [part for part in ([whole] if number % 2 else [cut, whole - cut]) if part]
        verdicts = world.ask(parts, AC, Difference.ROWS, str(number))
        told = []
        for who, verdict in zip(parts, verdicts, strict=True):
            computed = verdict.fates == COMPUTED
            here = computed & (world.value(AC, who) == verdict.values)
            assert (here | ~computed | (verdict.values == UNTOLD)).all()
            here = computed & (verdict.values != UNTOLD)
            for earlier, where in seen:
                assert not (few(world, who, earlier, AC) & here & where).any()
            told.append((who, here))
        if len(told) == 2:
            both = told[0][1] & told[1][1]
            for earlier, where in seen:
                differs = (np.array(AC)[world.classes[:, sorted(whole ^ earlier)]] != 0).any(axis=1)
                assert not (few(world, whole, earlier, AC) & differs & both & where).any()
            told.append((whole, both))
        seen += told


def test_fewer_carriers_than_k_repeat_the_earlier_number() -> None:
    """AC of all, then of all but men: at sites where few men carry, the AC of all again, marked."""
    world = World(3, 5)
    everybody, women = set(range(PERSONS)), set(range(30))
    (first,) = world.ask([everybody], AC, Difference.ROWS, "all")
    (then,) = world.ask([women], AC, Difference.ROWS, "women")
    rare = few(world, everybody, women, AC) & (world.value(AC, everybody) >= 0) & (first.values != UNTOLD)
    assert rare.any()
    assert not rare.all()
    assert (then.fates[rare] == REPEATED).sum() + (then.fates[rare] == WITHHELD).sum() == rare.sum()
    assert (
        then.values[rare & (then.fates == REPEATED)] == first.values[rare & (then.fates == REPEATED)]
    ).all()
    assert then.marked[rare & (then.fates == REPEATED)].all()
    assert (then.fates[~rare] == COMPUTED).all()


def test_the_same_words_are_not_marked() -> None:
    """What was asked for in the same words is told again as it was."""
    world = World(3, 5)
    (first,) = world.ask([set(range(PERSONS))], AC, Difference.ALLELES, "all")
    (again,) = world.ask([set(range(PERSONS))], AC, Difference.ALLELES, "all")
    (other,) = world.ask([set(range(PERSONS))], AC, Difference.ALLELES, "everybody")
    assert (again.values == first.values).all()
    assert not again.marked.any()
    assert other.marked[first.values != UNTOLD].all()


@pytest.mark.parametrize("difference", [Difference.ALLELES, Difference.CLASSES])
def test_few_non_carriers_are_not_told(difference: Difference) -> None:
    """Twelve carry all but three of whom are two: AC of the others would tell so."""
    world = World(0, 5)
    world.classes[:] = 1
    world.classes[:, 30:58] = 3
    world.ask([set(range(60))], AC, difference, "all")
    (then,) = world.ask([set(range(30))], AC, difference, "first half")
    # 28 of the 30 others are homozygous, 2 are not
    assert (then.fates == WITHHELD).all()


def test_missing_calls_are_technical() -> None:
    """AN of k persons less is told, however few of them are called."""
    world = World(0, 5)
    world.classes[:, 30:] = 0
    world.ask([set(range(60))], CALLED, Difference.PERSONS, "all")
    (then,) = world.ask([set(range(30))], CALLED, Difference.PERSONS, "half")
    assert (then.fates == COMPUTED).all()


def test_numbers_of_other_weights_are_not_compared() -> None:
    """Heterozygotes and AC are two quantities; within one answer their classes are looked at."""
    world = World(3, 5)
    world.ask([set(range(PERSONS))], AC, Difference.ALLELES, "ac")
    (then,) = world.ask([set(range(PERSONS))], HET, Difference.CLASSES, "het")
    assert (then.fates == COMPUTED).all()


def test_more_records_than_are_counted_together() -> None:
    """Forty earlier selections that cut persons every way are looked at all."""
    world = World(5, 3)
    chance = np.random.default_rng(1)
    asked = [set(np.flatnonzero(chance.random(PERSONS) < 0.5).tolist()) for _ in range(40)]
    seen: list[tuple[set[int], np.ndarray]] = []
    for number, who in enumerate(asked):
        (verdict,) = world.ask([who], AC, Difference.ROWS, str(number))
        here = (verdict.fates == COMPUTED) & (verdict.values != UNTOLD)
        assert not any((few(world, who, other, AC) & here & where).any() for other, where in seen)
        seen.append((who, here))
