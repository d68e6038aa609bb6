"""Which cells, and which numbers in them, may leave a node.

Every rule is one function from the evidence to a mask, true where the rule is kept. A number leaves
only where all of them are. The rules are explained one by one in the policy guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from goe_lake.disclosure.evidence import Evidence, MeasureEvidence, Rule
from goe_lake.disclosure.families import Counts, Mask, kept_apart
from goe_lake.disclosure.grouping_sets import hold_margins
from goe_lake.disclosure.policy import Policy


@dataclass(frozen=True)
class Decision:
    """What leaves: *cells* that are named at all, and *values* (one mask a measure) that are told."""

    cells: Mask
    values: tuple[Mask, ...]


def decide(evidence: Evidence, policy: Policy) -> Decision:
    """Apply *policy* to *evidence*."""
    (decision,) = decide_together((evidence,), policy)
    return decision


def decide_together(parts: Sequence[Evidence], policy: Policy) -> tuple[Decision, ...]:
    """Apply *policy* to cells that were computed in several *parts*, whose groups are numbered alike."""
    if not policy.protects:
        # the evidence also knows groups of which the conditions leave nobody: SQL has no row for them
        held: list[Mask] = [evidence.persons > 0 for evidence in parts]
        return tuple(
            Decision(here, tuple(here for _ in evidence.measures))
            for here, evidence in zip(held, parts, strict=True)
        )
    cells = [enough_persons(evidence, policy) for evidence in parts]
    whole = [
        here & complement_of_cell(evidence, policy) & classes_of_cell(evidence, policy)
        for here, evidence in zip(cells, parts, strict=True)
    ]
    kept = margin(parts, whole, policy)
    told = [
        _values(evidence, shown & beside, policy)
        for evidence, shown, beside in zip(parts, whole, kept, strict=True)
    ]
    stand = hold_margins(parts, told, policy.min_contributors)
    return tuple(Decision(here, values) for here, values in zip(cells, stand, strict=True))


def _values(evidence: Evidence, whole: Mask, policy: Policy) -> tuple[Mask, ...]:
    """The values that are told of the cells that are told as a *whole*."""
    together = apart(evidence, policy)
    return tuple(
        whole
        & contributors(measure, policy)
        & dominance(measure, policy)
        & values_hidden(measure, policy)
        & complement_of_filter(evidence, measure, policy)
        & together[place]
        & classes_of_measure(evidence, measure, policy)
        for place, measure in enumerate(evidence.measures)
    )


def none_or_enough(persons: Counts | int, least: int) -> Mask:
    """0, or at least *least*."""
    numbers = np.asarray(persons)
    return np.asarray((numbers == 0) | (numbers >= least), dtype=bool)


def enough_persons(evidence: Evidence, policy: Policy) -> Mask:
    """Enough persons are behind the cell; a cell of fewer looks like none."""
    enough = np.asarray(evidence.persons >= policy.min_persons, dtype=bool)
    none = np.asarray(evidence.persons == 0, dtype=bool)
    return enough | none if policy.tell_zero else enough


def complement_of_cell(evidence: Evidence, policy: Policy) -> Mask:
    """Those whom only the conditions keep out of the cell are none, or enough.

    So are those who stay on either side when missing values, which are public, are set aside.
    """
    if not policy.complement:
        return np.ones(len(evidence.persons), dtype=bool)
    least = policy.min_contributors
    return (
        none_or_enough(evidence.outside, least)
        & none_or_enough(evidence.known_persons, least)
        & none_or_enough(evidence.known_outside, least)
        & none_or_enough(evidence.unknown_persons, least)
        & none_or_enough(evidence.unknown_outside, least)
    )


def classes_of_cell(evidence: Evidence, policy: Policy) -> Mask:
    """Where conditions or keys tell genotype classes apart, every class is empty or has enough persons."""
    filled = classes_filled(evidence, evidence.cell_classes, policy)
    told: Mask = filled & ~np.asarray(evidence.tangled, dtype=bool)
    return told


def classes_filled(evidence: Evidence, places: tuple[int, ...], policy: Policy) -> Mask:
    """Every class of the kinds at *places* is empty or has enough persons.

    Where keys tell them, enough are not in the largest class as well: else few carriers would look other
    than none.
    """
    kept, least = np.ones(len(evidence.persons), dtype=bool), policy.min_contributors
    for place in places:
        kind = evidence.classes[place]
        kept &= none_or_enough(kind.smallest, least)
        if kind.others is not None:
            kept &= (kind.others >= least) | (kind.smallest == 0)
    return kept


def margin(parts: Sequence[Evidence], shown: Sequence[Mask], policy: Policy) -> list[Mask]:
    """The persons whom a group's shown cells leave out are none, or enough.

    The number of persons of a node is public, so the difference between it and a sum over shown
    cells can be read off. Where it is small, the group's smallest shown cell is withheld too.
    """
    ends = np.cumsum([len(evidence.persons) for evidence in parts])
    kept = np.ones(int(ends[-1]), dtype=bool)
    if policy.complement and len(kept):
        _leave_smallest(kept, parts, np.concatenate(shown), policy.min_contributors)
    return np.split(kept, ends[:-1])


def _leave_smallest(kept: Mask, parts: Sequence[Evidence], shown: Mask, least: int) -> None:
    group, persons, union = (
        np.concatenate([getattr(evidence, name) for evidence in parts])
        for name in ("group", "persons", "union")
    )
    disjoint = np.concatenate([evidence.disjoint for evidence in parts])
    groups = int(group.max()) + 1
    shown_persons = np.bincount(group, np.where(shown, persons, 0), groups)[group]
    hidden_persons = np.bincount(group, np.where(shown, 0, persons), groups)[group]
    left_out = np.where(disjoint, union - shown_persons, hidden_persons)
    told = ~none_or_enough(left_out.astype(np.int64), least)
    # the smallest shown cell of each group that tells; ties go to the first
    candidates = np.flatnonzero(shown & told)
    size = np.concatenate([part.persons if part.size is None else part.size for part in parts])
    by = (candidates, persons[candidates], size[candidates], group[candidates])
    order = candidates[np.lexsort(by)]
    _, first = np.unique(group[order], return_index=True)
    kept[order[first]] = False


def contributors(measure: MeasureEvidence, policy: Policy) -> Mask:
    """Enough persons make the number what it is.

    A contributor is a person whose total differs from the commonest total. If too few persons hold
    the commonest total there is no baseline, and everyone contributes.
    """
    kept = _contributed(measure, policy.min_contributors)
    return kept | (measure.carriers == 0) if policy.tell_zero else kept


def _contributed(measure: MeasureEvidence, least: int) -> Mask:
    others = measure.participants - measure.commonest
    # too few persons hold the commonest total to hide behind
    no_baseline = measure.commonest < least
    match measure.rule:
        case Rule.ROWS:
            # everyone counted contributes; those with another number of rows than most must not be few,
            # also where most are few: with the number of persons, the rows of the few can be solved for
            return (measure.participants >= least) & none_or_enough(others, least)
        case Rule.SUM:
            return np.where(no_baseline, measure.participants, others) >= least
        case Rule.FEW_VALUES:
            return (others >= least) & ~no_baseline
        case Rule.ALLELE_COUNT:
            enough_others = measure.participants - measure.carriers >= least
            return (measure.carriers >= least) & enough_others & (others >= least)
        case Rule.BURDEN:
            by_total = np.where(no_baseline, measure.participants, others)
            non_carriers = none_or_enough(measure.participants - measure.carriers, least)
            return (measure.carriers >= least) & non_carriers & (by_total >= least)
        case Rule.ALLELE_NUMBER:
            return measure.participants >= least
        case Rule.MOMENT | Rule.FUNCTION:
            by_total = np.where(no_baseline, measure.participants, others) >= least
            several = measure.participants >= 2 * least
            # where all but few have one value of a column, the product is another column, and of those few
            baseline = measure.participants - measure.unlike >= least
            by_column = none_or_enough(measure.unlike, least) | ~baseline
            return by_total & several & by_column & none_or_enough(measure.smallest_class, least)
        case Rule.MOMENT_OF_FEW:
            by_class = none_or_enough(measure.smallest_class, least)
            return by_class & (others >= least) & ~no_baseline
    assert_never(measure.rule)


def dominance(measure: MeasureEvidence, policy: Policy) -> Mask:
    """No person has too large a share of a sum."""
    most = policy.max_moment_share if measure.rule is Rule.MOMENT else policy.max_share
    return np.asarray(measure.largest_share <= most, dtype=bool)


def values_hidden(measure: MeasureEvidence, policy: Policy) -> Mask:
    """Too many different values for these sums to tell how many persons have which, or enough have each.

    The sums of x, x², … are as many equations for the numbers of persons by value, which are whole. Where
    few values are cut off, those would be told by the difference, however many persons have each here.
    """
    enough = np.asarray(measure.rarest) >= policy.min_contributors
    hidden = (np.asarray(measure.values) >= measure.least_values) | enough
    return np.asarray(hidden & (not measure.cut), dtype=bool)


def complement_of_filter(evidence: Evidence, measure: MeasureEvidence, policy: Policy) -> Mask:
    """The persons of the cell whom the measure's filter keeps out are none, or enough."""
    if measure.filter is None or not policy.complement:
        return np.ones(len(evidence.persons), dtype=bool)
    persons, least = evidence.filters[measure.filter], policy.min_contributors
    return (
        none_or_enough(persons.outside, least)
        & none_or_enough(persons.known_inside, least)
        & none_or_enough(persons.known_outside, least)
        & none_or_enough(persons.unknown_inside, least)
        & none_or_enough(persons.unknown_outside, least)
    )


def apart(evidence: Evidence, policy: Policy) -> tuple[Mask, ...]:
    """For each measure: no combination of it with earlier ones of the answer rests on a few persons."""
    cells = len(evidence.persons)
    kept = [np.ones(cells, dtype=bool) for _ in evidence.measures]
    for family in evidence.families:
        together = kept_apart(family, cells, policy.min_contributors)
        for column, place in enumerate(family.measures):
            kept[place] &= together[:, column]
    return tuple(kept)


def classes_of_measure(evidence: Evidence, measure: MeasureEvidence, policy: Policy) -> Mask:
    """Counts by class need every class empty or enough, else they can be solved for each other."""
    filled = classes_filled(evidence, measure.classes, policy)
    told: Mask = filled & ~np.asarray(measure.tangled, dtype=bool)
    return told
