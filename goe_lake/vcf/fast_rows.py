"""Compiled loops from parsed lines to rows of one alternate allele each, and to their lists and bitmaps."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from goe_lake.vcf.compiled import compiled
from goe_lake.vcf.encode import MOST_LISTED
from goe_lake.vcf.fast_text import (
    ALT_END,
    ALT_START,
    ENTRIES,
    POS,
    REF_END,
    REF_START,
    ROWS,
    STATE,
    Numbers,
    _is_letter,
    _upper,
)

#: What kind a sequence allele is, by its number in `Rows.kind`.
KINDS: Final = ("snv", "mnv", "ins", "del", "indel")
CLASSES: Final = 5
#: How many steps a row may move, on average, when rows are put in order here.
MOST_STEPS: Final = 64


class Rows(NamedTuple):
    """One alternate sequence a row, trimmed: its line, its number among the alleles, and its key.

    *ref* and *alt* are offsets in the text, with their sizes; letters may still be small.
    """

    line: Numbers
    allele: npt.NDArray[np.int8]
    pos: npt.NDArray[np.int32]
    ref: Numbers
    ref_size: npt.NDArray[np.int32]
    alt: Numbers
    alt_size: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]


@compiled
def _kind(text, ref, ref_size, alt, alt_size):  # type: ignore[no-untyped-def]
    """See `alleles._sequence_type`."""
    if ref_size == alt_size:
        return 0 if ref_size == 1 else 1
    if _upper(text[ref]) == _upper(text[alt]):
        if ref_size == 1:
            return 2
        if alt_size == 1:
            return 3
    return 4


@compiled
def _trimmed(text, ref, ref_size, alt, alt_size):  # type: ignore[no-untyped-def]
    """The bases of prefix and of suffix to take off; see `alleles.trim`."""
    shorter = min(ref_size, alt_size) - 1
    suffix = 0
    while suffix < shorter and _upper(text[ref + ref_size - 1 - suffix]) == _upper(
        text[alt + alt_size - 1 - suffix]
    ):
        suffix += 1
    shorter -= suffix
    prefix = 0
    while prefix < shorter and _upper(text[ref + prefix]) == _upper(text[alt + prefix]):
        prefix += 1
    return prefix, suffix


@compiled
def make_rows(text, facts, rows):  # type: ignore[no-untyped-def]
    """Fill *rows* from the lines that make rows; how many there are."""
    count = 0
    for line in range(len(facts)):
        if facts[line, STATE] != ROWS:
            continue
        ref, ref_size = facts[line, REF_START], facts[line, REF_END] - facts[line, REF_START]
        at, end, allele = facts[line, ALT_START], facts[line, ALT_END], 0
        while at < end:
            start = at
            while at < end and text[at] != 44:
                at += 1
            allele += 1
            if _is_letter(text[start]):
                size = at - start
                prefix, suffix = _trimmed(text, ref, ref_size, start, size)
                rows.line[count], rows.allele[count] = line, allele
                rows.pos[count] = facts[line, POS] + prefix
                rows.ref[count], rows.ref_size[count] = ref + prefix, ref_size - prefix - suffix
                rows.alt[count], rows.alt_size[count] = start + prefix, size - prefix - suffix
                rows.kind[count] = _kind(
                    text, ref + prefix, rows.ref_size[count], start + prefix, rows.alt_size[count]
                )
                count += 1
            at += 1
    return count


@compiled
def _compare(text, left, left_size, right, right_size):  # type: ignore[no-untyped-def]
    for step in range(min(left_size, right_size)):
        difference = np.int64(_upper(text[left + step])) - np.int64(_upper(text[right + step]))
        if difference:
            return difference
    return np.int64(left_size) - np.int64(right_size)


@compiled
def _falls(text, rows, left, right):  # type: ignore[no-untyped-def]
    """Whether row *right* belongs before row *left*; equal rows stay as they are."""
    if rows.pos[left] != rows.pos[right]:
        return rows.pos[right] < rows.pos[left]
    difference = _compare(text, rows.ref[left], rows.ref_size[left], rows.ref[right], rows.ref_size[right])
    if difference == 0:
        difference = _compare(
            text, rows.alt[left], rows.alt_size[left], rows.alt[right], rows.alt_size[right]
        )
    return difference > 0


@compiled
def sort_rows(text, rows, count, order):  # type: ignore[no-untyped-def]
    """Write the order of the rows' keys to *order*; False where they lie too far from it for this loop."""
    steps = 0
    for row in range(count):
        place = row
        while place and _falls(text, rows, order[place - 1], row):
            order[place] = order[place - 1]
            place -= 1
            steps += 1
        order[place] = row
        if steps > MOST_STEPS * count:
            return False
    return True


