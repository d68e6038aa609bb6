"""A compiled loop over the footer of a Parquet file: the same footer for rows that lie further behind.

A footer is Thrift in its compact form: fields that tell the difference of their numbers, and whole numbers of
seven bits a byte. What says where something lies in the file is moved, all else is copied as it is.
"""

# ruff: noqa: C901, PLR0915 - a walk over nested fields, without calls that could nest

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

try:
    from goe_lake.vcf.compiled import compiled
except ImportError:
    # footers are short, and without compiled loops everything takes its time
    def compiled(function: Callable[..., Any]) -> Any:
        """*function* as it is."""
        return function


#: Types of fields.
BOOLEANS: Final = 2
BYTE: Final = 3
INTEGERS: Final = 6
DOUBLE: Final = 7
TEXT: Final = 8
LIST: Final = 9
STRUCT: Final = 12
#: What a struct is, or the elements of a list are, as far as it matters.
FILE: Final = 0
GROUP: Final = 1
COLUMN: Final = 2
FACTS: Final = 3
OTHER: Final = 4
#: How deep fields may nest, and numbers a level: its type (of elements in a list, STRUCT_LEVEL in a
#: struct), what is left of a list or the last field of a struct, and what it is.
MOST_LEVELS: Final = 16
LEVELS: Final = (MOST_LEVELS, 3)
STRUCT_LEVEL: Final = -1
#: What `move_places` notes: where the field of all rows begins and what it says, where the elements of the
#: list of row groups begin, how many there are, and where they end.
ROWS_FIELD: Final = 0
ROWS: Final = 1
GROUPS_FROM: Final = 2
GROUPS: Final = 3
GROUPS_END: Final = 4
MARKS: Final = 5


@compiled
def move_places(footer, by, moved, levels, marks):  # type: ignore[no-untyped-def]
    """Copy *footer* to *moved*, places in the file *by* bytes further; its length, 0 if not understood.

    *moved* has to be long enough, i.e. twice as long. *levels* has the shape LEVELS, and *marks* are filled.
    """
    levels[0, 0], levels[0, 1], levels[0, 2] = STRUCT_LEVEL, 0, FILE
    depth, at, to = 0, 0, 0
    while depth >= 0:
        field, within = np.int64(0), levels[depth, 2]
        if levels[depth, 0] == STRUCT_LEVEL:
            head = np.int64(footer[at])
            if depth == 0 and head == (1 << 4 | INTEGERS) and levels[0, 1] == 2:
                marks[ROWS_FIELD] = to
            moved[to] = footer[at]
            at, to = at + 1, to + 1
            if head == 0:
                depth -= 1
                continue
            # no struct of a footer has a step of more than fifteen fields
            if head >> 4 == 0:
                return 0
            kind, field = head & 15, levels[depth, 1] + (head >> 4)
            levels[depth, 1] = field
        elif levels[depth, 1] == 0:
            depth -= 1
            if depth == 0 and within == GROUP:
                marks[GROUPS_END] = to
            continue
        else:
            levels[depth, 1] -= 1
            kind = levels[depth, 0]
        if kind <= BOOLEANS:
            # in a struct the head of the field says it all
            if levels[depth, 0] != STRUCT_LEVEL:
                moved[to] = footer[at]
                at, to = at + 1, to + 1
            continue
        if kind in (BYTE, DOUBLE):
            for _ in range(1 if kind == BYTE else 8):
                moved[to] = footer[at]
                at, to = at + 1, to + 1
            continue
        if kind == STRUCT:
            if depth + 1 == MOST_LEVELS:
                return 0
            role = within
            if levels[depth, 0] == STRUCT_LEVEL:
                # of a column chunk
                role = FACTS if within == COLUMN and field == 3 else OTHER
            depth += 1
            levels[depth, 0], levels[depth, 1], levels[depth, 2] = STRUCT_LEVEL, 0, role
            continue
        value, head, shift, start = np.int64(0), np.int64(0), 0, to
        if kind == LIST:
            head = np.int64(footer[at])
            moved[to] = footer[at]
            at, to = at + 1, to + 1
            value = head >> 4
        if kind <= TEXT or value == 15:
            value = np.int64(0)
            while True:
                part = np.int64(footer[at])
                moved[to] = footer[at]
                at, to = at + 1, to + 1
                value |= (part & 127) << shift
                shift += 7
                if part < 128:
                    break
        if kind == TEXT:
            for _ in range(value):
                moved[to] = footer[at]
                at, to = at + 1, to + 1
        elif kind <= INTEGERS:
            if within == FILE and field == 3:
                marks[ROWS] = value >> 1
            # places that are not written here: of the index of pages, and of a Bloom filter
            if (within == COLUMN and field > 3) or (within == FACTS and field == 14):
                return 0
            # where a row group begins; where the pages, the index and the dictionary of a column begin
            is_place = (within == GROUP and field == 5) or (within == FACTS and 9 <= field <= 11)
            if is_place:
                value, to = value + 2 * by, start
                while value >= 128:
                    moved[to] = (value & 127) | 128
                    value, to = value >> 7, to + 1
                moved[to] = value
                to += 1
        elif kind == LIST:
            if depth + 1 == MOST_LEVELS:
                return 0
            role = OTHER
            if within == FILE and field == 4:
                role = GROUP
                marks[GROUPS_FROM], marks[GROUPS] = to, value
            elif within == GROUP and field == 1:
                role = COLUMN
            depth += 1
            levels[depth, 0], levels[depth, 1], levels[depth, 2] = head & 15, value, role
        else:
            return 0
    return to
