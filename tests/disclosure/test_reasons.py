"""The log tells which rule withheld how much: nothing is counted twice, and nothing is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from goe_lake.disclosure import Evidence, MeasureEvidence, Policy, Reasons, Rule, decide

POLICY = Policy()
CELLS = 40


def counts(*numbers: int) -> np.ndarray:
    """Numbers of persons, one a cell."""
    return np.array(numbers, dtype=np.int64)


def evidence(persons: Sequence[int], *measures: MeasureEvidence) -> Evidence:
    """Evidence for cells of *persons* that are alone in their groups."""
    numbers = counts(*persons)
    nobody = np.zeros(len(persons), dtype=np.int64)
    return Evidence(
        persons=numbers,
        outside=nobody,
        known_persons=numbers,
        known_outside=nobody,
        unknown_persons=nobody,
        unknown_outside=nobody,
        group=np.arange(len(persons), dtype=np.int64),
        union=numbers,
        disjoint=np.ones(len(persons), dtype=bool),
        margins=(),
        measures=measures,
    )


def alleles(participants: Sequence[int], carriers: Sequence[int]) -> MeasureEvidence:
    """An allele count at one site a cell."""
    called, carried = counts(*participants), counts(*carriers)
    return MeasureEvidence(Rule.ALLELE_COUNT, called, called - carried, carried, np.zeros(len(called)))


def reasons_of(cells: Evidence) -> Reasons:
    """What the default policy withholds of *cells*, and why."""
    reasons = Reasons()
    reasons.add(cells, decide(cells, POLICY), POLICY)
    return reasons


def test_each_value_is_counted_once_by_the_rule_that_withholds_it() -> None:
    """Too few persons, a small complement, too few carriers, one person with most of a sum."""
    persons = [5, 100, 100, 100, 100]
    measure = replace(
        alleles([5, 100, 100, 100, 100], [0, 20, 3, 30, 60]),
        largest_share=np.array([0, 0, 0, 0.9, 0.0]),
    )
    cells = replace(
        evidence(persons, measure), outside=counts(0, 4, 0, 0, 0), known_outside=counts(0, 4, 0, 0, 0)
    )
    reasons = reasons_of(cells)
    assert reasons.groups == 1
    assert reasons.values == {"complement": 1, "contributors": 1, "dominance": 1}


@pytest.mark.parametrize("seed", range(20))
def test_the_reasons_add_up_to_what_is_withheld(seed: int) -> None:
    """On random evidence every withheld value has exactly one reason."""
    random = np.random.default_rng(seed)
    called = random.integers(0, 60, CELLS)
    carried = random.integers(0, called + 1)
    measures = [replace(alleles(called, carried), largest_share=random.random(CELLS)) for _ in range(3)]
    nobody = random.integers(0, 15, CELLS) * random.integers(0, 2, CELLS)
    cells = replace(evidence(called, *measures), outside=nobody, known_outside=nobody)
    decision = decide(cells, POLICY)
    withheld = sum(int((decision.cells & ~told).sum()) for told in decision.values)
    assert sum(reasons_of(cells).values.values()) == withheld


def test_a_value_that_a_total_would_tell_is_of_a_combination() -> None:
    """The smallest cell beside a hidden one, which no rule about itself withholds."""
    measure = replace(alleles([50, 100, 3], [20, 40, 0]), rule=Rule.ROWS, commonest=counts(50, 100, 3))
    alone = evidence([50, 100, 3], measure)
    cells = replace(alone, group=counts(0, 0, 0), union=counts(153, 153, 153))
    assert reasons_of(cells).values == {"combination": 1}


def test_without_protection_nothing_is_counted() -> None:
    """There is no budget, and nothing is withheld."""
    cells, off = evidence([5], alleles([5], [1])), Policy(protection="off")
    reasons = Reasons()
    reasons.add(cells, decide(cells, off), off)
    assert (reasons.groups, reasons.values) == (0, {})
