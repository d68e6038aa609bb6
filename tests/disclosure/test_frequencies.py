"""Control of tables of allele frequencies, against the rules written down a second time.

The checks here know nothing of rows, columns and margins: they take every number of one site that was
told, as a vector over kinds of persons, and look for a combination that rests on 1..k-1 of them, with
exact fractions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.disclosure import DEFAULT_POLICY
from goe_lake.disclosure.frequencies import CLASSES, shown_groups, tell
from goe_lake.disclosure.margins import hold_margins, patterns, safe, with_margins

K = 5
POLICY = replace(DEFAULT_POLICY, min_persons=K, min_contributors=K, min_carriers=K)
COPIES = {"het": 1, "hom_alt": 2, "hemi": 1, "ref2": 0, "ref1": 0}
Vector = tuple[int, ...]


def rank(vectors: Sequence[Sequence[int]]) -> int:
    """The rank of *vectors*, by exact elimination."""
    rows = [[Fraction(value) for value in vector] for vector in vectors]
    found = 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((row for row in rows[found:] if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        for place, row in enumerate(rows):
            if place != found and row[column]:
                factor = row[column] / pivot[column]
                rows[place] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
        found += 1
    return found


def rests_on_few(numbers: Sequence[Vector], persons: Sequence[int], k: int) -> bool:
    """Whether a combination of *numbers* is about 1..k-1 persons.

    Each number gives its coefficient for every kind of persons; *persons* is how many are of each kind.
    A combination about few is 0 for all kinds but some that hold fewer than k persons together.
    """
    if not numbers:
        return False
    held = [place for place, count in enumerate(persons) if count > 0]
    small = [place for place in held if persons[place] < k]
    for size in range(1, len(small) + 1):
        for few in itertools.combinations(small, size):
            if sum(persons[place] for place in few) >= k:
                continue
            others = [place for place in held if place not in few]
            all_held = [[number[place] for place in held] for number in numbers]
            without = [[number[place] for place in others] for number in numbers]
            if rank(all_held) > rank(without):
                return True
    return False


def groups(rows: int, columns: int) -> Iterator[tuple[int, int, list[int]]]:
    """Each group of the table, margins too, with the atoms in it."""
    for row, column in itertools.product(range(rows + 1), range(columns + 1)):
        inside = [
            r * columns + c
            for r in range(rows)
            for c in range(columns)
            if row in (r, rows) and column in (c, columns)
        ]
        yield row, column, inside


@st.composite
def tables(draw: st.DrawFn, most: int = 12) -> np.ndarray:
    """Persons by atom, at one site: few in many atoms, so that margins matter."""
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    values = draw(st.lists(st.integers(0, most), min_size=rows * columns, max_size=rows * columns))
    return np.array(values, np.int64).reshape(1, rows, columns)


@given(table=tables(), data=st.data())
def test_what_is_safe_is_exactly_what_no_combination_tells(table: np.ndarray, data: st.DataObject) -> None:
    """The patterns of columns find a combination about few persons where there is one, and no other."""
    sizes = with_margins(table)
    told = data.draw(st.lists(st.booleans(), min_size=sizes.size, max_size=sizes.size))
    kept = np.array(told).reshape(sizes.shape) & ((sizes >= K) | (sizes == 0))
    rows, columns = table.shape[1:]
    numbers = [
        tuple(int(atom in inside) for atom in range(table.size))
        for row, column, inside in groups(rows, columns)
        if kept[0, row, column]
    ]
    few = rests_on_few(numbers, table.ravel().tolist(), K)
    assert bool(safe(kept, table, K)[0]) is not few


@given(table=tables())
def test_margins_are_held_by_withholding_more(table: np.ndarray) -> None:
    """What stays is safe, was told before, and is everything where that was safe already."""
    sizes = with_margins(table)
    told = sizes >= K
    kept = hold_margins(told, [table], K, sizes)
    assert safe(kept, table, K).all()
    assert not (kept & ~told).any()
    assert (kept == told).all() or not safe(told, table, K).all()


def test_the_smallest_sibling_goes_then_the_margin() -> None:
    """3 persons of a third population: the second is withheld too; where there is no sibling, the total."""
    table = np.array([[[40, 40], [6, 7], [1, 2]]])
    told = shown_groups(table[0], K)
    assert told[:, -1].tolist() == [True, False, False, True]
    alone = hold_margins(
        np.array([[[False, True], [False, True]]]), [np.array([[[3]]])], K, np.full((1, 2, 2), 3)
    )
    assert not alone.any()


def test_patterns_are_all_ways_to_part_columns() -> None:
    """Of n columns and the number 0 there are Bell(n + 1) partitions."""
    assert [len(patterns(columns)) for columns in range(1, 5)] == [2, 5, 15, 52]


@st.composite
def sites(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Persons by class and atom at one site: diploid, or haploid in the last sex."""
    rows, columns = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    haploid = draw(st.booleans())
    counts = {name: np.zeros((1, rows, columns), np.int64) for name in CLASSES}
    number = st.one_of(st.just(0), st.integers(0, 4), st.integers(0, 30))
    for row, column in itertools.product(range(rows), range(columns)):
        names = ("hemi", "ref1") if haploid and column == columns - 1 else ("het", "hom_alt", "ref2")
        for name in names:
            counts[name][0, row, column] = draw(number)
    return counts


