"""Every rule of disclosure control, on evidence written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from goe_lake.disclosure import (
    ClassEvidence,
    Evidence,
    Family,
    FilterEvidence,
    MeasureEvidence,
    Policy,
    Rule,
    decide,
)
from goe_lake.disclosure.families import kept_apart

K = Policy()


def counts(*numbers: int) -> np.ndarray:
    """Numbers of persons, one a cell."""
    return np.array(numbers, dtype=np.int64)


def measure(
    rule: Rule, participants: int, commonest: int, carriers: int | None = None, share: float = 0.01
) -> MeasureEvidence:
    """Evidence for one measure of one cell."""
    carried = participants if carriers is None else carriers
    return MeasureEvidence(rule, counts(participants), counts(commonest), counts(carried), np.array([share]))


def cell(*measures: MeasureEvidence, persons: int = 100, outside: int = 0) -> Evidence:
    """Evidence for one cell of *persons*, with a large rest outside any group."""
    return Evidence(
        persons=counts(persons),
        outside=counts(outside),
        known_persons=counts(persons),
        known_outside=counts(outside),
        unknown_persons=counts(0),
        unknown_outside=counts(0),
        group=counts(0),
        union=counts(persons + outside),
        disjoint=np.array([True]),
        margins=(),
        measures=measures,
    )


def groups(persons: Sequence[int], union: int) -> Evidence:
    """Evidence for a table of cells of *persons* that share no one, in a group of *union* persons."""
    size = len(persons)
    numbers = counts(*persons)
    nobody = np.zeros(size, dtype=np.int64)
    counted = MeasureEvidence(Rule.ROWS, numbers, numbers, numbers, np.zeros(size))
    return Evidence(
        persons=numbers,
        outside=nobody,
        known_persons=numbers,
        known_outside=nobody,
        unknown_persons=nobody,
        unknown_outside=nobody,
        group=nobody,
        union=np.full(size, union, dtype=np.int64),
        disjoint=np.ones(size, dtype=bool),
        margins=(),
        measures=(counted,),
    )


def told(evidence: Evidence, policy: Policy = K, place: int = 0) -> list[bool]:
    """Which cells tell the measure at *place*."""
    return decide(evidence, policy).values[place].tolist()


@pytest.mark.parametrize(("persons", "shown"), [(0, False), (1, False), (9, False), (10, True)])
def test_small_group_looks_like_none(persons: int, shown: bool) -> None:
    """A cell of fewer than k persons is not named, whether it holds one or none."""
    assert decide(cell(measure(Rule.ROWS, persons, persons), persons=persons), K).cells.tolist() == [shown]


@pytest.mark.parametrize(
    ("rule", "participants", "commonest", "carriers", "shown"),
    [
        (Rule.SUM, 100, 2, 100, True),  # everyone has a value of their own
        (Rule.SUM, 100, 99, 1, False),  # one person differs: an isolating CASE
        (Rule.SUM, 100, 90, 10, True),
        (Rule.SUM, 100, 91, 9, False),
        (Rule.SUM, 9, 1, 9, False),
        (Rule.FEW_VALUES, 17, 9, 8, False),  # 8 cases and 9 controls
        (Rule.FEW_VALUES, 40, 30, 10, True),
        (Rule.FEW_VALUES, 40, 40, 0, False),
        (Rule.ALLELE_COUNT, 300, 299, 1, False),
        (Rule.ALLELE_COUNT, 300, 276, 24, True),
        (Rule.ALLELE_COUNT, 300, 200, 295, False),  # five non-carriers
        (Rule.ALLELE_COUNT, 300, 300, 0, False),
        (Rule.BURDEN, 300, 150, 150, True),
        (Rule.BURDEN, 300, 150, 295, False),
        (Rule.ALLELE_NUMBER, 300, 297, 300, True),
        (Rule.ALLELE_NUMBER, 9, 9, 9, False),
        (Rule.ROWS, 300, 297, 300, False),  # three persons have more rows than the others
        (Rule.ROWS, 300, 300, 300, True),
    ],
)
def test_contributors(rule: Rule, participants: int, commonest: int, carriers: int, shown: bool) -> None:
    """A number is told where enough persons differ from the commonest total, by the rule of its argument."""
    assert told(cell(measure(rule, participants, commonest, carriers))) == [shown]


def test_margin_withholds_the_smallest_shown_cell() -> None:
    """1000 - 506 - 487 = 7 could be read off, so 487 is withheld too."""
    assert told(groups([506, 487, 7], 1000)) == [True, False, False]


def test_margin_that_hides_enough_withholds_nothing_more() -> None:
    """Two small groups of together k persons hide each other."""
    assert told(groups([500, 488, 6, 6], 1000)) == [True, True, False, False]


def test_margin_without_small_groups_shows_all() -> None:
    """A partition of the node is shown whole."""
    assert told(groups([600, 390, 10], 1000)) == [True, True, True]


def test_margin_is_taken_in_each_group() -> None:
    """At each site by itself, a small remainder is hidden."""
    evidence = groups([60, 37, 3, 70, 30], 100)
    evidence = replace(evidence, group=counts(0, 0, 0, 1, 1))
    assert told(evidence) == [True, False, False, True, True]


@pytest.mark.parametrize(("outside", "shown"), [(0, True), (3, False), (9, False), (10, True)])
def test_complement_of_conditions(outside: int, shown: bool) -> None:
    """Whom the conditions keep out of a cell are none, or enough."""
    assert told(cell(measure(Rule.ROWS, 100, 100), outside=outside)) == [shown]


def test_missing_values_do_not_hide_a_small_complement() -> None:
    """Three persons with `no` among twelve with a missing value are three persons."""
    evidence = cell(measure(Rule.ROWS, 85, 85), persons=85, outside=15)
    assert told(evidence) == [True]
    assert told(replace(evidence, known_outside=counts(3))) == [False]


@pytest.mark.parametrize(
    ("outside", "known_inside", "known_outside", "shown"),
    [(40, 60, 40, True), (3, 97, 3, False), (40, 4, 40, False), (15, 85, 3, False)],
)
def test_complement_of_a_filter(outside: int, known_inside: int, known_outside: int, shown: bool) -> None:
    """The same for whom a FILTER keeps out, missing values set aside."""
    evidence = cell(replace(measure(Rule.ROWS, 60, 60), filter=0))
    filters = (
        FilterEvidence(counts(outside), counts(known_inside), counts(known_outside), counts(0), counts(0)),
    )
    assert told(replace(evidence, filters=filters)) == [shown]


@pytest.mark.parametrize(("smallest", "shown"), [(0, True), (3, False), (10, True)])
def test_counts_by_class_need_every_class(smallest: int, shown: bool) -> None:
    """One small genotype class withholds every count by class, and leaves AC alone."""
    by_class = replace(measure(Rule.ROWS, 50, 50), classes=(0,))
    evidence = replace(
        cell(by_class, measure(Rule.ALLELE_COUNT, 100, 50, 50)), classes=(ClassEvidence(counts(smallest)),)
    )
    assert told(evidence) == [shown]
    assert told(evidence, place=1) == [True]


def test_conditions_on_genotypes_need_every_class() -> None:
    """WHERE dosage = 1 is a count by class like any other."""
    evidence = replace(
        cell(measure(Rule.ROWS, 50, 50)), classes=(ClassEvidence(counts(4)),), cell_classes=(0,)
    )
    assert told(evidence) == [False]


def family(
    vectors: Sequence[Sequence[int]], persons: Sequence[int], known: int, excused: Sequence[bool] = ()
) -> Family:
    """Kinds of persons in one cell: what each adds to the known quantities and to the measures."""
    matrix = np.array(vectors, dtype=np.int64)
    return Family(
        measures=tuple(range(matrix.shape[1] - known)),
        known=known,
        vectors=matrix,
        excused=np.array(excused or [False] * len(matrix)),
        cell=np.zeros(len(matrix), dtype=np.int64),
        kind=np.arange(len(matrix)),
        persons=counts(*persons),
    )


def kept(kinds: Family) -> list[bool]:
    """Which measures of the one cell may be told together."""
    return kept_apart(kinds, 1, 10)[0].tolist()


def test_difference_of_two_measures_needs_enough_persons() -> None:
    """The later of two nearly equal counts is withheld, the earlier stays."""
    assert kept(family([[1, 1, 1], [1, 1, 0], [1, 0, 0]], [60, 3, 37], known=1)) == [True, False]


def test_tracker_of_three_sums_is_stopped() -> None:
    """`sum(x) FILTER (a) + sum(x) FILTER (b) - sum(x)` rests on one person; each pair differs by many."""
    men, women, target = [1, 0, 1], [0, 1, 1], [1, 1, 1]
    assert kept(family([men, women, target], [100, 99, 1], known=0)) == [True, True, False]


def test_independent_filters_are_told_together() -> None:
    """Small overlaps of unrelated filters are in no combination of their counts."""
    kinds = [[1, a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    assert kept(family(kinds, [400, 100, 90, 30, 80, 20, 15, 2], known=1)) == [True, True, True]


def test_partition_that_leaves_few_out_is_stopped() -> None:
    """Counts that add up to nearly everybody tell who is left."""
    kinds = [[1, 1, 0], [1, 0, 1], [1, 0, 0]]
    assert kept(family(kinds, [100, 98, 2], known=1)) == [True, False]


def test_allele_count_less_carriers_is_stopped() -> None:
    """AC and the carriers together tell a few homozygotes."""
    kinds = [[1, 0, 0], [1, 1, 1], [1, 2, 1]]
    assert kept(family(kinds, [947, 50, 3], known=1)) == [True, False]


def test_missing_values_excuse_a_kind() -> None:
    """Cases and controls need not add up to everybody: of whom diabetes is not known is public."""
    kinds = [[1, 1, 0], [1, 0, 1], [1, 0, 0]]
    assert kept(family(kinds, [100, 98, 2], known=1, excused=[False, False, True])) == [True, True]


def test_many_small_kinds_may_hide_each_other() -> None:
    """One combination about thirty persons is no number about a few, though each kind of them is small."""
    kinds = [[1, 5], [1, 6], [1, 7], [1, 8], [1, 9]]
    assert kept(family(kinds, [900, 8, 8, 8, 6], known=1)) == [True]


def test_dominance() -> None:
    """A person with more than the largest share withholds the sum."""
    assert told(cell(measure(Rule.SUM, 100, 1, share=0.25))) == [True]
    assert told(cell(measure(Rule.SUM, 100, 1, share=0.26))) == [False]


def test_tell_zero_tells_a_class_of_none() -> None:
    """A node may choose to tell that nobody carries an allele; 1..9 stay untold."""
    open_about_zero = Policy(tell_zero=True)
    assert told(cell(measure(Rule.ALLELE_COUNT, 300, 300, 0)), open_about_zero) == [True]
    assert told(cell(measure(Rule.ALLELE_COUNT, 300, 299, 1)), open_about_zero) == [False]


def test_protection_off_tells_everything() -> None:
    """Public test data needs no thresholds."""
    assert told(cell(measure(Rule.SUM, 1, 1), persons=1), Policy(protection="off")) == [True]


@pytest.mark.parametrize(
    ("participants", "commonest", "smallest", "share", "shown"),
    [
        (20, 1, 0, 0.59, True),
        (19, 1, 0, 0.59, False),  # a moment of fewer than 2k persons
        (20, 1, 0, 0.61, False),  # one person is far from all others
        (100, 95, 0, 0.1, False),  # five differ from the commonest total
        (100, 90, 0, 0.1, True),
        (100, 90, 9, 0.1, False),  # nine carriers in the product with a dosage
        (100, 90, 10, 0.1, True),
    ],
)
def test_moment(participants: int, commonest: int, smallest: int, share: float, shown: bool) -> None:
    """A sum of products takes twice as many persons, nobody far from the others, and no small class."""
    found = replace(
        measure(Rule.MOMENT, participants, commonest, share=share), smallest_class=counts(smallest)
    )
    assert told(cell(found)) == [shown]


@pytest.mark.parametrize(
    ("commonest", "smallest", "shown"), [(60, 10, True), (60, 9, False), (95, 5, False), (100, 100, False)]
)
def test_moment_of_few_values(commonest: int, smallest: int, shown: bool) -> None:
    """Every class of the product's columns is empty or of enough persons, as a variance is by class."""
    found = replace(measure(Rule.MOMENT_OF_FEW, 100, commonest), smallest_class=counts(smallest))
    assert told(cell(found)) == [shown]


@pytest.mark.parametrize(
    ("values", "rarest", "cut", "shown"),
    [(20, 1, False, True), (19, 1, False, False), (3, 10, False, True), (3, 10, True, False)],
)
def test_sums_of_powers_take_many_values_or_enough_persons_with_each(
    values: int, rarest: int, cut: bool, shown: bool
) -> None:
    """And whole steps of the values, however many persons have each of those that are left."""
    found = replace(
        measure(Rule.MOMENT, 100, 10),
        values=counts(values),
        rarest=counts(rarest),
        least_values=20,
        cut=cut,
    )
    assert told(cell(found)) == [shown]
