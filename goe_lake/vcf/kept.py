"""gq and dp as they are stored: for each row one value a person, in as few bytes as its largest takes.

What is written is the value plus one, 0 where there is none: first the lowest byte of every person, then, in
rows that have a larger value, the next byte of every person, and so on. A row is NULL where its record lacks
the field.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.vcf.arrow import Bits, Indexes, Vector, array, bits_of, bytes_column, bytes_of, in_one_piece
from goe_lake.vcf.chunk import MISSING, Values

#: Bounds of kept FORMAT fields, both included; none takes more than MOST_BYTES bytes.
FIELD_BOUNDS: Final = {"gq": (0, 99), "dp": (0, 65535)}
MOST_BYTES: Final = 3
FIELD_TYPE: Final = pa.binary()
Raised: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.int32]


def stored_values(values: Values, present: Bits) -> Vector:
    """The column of *values*, whose rows (rows x persons, MISSING or not below 0) are those *present*."""
    numbers = np.where(values == MISSING, 0, values + 1)
    largest = numbers.max(axis=1, initial=0)
    width = 1 + sum((largest >> 8 * byte) > 0 for byte in range(1, MOST_BYTES))
    sizes = np.zeros(len(present), np.int64)
    sizes[present] = width * values.shape[1]
    every = np.arange(width.max(initial=1))
    planes = np.stack([(numbers >> 8 * byte).astype(np.uint8) for byte in every], axis=1)
    return bytes_column(sizes, planes[every < width[:, None]].ravel(), present)


def values_of(column: Vector, persons: int) -> tuple[npt.NDArray[np.int32], Bits]:
    """The values of rows of *persons* persons, (rows, persons), 0 where missing; and which are there."""
    raised = raised_values(column, persons)
    there = raised > 0
    return np.subtract(raised, there, dtype=np.int32), there


def raised_values(column: Vector, persons: int) -> Raised:
    """One more than each value, (rows, persons), 0 where missing: bytes where no row takes more of them.

    The result may be a view of the column, which is not to be written to.
    """
    stored = in_one_piece(column)
    if not stored.null_count:
        return _raised(stored, persons)
    present = bits_of(stored.is_valid())
    found = _raised(stored.drop_null(), persons)
    raised: Raised = np.zeros((len(stored), persons), found.dtype)
    raised[present] = found
    return raised


def _raised(stored: Vector, persons: int) -> Raised:
    width = _sizes(stored) // max(1, persons)
    if (width == 1).all():
        return bytes_of(stored).reshape(len(stored), persons)
    numbers: npt.NDArray[np.int32] = np.zeros((len(stored), persons), np.int32)
    for size in np.unique(width).tolist():
        rows = np.flatnonzero(width == size)
        data = bytes_of(stored.take(array(rows))).reshape(len(rows), size, persons)
        numbers[rows] = sum(data[:, byte].astype(np.int32) << 8 * byte for byte in range(size))
    return numbers


def _sizes(stored: Vector) -> Indexes:
    """How many bytes each row has."""
    _, offsets, _ = stored.buffers()
    ends = np.frombuffer(offsets, np.int32)[stored.offset : stored.offset + len(stored) + 1]
    return np.diff(ends).astype(np.int64)
