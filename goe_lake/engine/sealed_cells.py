"""The cells that are made of the sums over all nodes, and judged by the rules that any node holds its own to.

**What the remainders are for.** A country's own cells can be asked for as well, openly, by everyone who is
told the sum. What they leave of the sum is about the nodes that would withhold theirs. That remainder has
to stand the same rules as any cell, else the sum is not told.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.disclosure import Decision, Policy, decide
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.disclosure.grouping_sets import sides_of, standing_back
from goe_lake.engine.genotypes import one_chunk
from goe_lake.engine.sealed import BLOCKED, Shape, Sums, on_grid, stretches
from goe_lake.engine.selection import Selection
from goe_lake.engine.tally import Grid, Tallied, tallied
from goe_lake.release import MeasureFunction, approx_column, lower_column, withheld_column


def pooled_cells(shape: Shape, sums: Sums, policy: Policy) -> pa.Table:
    """The cells that *sums* over all nodes tell under *policy*, the strictest of theirs.

    Columns as of any answer of a node, and for each measure `<measure>_lower`: the sum over the nodes
    that tell it by themselves, where the whole is withheld.
    """
    parts = [_told_cells(shape, sites, sums.at(where), policy) for where, sites in stretches(shape)] or [
        _told_cells(shape, shape.sites, sums, policy)
    ]
    return pa.concat_tables(parts)


def _told_cells(shape: Shape, sites: Selection, sums: Sums, policy: Policy) -> pa.Table:
    whole = tallied(shape.blueprint, shape.kinds, sites, sums.persons[0])
    decision = decide(whole.evidence, policy)
    columns: dict[str, Any] = {
        key.name: one_chunk(whole.cells.column(key.name)) for key in shape.release.keys
    }
    coarser = _coarser(shape, whole)
    at = (whole.combination, whole.site)
    for place, measure in enumerate(shape.release.measures):
        changes, notes = sums.changes[place][at], sums.notes[place][at]
        told = decision.values[place] & (notes < BLOCKED)
        values = changed(one_chunk(whole.cells.column(measure.name)), changes)
        nothing = pa.scalar(None, values.type)
        lower: pa.Array[Any] = pa.nulls(len(told), values.type)
        if place in shape.remainders:
            rest = sums.persons[1 + shape.remainders.index(place)]
            remainder = tallied(shape.blueprint, shape.kinds, sites, rest)
            told = told & _stands(shape, rest, remainder, whole, place, policy)
            behind = _behind(whole, remainder, place, policy)
            told = standing_back(told, behind, coarser, policy.min_contributors)
            if measure.function is not MeasureFunction.SUM and not told.all():
                lower = _lower(shape, sites, sums.persons[0] - rest, changes, whole, place)
        columns[measure.name] = pc.if_else(pa.array(told), values, nothing)
        columns[withheld_column(measure.name)] = pa.array(~told)
        columns[approx_column(measure.name)] = pa.array(notes % BLOCKED > 0)
        columns[lower_column(measure.name)] = pc.if_else(pa.array(told), nothing, lower)
    return pa.table(columns).filter(pa.array(decision.cells))


def changed(values: pa.Array[Any], changes: Counts) -> pa.Array[Any]:
    """*values* with *changes* added; what is missing stays so.

    Raises ValueError where a sum of counts would be below zero: no honest nodes give that.
    """
    if not changes.any():
        return values
    added: Any = pc.add(values.cast(pa.int64()), pa.array(changes))
    if (pc.min(added).as_py() or 0) < 0:
        raise ValueError("an opened sum is below zero")
    found: pa.Array[Any] = added.cast(values.type)
    return found


def _coarser(shape: Shape, whole: Tallied) -> list[Counts]:
    """For each choice of fewer keys about persons, which cells of *whole* make one cell of that.

    Whoever may ask by population and sex may ask by either, and by none: the difference is of the cells that
    are withheld.
    """
    names = [key.name for key in shape.blueprint.reading.person_keys]
    codes = {name: one_chunk(whole.cells.column(name)).dictionary_encode("encode").indices for name in names}
    found = []
    for kept in (chosen for size in range(len(names)) for chosen in combinations(names, size)):
        number = whole.site.astype(np.int64)
        for name in kept:
            code = codes[name].to_numpy().astype(np.int64)
            number = number * (int(code.max(initial=0)) + 1) + code
        found.append(np.unique(number, return_inverse=True)[1].reshape(-1))
    return found


def _behind(whole: Tallied, remainder: Tallied, place: int, policy: Policy) -> list[Counts]:
    """By cell of *whole*, the persons of whom withheld cells together hold none or enough.

    These are whoever contributes and whoever does not, over all nodes and among those that hide theirs.
    """
    least = policy.min_contributors
    combinations_, sites = int(whole.combination_of.max(initial=0)) + 1, int(whole.site.max(initial=0)) + 1
    found = list(sides_of(whole.evidence.measures[place], least))
    for side in sides_of(remainder.evidence.measures[place], least):
        grid = np.zeros((combinations_, sites), dtype=np.int64)
        grid[remainder.combination, remainder.site] = side
        found.append(grid[whole.combination, whole.site])
    return found


def _stands(shape: Shape, rest: Grid, remainder: Tallied, whole: Tallied, place: int, policy: Policy) -> Mask:
    """For each cell of *whole*: no node hides its part of the measure, or what they hide may be told."""
    decision: Decision = decide(remainder.evidence, policy)
    told = on_grid(shape, remainder, decision.cells & decision.values[place], rest.shape[1])
    hides = np.zeros(told.shape, dtype=bool)
    for kind, combination in enumerate(whole.combination_of):
        hides[combination] |= rest[kind] > 0
    stands: Mask = (told | ~hides)[whole.combination, whole.site]
    return stands


def _lower(
    shape: Shape, sites: Selection, told: Grid, changes: Counts, whole: Tallied, place: int
) -> pa.Array[Any]:
    """The measure over the nodes that tell it by themselves, by cell of *whole*; NULL where none does."""
    theirs = tallied(shape.blueprint, shape.kinds, sites, told)
    number = np.full((shape.combinations, len(sites)), -1, dtype=np.int64)
    number[theirs.combination, theirs.site] = np.arange(len(theirs.site))
    at = number[whole.combination, whole.site]
    somebody = np.append(theirs.evidence.persons, 0)[at] > 0
    values = one_chunk(theirs.cells.column(shape.release.measures[place].name))
    return changed(values.take(pa.array(at, pa.int64(), mask=~somebody)), changes)
