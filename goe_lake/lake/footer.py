"""Joining the footers of Parquet files whose row groups were written one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from goe_lake.vcf.fast_footer import (
    GROUPS,
    GROUPS_END,
    GROUPS_FROM,
    LEVELS,
    MARKS,
    ROWS,
    ROWS_FIELD,
    move_places,
)

#: The heads of fields, each the one after the one before it: a whole number, and a list.
_NUMBER: Final = b"\x16"
_LIST: Final = b"\x19"
#: The head of a list of structs; its length stands in its upper half where that is below 15.
_STRUCTS: Final = 12
_LONG: Final = 15


@dataclass(frozen=True)
class _Moved:
    """A footer in pieces: what stands before its number of rows, its row groups, and what follows these."""

    head: bytes
    rows: int
    groups: int
    listed: bytes
    tail: bytes


def joined_footers(parts: Sequence[tuple[bytes, int]]) -> bytes:
    """One footer for the row groups of all *parts*: each its footer, and how far its rows were moved.

    The parts have one schema. It is what one writer of all these row groups would write.
    """
    if len(parts) == 1:
        return parts[0][0]
    moved = [_moved(footer, by) for footer, by in parts]
    rows, groups = sum(part.rows for part in moved), sum(part.groups for part in moved)
    length = bytes([groups << 4 | _STRUCTS]) if groups < _LONG else bytes([0xFC]) + _number(groups)
    listed = (part.listed for part in moved)
    return b"".join([moved[0].head, _NUMBER, _number(2 * rows), _LIST, length, *listed, moved[0].tail])


def _moved(footer: bytes, by: int) -> _Moved:
    data, marks = np.frombuffer(footer, np.uint8), np.zeros(MARKS, np.int64)
    target = np.empty(2 * len(data), np.uint8)
    length = move_places(data, by, target, np.zeros(LEVELS, np.int64), marks)
    if not length:
        raise ValueError("a footer that Arrow wrote holds what joining footers does not know")
    head, start, end = int(marks[ROWS_FIELD]), int(marks[GROUPS_FROM]), int(marks[GROUPS_END])
    return _Moved(
        target[:head].tobytes(),
        int(marks[ROWS]),
        int(marks[GROUPS]),
        target[start:end].tobytes(),
        target[end:length].tobytes(),
    )


def _number(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
