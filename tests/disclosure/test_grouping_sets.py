"""Margins beside their cells: nothing small is found by subtracting what is told from a margin."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.disclosure import Evidence, MeasureEvidence, Rule
from goe_lake.disclosure.grouping_sets import hold_margins, sides_of

LEAST = 5


def evidence(numbers: list[int], margins: list[list[int]], rule: Rule = Rule.ROWS) -> Evidence:
    """Cells of so many persons, each with one row, and the margins that they add up to."""
    persons = np.array(numbers, dtype=np.int64)
    nobody = np.zeros(len(persons), dtype=np.int64)
    alike = persons if rule is Rule.ROWS else persons // 2
    return Evidence(
        persons=persons,
        outside=nobody,
        known_persons=persons,
        known_outside=nobody,
        unknown_persons=nobody,
        unknown_outside=nobody,
        group=nobody,
        union=np.full(len(persons), persons.sum(), dtype=np.int64),
        disjoint=np.ones(len(persons), dtype=bool),
        measures=(MeasureEvidence(rule, persons, alike, persons, np.zeros(len(persons))),),
        margins=tuple(np.array(margin, dtype=np.int64) for margin in margins),
    )


def held(numbers: list[int], margins: list[list[int]]) -> list[bool]:
    """What is told of cells that are told alone where they have enough persons."""
    told = np.array([number >= LEAST for number in numbers])
    ((mask,),) = hold_margins((evidence(numbers, margins),), ((told,),), LEAST)
    return mask.tolist()


def test_the_smallest_sibling_goes_too() -> None:
    """A margin of 100 minus 60 and 37 would be 3."""
    assert held([60, 37, 3], [[0, 0, 0]]) == [True, False, False]


def test_siblings_of_other_margins_stay() -> None:
    """Only the margin above the small cell is looked at."""
    assert held([60, 37, 3, 50, 8], [[0, 0, 0, 1, 1]]) == [True, False, False, True, True]


def test_enough_withheld_persons_hide_each_other() -> None:
    """Two small cells of 5 persons together need no third."""
    assert held([60, 3, 2], [[0, 0, 0]]) == [True, False, False]


def test_an_empty_cell_tells_nothing() -> None:
    """Nobody is missing from the margin."""
    assert held([60, 0, 40], [[0, 0, 0]]) == [True, False, True]


def test_a_cell_alone_in_its_margin_is_found_through_none() -> None:
    """A small cell without siblings has a margin as small, which is not told either."""
    assert held([60, 3], [[0, 1]]) == [True, False]


def test_every_margin_of_a_cube_is_held() -> None:
    """What one margin withholds may open another: it goes on until none tells."""
    rows, columns = [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]
    numbers = [3, 20, 30, 40, 50, 60]
    assert held(numbers, [rows, columns]) == [False, False, True, False, True, True]


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=12).flatmap(
        lambda numbers: st.tuples(
            st.just(numbers),
            st.lists(st.lists(st.integers(0, 3), min_size=len(numbers), max_size=len(numbers)), max_size=3),
        )
    )
)
def test_no_margin_minus_its_told_cells_is_about_few(case: tuple[list[int], list[list[int]]]) -> None:
    """For every margin that may be told, the withheld cells beneath hold nobody or enough."""
    numbers, margins = case
    told = held(numbers, margins)
    assert not any(shown and number < LEAST for shown, number in zip(told, numbers, strict=True))
    for margin in margins:
        for group in set(margin):
            inside = [place for place, its in enumerate(margin) if its == group]
            hidden = sum(numbers[place] for place in inside if not told[place])
            total = sum(numbers[place] for place in inside)
            assert hidden == 0 or hidden >= LEAST or total < LEAST


def test_contributors_count_and_not_persons() -> None:
    """A margin of sums is about those whose totals differ from the commonest, and about the others."""
    of_few = evidence([40], [], Rule.FEW_VALUES).measures[0]
    assert [side.tolist() for side in sides_of(of_few, LEAST)] == [[20], [20]]
    counted = evidence([40], []).measures[0]
    assert [side.tolist() for side in sides_of(counted, LEAST)] == [[40]]
