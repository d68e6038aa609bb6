"""Rows of a few columns as whole numbers, in SQL's order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from goe_lake.disclosure.families import Counts
from goe_lake.engine.genotypes import one_chunk
from goe_lake.vcf.arrow import pc

#: Codes below it fit into 64 bits.
MOST_CODE: Final = 2**62
#: So wide is a range at least that is looked through instead of being sorted.
FEW: Final = 64


def ranks(keys: pa.Table, rows: int) -> Counts:
    """The dense rank of each of *rows* rows of *keys* from 0, in SQL's order: missing values last."""
    return _together(rows, map(_codes, map(one_chunk, keys.columns)))


def distinct(columns: Sequence[Counts]) -> tuple[Counts, Counts]:
    """The distinct rows of whole numbers side by side, in order, and which of them each row is."""
    code = _together(len(columns[0]), map(dense, columns))
    first = first_of_each(code)
    return np.column_stack([column[first] for column in columns]), code


def dense(values: Counts) -> tuple[Counts, int]:
    """The rank of each of *values* among those that there are, and how many these are."""
    if not len(values):
        return values, 0
    least, most = int(values.min()), int(values.max())
    if most - least > 4 * len(values) + FEW:
        found, place = np.unique(values, return_inverse=True)
        return place.astype(np.int64), len(found)
    occurs = np.zeros(most - least + 1, dtype=bool)
    occurs[values - least] = True
    place = np.cumsum(occurs) - 1
    return place[values - least], int(place[-1]) + 1


def first_of_each(number: Counts) -> Counts:
    """The first place of each of the numbers from 0, all of which occur."""
    first = np.zeros(int(number.max(initial=-1)) + 1, dtype=np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]
    return first


def _together(rows: int, columns: Iterable[tuple[Counts, int]]) -> Counts:
    """The dense rank of rows by several ranks, each of which is below a number."""
    code, size = np.zeros(rows, dtype=np.int64), 1
    for place, values in columns:
        if size * values > MOST_CODE:
            code, size = dense(code)
        code, size = code * values + place, size * values
    return dense(code)[0]


def _codes(values: pa.Array[Any]) -> tuple[Counts, int]:
    """The rank of each of *values* among those that there are, and how many these are."""
    if pa.types.is_floating(values.type):
        values = pc.add(values, 0.0)  # -0 is 0
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[encoded.indices.to_numpy(zero_copy_only=False)], len(order)
