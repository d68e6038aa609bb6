"""A compiled loop over the lines of a VCF: where they begin, their tabs, and what stands in POS."""

from __future__ import annotations

from typing import Final

import numpy as np

from goe_lake.vcf.compiled import compiled

#: Bytes that are counted together: whole blocks without a newline are the fast part.
BLOCK: Final = 128
MOST_DIGITS: Final = 10


@compiled
def read_lines(text, cut, starts, tabs, positions, same):  # type: ignore[no-untyped-def]
    """Fill the arrays, one value a line of *text* up to *cut*, which follows a newline; how many lines.

    0 where there are more lines than the arrays hold. *positions* are -1 where POS is not a whole number of
    at most MOST_DIGITS digits; *same* says that the first column is that of the line before.
    """
    line, at, before = 0, 0, 0
    while at < cut:
        if line == len(starts):
            return 0
        starts[line] = start = at
        # the first column, beside that of the line before
        alike = line > 0
        while text[np.uint64(at)] != 9 and text[np.uint64(at)] != 10:
            alike = alike and text[np.uint64(before + at - start)] == text[np.uint64(at)]
            at += 1
        same[line] = alike and text[np.uint64(before + at - start)] == text[np.uint64(at)]
        before = start
        position, digits, place = np.int64(0), 0, at + 1
        if text[np.uint64(at)] == 9:
            while 48 <= text[np.uint64(place)] <= 57 and digits <= MOST_DIGITS:
                position = position * 10 + np.int64(text[np.uint64(place)]) - 48
                digits, place = digits + 1, place + 1
        usual = 0 < digits <= MOST_DIGITS and text[np.uint64(place)] == 9
        positions[line] = position if usual else -1
        # at + 1 may lie behind the newline of a line without a tab
        at, found = start, np.int64(0)
        while True:
            end = min(cut, at + BLOCK)
            # sums of bytes, which no block is too long for
            newlines, more = np.uint8(0), np.uint8(0)
            for step in range(end - at):
                newlines = np.uint8(newlines | (text[np.uint64(at + step)] == 10))
                more = np.uint8(more + (text[np.uint64(at + step)] == 9))
            if newlines == 0:
                found, at = found + np.int64(more), end
                continue
            while text[np.uint64(at)] != 10:
                found += text[np.uint64(at)] == 9
                at += 1
            at += 1
            break
        tabs[line] = found
        line += 1
    return line


@compiled
def count_lines(text):  # type: ignore[no-untyped-def]
    """The newlines of *text*."""
    found = 0
    for place in range(len(text)):
        found += text[np.uint64(place)] == 10
    return found
