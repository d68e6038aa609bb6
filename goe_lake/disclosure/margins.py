"""Numbers of a table with margins: no sum or difference of those that are told may rest on a few persons.

The table has two directions (population by sex). Each cell of the inside is an *atom*: its persons are
in no other. Around the atoms lie the margins: one beneath each column, one beside each row, and the
corner for everybody. A number that is told is a sum over atoms; whoever has several adds and subtracts
them, and gets a number about the atoms that do not cancel.

**Which atoms can be left over.** Atoms that are told themselves cancel freely. What a combination of
margins gives to an atom that is not told is `a[row] + b[column]`, where `a[row]` is free if the margin
of the row is told, else 0; `b[column]` is free if the margin of the column is told, else the same for
all columns (free if the corner is told, else 0). Only which of these are equal matters. Columns are
few (the recorded sexes), so every way in which their numbers can be equal or 0 is tried (`patterns`);
each row then chooses which class of columns to cancel. That is exact: a combination about few persons
exists just where a pattern and a choice for each row leave atoms of 1..k-1 persons.

Arrays are (sites, rows + 1, columns + 1), the last place of either direction being its margin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from goe_lake.disclosure.families import Counts, Mask

Labels = tuple[int, ...]
#: Columns beyond this many would need more patterns than it is sensible to try.
MOST_COLUMNS: Final = 5
_FAR: Final = np.iinfo(np.int64).max // 4


def with_margins(atoms: Counts) -> Counts:
    """*atoms* (sites, rows, columns) with the sums over columns, over rows, and over both."""
    wide = np.concatenate([atoms, atoms.sum(axis=2, keepdims=True)], axis=2)
    return np.concatenate([wide, wide.sum(axis=1, keepdims=True)], axis=1)


def hold_margins(told: Mask, weights: Sequence[Counts], least: int, sizes: Counts) -> Mask:
    """The largest part of *told* that this procedure finds safe (sites, rows + 1, columns + 1).

    Each of *weights* (sites, rows, columns) counts persons by atom: whatever is combined from the cells
    that stay rests on 0 or at least *least* of each. Where it would rest on fewer, the smallest by
    *sizes* (sites, rows + 1, columns + 1) of the told cells that it is combined from is taken out,
    atoms before margins of rows, those before margins of columns and the corner last; ties go to the
    first in the order of the table. Repeated until nothing is left to take out.
    """
    kept = told.copy()
    active = np.flatnonzero(kept.any(axis=(1, 2)))
    while len(active):
        changed = np.zeros(len(active), dtype=bool)
        for weight in weights:
            rest = np.flatnonzero(~changed)
            found = _found(kept[active[rest]], weight[active[rest]], least)
            for places, coefficients in found:
                sites = active[rest[places]]
                _take_out(kept, sites, coefficients, sizes)
                changed[rest[places]] = True
        active = active[changed]
    return kept


def safe(told: Mask, weights: Counts, least: int) -> Mask:
    """Whether no combination of the cells *told* rests on 1..*least* - 1 persons, by site."""
    answer = np.ones(len(told), dtype=bool)
    for places, _ in _found(told, weights, least):
        answer[places] = False
    return answer


@dataclass(frozen=True)
class Combination:
    """A combination of told margins at some sites: what it gives to each row and column.

    *rows* is (sites, rows): the class of columns that the row cancels, 0 where its margin is not used.
    *labels* is the class of each column.
    """

    rows: Counts
    labels: Labels


def _found(told: Mask, weights: Counts, least: int) -> Iterator[tuple[Counts, Combination]]:
    """Sites (places in *told*), each at most once, with a combination of theirs that rests on few."""
    columns = weights.shape[2]
    if columns > MOST_COLUMNS:
        raise ValueError(f"a table of {columns} columns is not one that this control was made for")
    open_ = np.ones(len(told), dtype=bool)
    hidden = np.where(told[:, :-1, :-1], 0, weights)
    for labels in patterns(columns):
        places = np.flatnonzero(open_ & _possible(told, labels))
        if not len(places):
            continue
        few, rows = _smallest(hidden[places], told[places, :-1, -1], labels, least)
        if few.any():
            open_[places[few]] = False
            yield places[few], Combination(rows[few], labels)


@cache
def patterns(columns: int) -> tuple[Labels, ...]:
    """Every way to part *columns* columns into classes; class 0 stands for the number 0.

    >>> patterns(2)
    ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2))
    """
    ways: list[Labels] = [()]
    for _ in range(columns):
        ways = [(*way, label) for way in ways for label in range(max(way, default=0) + 2)]
    return tuple(ways)


def _possible(told: Mask, labels: Labels) -> Mask:
    """The sites whose told margins can give the columns the classes *labels*."""
    beneath, corner = told[:, -1, :-1], told[:, -1, -1]
    possible = np.ones(len(told), dtype=bool)
    for label in set(labels):
        # a column whose margin is not told has the number of the corner, or 0
        others = np.array([other != label for other in labels])
        mine = ~others
        alone = (~beneath & mine).any(axis=1)
        possible &= ~(alone & (~beneath & others).any(axis=1))
        if label != 0:
            possible &= ~alone | corner
    return possible


def _smallest(hidden: Counts, free: Mask, labels: Labels, least: int) -> tuple[Mask, Counts]:
    """Whether a choice for each row leaves 1..*least* - 1 persons, and that choice.

    *hidden* is (sites, rows, columns), 0 at told atoms; *free* says whose row margin is told. A row
    may cancel one class of columns, or (the last option) none of them.
    """
    kinds = np.array(labels)
    options = [*range(max(labels, default=0) + 1), max(labels, default=0) + 1]
    # (sites, rows, options): the persons that the row leaves over
    costs = np.stack([hidden[:, :, kinds != option].sum(axis=2) for option in options], axis=2)
    costs[:, :, 1:][~free] = _FAR
    best = costs.argmin(axis=2)
    lowest = np.take_along_axis(costs, best[:, :, None], axis=2)[:, :, 0]
    total = lowest.sum(axis=1)
    few = (total > 0) & (total < least)
    # where all cancels, the next best: one row leaves as few as it can, but somebody
    nothing = total == 0
    some = np.where((costs > 0) & nothing[:, None, None], costs, _FAR)
    flat = some.reshape(len(hidden), -1)
    if flat.shape[1]:
        place = flat.argmin(axis=1)
        next_best = flat[np.arange(len(flat)), place]
        second = nothing & (next_best < least)
        row, option = np.divmod(place, len(options))
        best[second, row[second]] = option[second]
        few |= second
    return few, best


def _take_out(kept: Mask, sites: Counts, combination: Combination, sizes: Counts) -> None:
    """Take the smallest cell of the combination out of *kept*, at each of *sites*."""
    kinds = np.array(combination.labels)
    here = kept[sites]
    used = np.zeros_like(here)
    used[:, :-1, :-1] = combination.rows[:, :, None] != kinds[None, None, :]
    used[:, :-1, -1] = combination.rows != 0
    # with the corner in use, a told column may stand for 0 by being subtracted
    beneath = here[:, -1, :-1]
    corner = ((kinds != 0)[None, :] & ~beneath).any(axis=1)
    used[:, -1, :-1] = np.where(corner[:, None], True, kinds != 0)
    used[:, -1, -1] = corner
    candidates = here & used
    rank = np.full(here.shape[1:], 0)
    rank[:, -1], rank[-1, :], rank[-1, -1] = 1, 2, 3
    order = np.where(candidates, rank, 9).reshape(len(sites), -1)
    first = order == order.min(axis=1, keepdims=True)
    size = np.where(first, sizes[sites].reshape(len(sites), -1), np.iinfo(np.int64).max)
    chosen = size.argmin(axis=1)
    assert candidates.reshape(len(sites), -1)[np.arange(len(sites)), chosen].all()
    row, column = np.divmod(chosen, here.shape[2])
    kept[sites, row, column] = False