@compiled
def _code(out, entry, allele):  # type: ignore[no-untyped-def]
    """See `encode.genotype_codes`."""
    first, second = out.first[entry], out.second[entry]
    called = (1 if first >= 0 else 0) + (1 if second >= 0 else 0)
    return 3 * called + (1 if first == allele else 0) + (1 if second == allele else 0)


@compiled
def count_classes(out, rows, order, codes, sizes):  # type: ignore[no-untyped-def]
    """Write to *sizes*, (classes, rows), how many persons are in each class of each row.

    *codes* are those of the classes.
    """
    het, hom, hemi, none, ref = codes[0], codes[1], codes[2], codes[3], codes[4]
    first, second = out.first, out.second
    for place in range(len(order)):
        row = order[place]
        line, allele = rows.line[row], rows.allele[row]
        start = out.facts[line - 1, ENTRIES] if line else 0
        hets, homs, hemis, nones, refs = 0, 0, 0, 0, 0
        for number in range(start, out.facts[line, ENTRIES]):
            # sums of truths, without branches: many entries are looked at together
            entry = np.uint64(number)
            one, other = first[entry], second[entry]
            code = np.int8(3) * (np.int8(one >= 0) + np.int8(other >= 0))
            code = code + np.int8(one == allele) + np.int8(other == allele)
            hets += code == het
            homs += code == hom
            hemis += code == hemi
            nones += code == none
            refs += code == ref
        sizes[0, place], sizes[1, place], sizes[2, place] = hets, homs, hemis
        sizes[3, place], sizes[4, place] = nones, refs


@compiled
def fill_classes(out, rows, order, class_of_code, sizes, lists, bitmaps, index, ends):  # type: ignore[no-untyped-def]  # noqa: PLR0913
    """Write the members of each class: few to *lists*, many to *bitmaps*, one row after the other.

    *index* gives each column's person; *lists* are (classes, members) and *bitmaps* (classes, bytes),
    both long enough. *ends*, (3, classes) of zeros, are how far they are filled.
    """
    width = (len(index) + 7) // 8
    listed, mapped, begun = ends[0], ends[1], ends[2]
    for place in range(len(order)):
        row = order[place]
        line = rows.line[row]
        for member in range(CLASSES):
            begun[member] = listed[member]
        start = out.facts[line - 1, ENTRIES] if line else 0
        for entry in range(start, out.facts[line, ENTRIES]):
            member = class_of_code[_code(out, entry, rows.allele[row])]
            if member < 0:
                continue
            person = index[out.person[entry]]
            if sizes[member, place] > MOST_LISTED:
                bitmaps[member, mapped[member] * width + (person >> 3)] |= 128 >> (person & 7)
                continue
            slot = listed[member]
            while slot > begun[member] and lists[member, slot - 1] > person:
                lists[member, slot] = lists[member, slot - 1]
                slot -= 1
            lists[member, slot] = person
            listed[member] += 1
        for member in range(CLASSES):
            mapped[member] += sizes[member, place] > MOST_LISTED


@compiled
def copy_texts(text, starts, sizes, capital, target):  # type: ignore[no-untyped-def]
    """Copy stretches of *text* to *target*, one after the other, in *capital* letters or as they are."""
    done = 0
    for place in range(len(starts)):
        for step in range(sizes[place]):
            character = text[starts[place] + step]
            target[done] = _upper(character) if capital else character
            done += 1


@compiled
def drop_outside(values, has, low, high, missing):  # type: ignore[no-untyped-def]
    """Make values out of bounds *missing*; how many there were, and how many of those."""
    present, outside = 0, 0
    for line in range(len(values)):
        if not has[line]:
            continue
        for person in range(values.shape[1]):
            value = values[line, person]
            if value != missing:
                present += 1
                if value < low or value > high:
                    outside += 1
                    values[line, person] = missing
    return present, outside


@compiled
def value_widths(values, lines, columns, widths):  # type: ignore[no-untyped-def]
    """Note in *widths* how many bytes the largest of the *columns* of each of *lines* of *values* takes."""
    for place in range(len(lines)):
        row, largest = values[lines[place]], 0
        for column in columns:
            largest = max(largest, row[column])
        # what is stored is the value plus one
        widths[place] = 1 + (largest >= 255) + (largest >= 65535)


@compiled
def pack_values(values, lines, columns, missing, widths, packed):  # type: ignore[no-untyped-def]
    """Write the *columns* of *lines* of *values* to *packed*, each line in its *widths* bytes; see `kept`."""
    place = 0
    for at in range(len(lines)):
        row = values[lines[at]]
        for byte in range(widths[at]):
            for column in columns:
                number = 0 if row[column] == missing else row[column] + 1
                packed[place] = np.uint8((number >> (8 * byte)) & 255)
                place += 1