@given(site=sites())
def test_no_combination_of_counts_and_classes_rests_on_few(site: dict[str, np.ndarray]) -> None:
    """AC of some groups, classes of others, over all margins: nothing about 1..k-1 persons can be solved."""
    rows, columns = site["het"].shape[1:]
    atoms = rows * columns
    persons = sum(site.values())[0]
    told = tell(site, persons, POLICY)
    kinds = [(atom, name) for atom in range(atoms) for name in CLASSES]
    held = [int(site[name].ravel()[atom]) for atom, name in kinds]
    numbers: list[Vector] = []
    for row, column, inside in groups(rows, columns):
        if told.ac[0, row, column]:
            numbers.append(tuple(COPIES[name] * (atom in inside) for atom, name in kinds))
        if told.classes[0, row, column]:
            for wanted in CLASSES:
                numbers.append(tuple(int(name == wanted and atom in inside) for atom, name in kinds))
    assert not rests_on_few(numbers, held, K)


@given(site=sites())
def test_no_combination_of_counts_rests_on_few_without_the_allele(site: dict[str, np.ndarray]) -> None:
    """AN is public, so AN - AC counts the other allele: those who leave a few without it are withheld too."""
    rows, columns = site["het"].shape[1:]
    told = tell(site, sum(site.values())[0], POLICY)
    persons = (site["ref2"] + site["ref1"]).ravel().tolist()
    numbers = [
        tuple(int(atom in inside) for atom in range(rows * columns))
        for row, column, inside in groups(rows, columns)
        if told.ac[0, row, column]
    ]
    assert not rests_on_few(numbers, persons, K)


@given(site=sites())
def test_each_group_by_itself_is_held_to_its_own_rule(site: dict[str, np.ndarray]) -> None:
    """AC needs k carriers and k others; classes need all of them empty or of k, and AC told."""
    persons = sum(site.values())[0]
    told = tell(site, persons, POLICY)
    rows, columns = persons.shape
    for row, column, inside in groups(rows, columns):
        count = {name: sum(int(values.ravel()[atom]) for atom in inside) for name, values in site.items()}
        carriers = count["het"] + count["hom_alt"] + count["hemi"]
        others = count["ref2"] + count["ref1"]
        if told.ac[0, row, column]:
            assert carriers >= K
            assert others >= K
        if told.classes[0, row, column]:
            assert told.ac[0, row, column]
            assert all(value == 0 or value >= K for value in count.values())
        assert told.groups[0, row, column] <= (carriers + others >= K)


def test_without_protection_everything_is_told() -> None:
    """Every group that holds somebody, one person too."""
    site = {name: np.zeros((1, 2, 1), np.int64) for name in CLASSES}
    site["het"][0, 0, 0] = 1
    told = tell(site, np.array([[1], [0]]), replace(POLICY, protection="off"))
    assert told.groups[0].tolist() == [[True, True], [False, False], [True, True]]
    assert (told.ac == told.groups).all()
    assert (told.classes == told.groups).all()


@pytest.mark.parametrize("least", [1, 3, 5])
def test_min_carriers_may_go_down_to_one(least: int) -> None:
    """A country may publish an allele count of few carriers; groups of few persons stay out."""
    site = {name: np.zeros((1, 1, 1), np.int64) for name in CLASSES}
    site["het"][0, 0, 0], site["ref2"][0, 0, 0] = 3, 40
    told = tell(site, np.array([[43]]), replace(POLICY, min_carriers=least))
    assert told.ac.all() == (least <= 3)
