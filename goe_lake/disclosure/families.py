"""Measures that can be added and subtracted: no combination of them may rest on a few persons.

Take all counts of an answer, or all sums of one column. A person adds something to each of them: a
vector. Persons of the same vector are one *kind*. A combination of the measures that is 0 for every
kind of at least k persons, and not for the others, is a number about few persons only, however large
the measures are by themselves: `sum(x) FILTER (a) + sum(x) FILTER (b) - sum(x)`. There is one exactly
where the measures have a higher rank over all kinds than over the large ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Counts: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Matrix: TypeAlias = npt.NDArray[np.float64]

ZERO: Final = 1e-7


@dataclass(frozen=True)
class Family:
    """The kinds of persons in each cell, for measures of one quantity.

    *vectors* has a row a kind and cell: first what such a person adds to the *known* quantities that
    anybody may know (being there at all, rows), then to each of *measures* (their places in the release).
    *cell* is the row's cell, *persons* how many are of the kind, and *excused* says that a missing value
    alone makes it a kind of its own; how many values are missing is public.
    """

    measures: tuple[int, ...]
    known: int
    cell: Counts
    vectors: Counts
    persons: Counts
    excused: Mask


def kept_apart(family: Family, cells: int, least: int) -> Mask:
    """For each cell and measure, whether it may be told beside the earlier ones (cells x measures)."""
    kept = np.ones((cells, len(family.measures)), dtype=bool)
    few = (family.persons < least) & ~family.excused
    # an excused kind of few persons is public; one of many persons hides others like any large kind
    seen = np.flatnonzero(few | (family.persons >= least))
    seen = seen[np.argsort(family.cell[seen], kind="stable")]
    cells_seen = family.cell[seen]
    for cell in np.unique(family.cell[few]):
        start, end = np.searchsorted(cells_seen, (cell, cell + 1))
        rows = seen[start:end]
        vectors = family.vectors[rows].astype(np.float64)
        kept[cell] = _greedy(vectors, family.persons[rows], family.known, least)
    return kept


def _greedy(vectors: Matrix, persons: Counts, known: int, least: int) -> Mask:
    """Take the measures in order, each where no combination with those taken is about few persons."""
    taken = list(range(known))
    kept = np.zeros(vectors.shape[1] - known, dtype=bool)
    if known and not _safe(vectors[:, taken], persons, least):
        return kept
    for place in range(known, vectors.shape[1]):
        if _safe(vectors[:, [*taken, place]], persons, least):
            taken.append(place)
            kept[place - known] = True
    return kept


def _safe(vectors: Matrix, persons: Counts, least: int) -> bool:
    """Whether no combination of the columns vanishes for all large kinds and rests on few persons."""
    if vectors.shape[1] == 1 or _alone(vectors, persons >= least) == 0:
        return True
    # kinds that only measures not taken tell apart are one kind here
    vectors, persons = _merged(vectors, persons)
    large = persons >= least
    alone = _alone(vectors, large)
    if alone != 1:
        return alone == 0
    # one combination, up to a factor: whom it is about can be counted
    about = np.abs(vectors[~large] @ _vanishing(vectors[large], vectors.shape[1])).max(axis=1) > ZERO
    return int(persons[~large][about].sum()) >= least


def _merged(vectors: Matrix, persons: Counts) -> tuple[Matrix, Counts]:
    """Each distinct vector once, with all its persons."""
    distinct, place = np.unique(vectors, axis=0, return_inverse=True)
    return distinct, np.bincount(place.ravel(), persons, len(distinct)).astype(np.int64)


def _alone(vectors: Matrix, large: Mask) -> int:
    """How many independent combinations vanish for the large kinds only."""
    return _rank(vectors) - _rank(vectors[large])


def _rank(vectors: Matrix) -> int:
    return int(np.linalg.matrix_rank(vectors)) if len(vectors) else 0


def _vanishing(vectors: Matrix, width: int) -> Matrix:
    """A basis (as columns) of the combinations of the columns that are 0 in every row."""
    if not len(vectors):
        return np.eye(width)
    _, values, right = np.linalg.svd(vectors)
    rank = int((values > ZERO * max(1.0, float(values.max()))).sum())
    return np.asarray(right[rank:].T, dtype=np.float64)
