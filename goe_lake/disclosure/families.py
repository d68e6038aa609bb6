"""Measures that can be added and subtracted: no combination of them may rest on a few persons.

Take all counts of an answer, or all sums of one column. A person adds something to each of them: a
vector. Persons of the same vector are one *kind*. A combination of the measures that is 0 for every
kind of at least k persons, and not for the others, is a number about few persons only, however large
the measures are by themselves: `sum(x) FILTER (a) + sum(x) FILTER (b) - sum(x)`. There is one exactly
where the measures have a higher rank over all kinds than over the large ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Matrix: TypeAlias = npt.NDArray[np.float64]

ZERO: Final = 1e-7
#: Cells times kinds that are judged together.
MOST_DENSE: Final = 4_000_000
#: Digits of base 3 that a whole number holds.
MOST_DIGITS: Final = 39
EMPTY, FEW, LARGE = 0, 1, 2


@dataclass(frozen=True)
class Family:
    """The kinds of persons in each cell, for measures of one quantity.

    *vectors* has a row a kind: first what such a person adds to the *known* quantities that anybody
    may know (being there at all, rows), then to each of *measures* (their places in the release).
    *excused* says that a missing value alone makes it a kind of its own; how many values are missing
    is public. *cell*, *kind* and *persons* say how many persons of which kind are in which cell; each
    pair of a cell and a kind stands there once. *least* is how many persons a combination takes where
    that is more than elsewhere.
    """

    measures: tuple[int, ...]
    known: int
    vectors: Counts
    excused: Mask
    cell: Counts
    kind: Counts
    persons: Counts
    least: int = 0


def kept_apart(family: Family, cells: int, least: int) -> Mask:
    """For each cell and measure, whether it may be told beside the earlier ones (cells x measures)."""
    kept, least = np.ones((cells, len(family.measures)), dtype=bool), max(least, family.least)
    few = (family.persons < least) & (family.persons > 0) & ~family.excused[family.kind]
    judged = np.zeros(cells, dtype=bool)
    judged[family.cell[few]] = True
    # an excused kind of few persons is public; one of many persons hides others like any large kind
    rows = np.flatnonzero((few | (family.persons >= least)) & judged[family.cell])
    rows = rows[np.argsort(family.cell[rows], kind="stable")]
    cell, numbers = family.cell[rows], np.flatnonzero(judged)
    step = max(1, MOST_DENSE // max(1, len(family.vectors)))
    for start in range(0, len(numbers), step):
        here = numbers[start : start + step]
        part = slice(*np.searchsorted(cell, (here[0], here[-1] + 1)))
        kinds, column = np.unique(family.kind[rows[part]], return_inverse=True)
        persons = np.zeros((len(here), len(kinds)), dtype=np.int64)
        persons[np.searchsorted(here, cell[part]), column] = family.persons[rows[part]]
        kept[here] = _greedy(family.vectors[kinds].astype(np.float64), persons, family.known, least)
    return kept


def _greedy(vectors: Matrix, persons: Counts, known: int, least: int) -> Mask:
    """Take the measures in order, each where no combination with those taken is about few persons.

    *persons* has a row a cell and a column a kind.
    """
    taken = list(range(known))
    kept = np.zeros((len(persons), vectors.shape[1] - known), dtype=bool)
    safe = _safe(vectors[:, taken], persons, least) if known else np.ones(len(persons), dtype=bool)
    # cells that took the same measures go on together
    together = [(np.flatnonzero(safe), taken)]
    for place in range(known, vectors.shape[1]):
        parts = []
        for cells, taken_here in together:
            safe = _safe(vectors[:, [*taken_here, place]], persons[cells], least)
            kept[cells[safe], place - known] = True
            parts += [(cells[safe], [*taken_here, place]), (cells[~safe], taken_here)]
        together = [(cells, taken_here) for cells, taken_here in parts if len(cells)]
    return kept


def _safe(vectors: Matrix, persons: Counts, least: int) -> Mask:
    """For each cell, whether no combination of the columns vanishes for all large kinds and is about few."""
    if vectors.shape[1] == 1:
        return np.ones(len(persons), dtype=bool)
    # kinds that only measures not taken tell apart are one kind here
    vectors, persons = _merged(vectors, persons)
    safe = np.zeros(len(persons), dtype=bool)
    # which kinds are empty, few or large decides, but for how many the few are: cells alike in that are
    # judged once
    states = np.where(persons == 0, EMPTY, np.where(persons < least, FEW, LARGE)).astype(np.int8)
    for state, cells in _alike(states):
        large, few = state == LARGE, state == FEW
        alone = _rank(vectors[large | few]) - _rank(vectors[large])
        if alone == 0:
            safe[cells] = True
        elif alone == 1:
            # one combination, up to a factor: whom it is about can be counted
            direction = _vanishing(vectors[large], vectors.shape[1])
            about = np.abs(vectors[few] @ direction).max(axis=1) > ZERO
            safe[cells] = persons[np.ix_(cells, np.flatnonzero(few)[about])].sum(axis=1) >= least
    return safe


def _merged(vectors: Matrix, persons: Counts) -> tuple[Matrix, Counts]:
    """Each distinct vector once, with all its persons in each cell."""
    distinct, place = np.unique(vectors, axis=0, return_inverse=True)
    merged = np.zeros((len(persons), len(distinct)), dtype=np.int64)
    for kind, column in enumerate(place.ravel()):
        merged[:, column] += persons[:, kind]
    return distinct, merged


def _alike(states: npt.NDArray[np.int8]) -> Iterator[tuple[npt.NDArray[np.int8], Counts]]:
    """Each distinct row of *states*, with the places of the rows that are like it."""
    if not len(states):
        return
    number = np.zeros(len(states), dtype=np.int64)
    for start in range(0, states.shape[1], MOST_DIGITS):
        digits = states[:, start : start + MOST_DIGITS].astype(np.int64)
        code = digits @ (3 ** np.arange(digits.shape[1], dtype=np.int64))
        _, code = np.unique(code, return_inverse=True)
        number = number * (int(code.max()) + 1) + code
        _, number = np.unique(number, return_inverse=True)
    order = np.argsort(number, kind="stable")
    for cells in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
        yield states[cells[0]], cells


def _rank(vectors: Matrix) -> int:
    return int(np.linalg.matrix_rank(vectors)) if len(vectors) else 0


def _vanishing(vectors: Matrix, width: int) -> Matrix:
    """A basis (as columns) of the combinations of the columns that are 0 in every row."""
    if not len(vectors):
        return np.eye(width)
    _, values, right = np.linalg.svd(vectors)
    rank = int((values > ZERO * max(1.0, float(values.max()))).sum())
    return np.asarray(right[rank:].T, dtype=np.float64)
