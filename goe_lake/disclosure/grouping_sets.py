"""Margins that are asked beside their cells: what is withheld beneath one must not be found by subtraction.

ROLLUP, CUBE and GROUPING SETS ask for releases whose cells add up to those of others. Where the withheld
cells beneath a margin hold 1..k-1 contributors together, the margin minus the cells that are told is
about these few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from goe_lake.disclosure.evidence import Evidence, MeasureEvidence, Rule
from goe_lake.disclosure.families import Counts, Mask


def hold_margins(
    parts: Sequence[Evidence], values: Sequence[tuple[Mask, ...]], least: int
) -> list[tuple[Mask, ...]]:
    """*values* (for each part one mask a measure) without the cells that margins would tell of.

    Of each margin whose withheld cells hold 1..least-1 contributors, or as few others, the told cell of
    fewest is withheld too, the first of several, until there is none; then the margin has too few itself.
    """
    if not parts or not parts[0].margins:
        return list(values)
    margins = [np.concatenate(numbers) for numbers in zip(*(part.margins for part in parts), strict=True)]
    ends = np.cumsum([len(part.persons) for part in parts])[:-1]
    held = []
    for place, told in enumerate(zip(*values, strict=True)):
        measures = [part.measures[place] for part in parts]
        sides = [sides_of(measure, least) for measure in measures]
        behind = [np.concatenate(side) for side in zip(*sides, strict=True)]
        held.append(np.split(standing_back(np.concatenate(told), behind, margins, least), ends))
    return list(zip(*held, strict=True))


def sides_of(measure: MeasureEvidence, least: int) -> tuple[Counts, ...]:
    """The numbers of persons, each cell, of whom there must be none or enough: contributors, and others."""
    others = measure.participants - measure.commonest
    match measure.rule:
        case Rule.ROWS | Rule.ALLELE_NUMBER:
            return (measure.participants,)
        case Rule.ALLELE_COUNT | Rule.BURDEN:
            return measure.carriers, measure.participants - measure.carriers
        case Rule.FEW_VALUES | Rule.MOMENT_OF_FEW:
            return others, measure.commonest
        case Rule.SUM | Rule.MOMENT | Rule.FUNCTION:
            return (np.where(measure.commonest < least, measure.participants, others),)
    assert_never(measure.rule)


def standing_back(told: Mask, behind: Sequence[Counts], margins: Sequence[Counts], least: int) -> Mask:
    """*told* without the cells that *margins* (each the number of a cell's margin) would tell of.

    Each of *behind* counts persons by cell, of whom the withheld cells of a margin hold none or *least*.
    """
    told = told.copy()
    changed = True
    while changed:
        changed = False
        for margin in margins:
            for side in behind:
                first = _telling(told, side, margin, least)
                told[first] = False
                changed = changed or len(first) > 0
    return told


def _telling(told: Mask, side: Counts, margin: Counts, least: int) -> Counts:
    """For each margin whose withheld cells hold 1..least-1 persons, its told cell of fewest."""
    hidden = np.bincount(margin, np.where(told, 0, side), int(margin.max(initial=0)) + 1)
    tells = (hidden > 0) & (hidden < least)
    candidates = np.flatnonzero(told & tells[margin] & (side > 0))
    order = candidates[np.lexsort((candidates, side[candidates], margin[candidates]))]
    _, first = np.unique(margin[order], return_index=True)
    return order[first]
