"""Compiled loops over the text of VCF records: the fields of each line, and every genotype that is not 0/0.

A line is understood wholly or not at all: whatever is unusual in it makes it ODD, and then cyvcf2 reads it.
Offsets are 0-based bytes in the text. The text ends with a newline, at which every loop stops.
"""

# ruff: noqa: C901, PLR0913, PLR0915, PLR1714, SIM110 - loops of bytes branch, and take arrays one by one

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from goe_lake.vcf.compiled import compiled

Text = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

#: What a line is: it makes rows, it has no alternate allele of its own, or cyvcf2 has to read it. At a
#: line with a FILTER or a FORMAT that was not met before the loop stops and asks.
ROWS: Final = 0
NO_ALT: Final = 1
ODD: Final = 2
NEW_FILTER: Final = 3
NEW_FORMAT: Final = 4

#: What a FORMAT field is: the genotype, a kept number, a number, numbers, floats, or text.
GT: Final = 0
GQ: Final = 1
DP: Final = 2
NUMBER: Final = 3
INTEGERS: Final = 4
FLOATS: Final = 5
TEXT: Final = 6

#: A kept number that a person does not have; also in `chunk.MISSING`.
MISSING: Final = -(2**31)
#: In a format's plan: no field says how sure a reference block is, or it cannot be read here.
NO_QUALITY: Final = -1
ODD_QUALITY: Final = -2
#: More text than this in all persons' cells, were all as long as the longest, is left to htslib's limits.
MOST_CELLS: Final = 1 << 26
MOST_INFO: Final = 60_000
MOST_DIGITS: Final = 9
ZERO: Final = np.uint8(48)
#: Cells of a genotype alone that are compared at a time.
GROUP: Final = 16
#: Their bytes.
CELLS: Final = 4 * GROUP
#: An allele that is not called, as a byte.
NOT_CALLED: Final = np.uint8(255)
#: Columns of `Lines.facts`.
STATE: Final = 0
START: Final = 1
POS: Final = 2
REF_START: Final = 3
REF_END: Final = 4
ALT_START: Final = 5
ALT_END: Final = 6
RS_START: Final = 7
RS_END: Final = 8
FILTER: Final = 9
FORMAT: Final = 10
ENTRIES: Final = 11
KEPT: Final = 12
SEQUENCES: Final = 13
END: Final = 14
SPANNING: Final = 15
FACTS: Final = 16
#: Numbers of a row of `Lines.notes`.
NOTES: Final = 8


class Known(NamedTuple):
    """The FILTER and FORMAT texts met so far, one after the other, and what each FORMAT holds.

    *good_filters* do not make a reference block doubtful, *odd_filters* are left to cyvcf2; *narrow* is
    the FORMAT `GT`. *fields* is (formats, most fields), with 0 *field_counts* for a format that is left
    to cyvcf2; *quality* is the field that says how sure a reference block is, and the others tell
    formats with LEN, GQ and DP.
    """

    filter_text: Text
    filter_ends: Numbers
    good_filters: npt.NDArray[np.bool_]
    odd_filters: npt.NDArray[np.bool_]
    format_text: Text
    format_ends: Numbers
    narrow: npt.NDArray[np.bool_]
    fields: npt.NDArray[np.int8]
    field_counts: Numbers
    quality: Numbers
    lengths: npt.NDArray[np.bool_]
    has_gq: npt.NDArray[np.bool_]
    has_dp: npt.NDArray[np.bool_]


class Lines(NamedTuple):
    """What was found: (lines, FACTS), the genotypes that are not 0/0, kept numbers, and calls of blocks.

    An entry is a *person* with the numbers of two alleles, -1 where not called and -2 where there is
    no second one; those of a line end at its ENTRIES. *gq* and *dp* are (lines with rows, persons),
    *called* (lines without, persons). *scratch* and *notes*, (3, NOTES), are the loops' own.
    """

    facts: Numbers
    person: npt.NDArray[np.uint32]
    first: npt.NDArray[np.int8]
    second: npt.NDArray[np.int8]
    gq: npt.NDArray[np.int32]
    dp: npt.NDArray[np.int32]
    called: npt.NDArray[np.int8]
    scratch: Text
    notes: Numbers


class Limits(NamedTuple):
    """The last position of the contig, the persons, and the least quality of a called reference block.

    *end_readable* says that INFO/END is a whole number by the header; *keep_gq* and *keep_dp* which
    numbers are kept.
    """

    last_pos: int
    persons: int
    min_block_gq: int
    end_readable: bool
    keep_gq: bool
    keep_dp: bool


@compiled
def _is_letter(character):  # type: ignore[no-untyped-def]
    return 97 <= (character | 32) <= 122


@compiled
def _is_base(character):  # type: ignore[no-untyped-def]
    letter = character & 0xDF
    # A C G N T
    return letter == 65 or letter == 67 or letter == 71 or letter == 78 or letter == 84


@compiled
def _is_digit(character):  # type: ignore[no-untyped-def]
    return 48 <= character <= 57


@compiled
def _is_word(character):  # type: ignore[no-untyped-def]
    return _is_letter(character) or _is_digit(character) or character == 95 or character == 46


@compiled
def _upper(character):  # type: ignore[no-untyped-def]
    return character - 32 if 97 <= character <= 122 else character


@compiled
def _whole_number(text, at):  # type: ignore[no-untyped-def]
    """The digits at *at* as a number, and where they end; MISSING where there are none or too many."""
    value, start = np.int64(0), at
    while _is_digit(text[at]):
        value = value * 10 + np.int64(text[at]) - 48
        at += 1
        if at - start > MOST_DIGITS:
            return MISSING, at
    return (value if at > start else MISSING), at


@compiled
def _identifier(text, at, facts):  # type: ignore[no-untyped-def]
    """Note the first part of ID that begins with rs; the offset of its end, -1 where it is odd."""
    start = part = at
    if text[at] == 59:
        return -1
    while text[at] != 9:
        character = text[at]
        if character <= 32 or character >= 127:
            return -1
        at += 1
        ended = text[at] == 9 or text[at] == 59
        if ended and facts[RS_END] == 0 and at - part >= 2 and text[part] == 114 and text[part + 1] == 115:
            facts[RS_START], facts[RS_END] = part, at
        if text[at] == 59:
            part = at + 1
    return at if at > start else -1


@compiled
def _placeholder(text, at, end):  # type: ignore[no-untyped-def]
    """Whether the allele is one of `alleles.PLACEHOLDERS`."""
    size = end - at
    if size == 1:
        return text[at] == 42
    if size == 3:
        return text[at] == 60 and text[at + 1] == 42 and text[at + 2] == 62
    if size != 9:
        return False
    # <NON_REF>
    return (
        text[at] == 60
        and text[at + 1] == 78
        and text[at + 2] == 79
        and text[at + 3] == 78
        and text[at + 4] == 95
        and text[at + 5] == 82
        and text[at + 6] == 69
        and text[at + 7] == 70
        and text[at + 8] == 62
    )


@compiled
def _is_sequence(text, at, end):  # type: ignore[no-untyped-def]
    for place in range(at, end):
        if not _is_base(text[place]):
            return False
    return end > at


@compiled
def _same_sequence(text, left, right, size):  # type: ignore[no-untyped-def]
    for step in range(size):
        if _upper(text[left + step]) != _upper(text[right + step]):
            return False
    return True


@compiled
def _alternates(text, at, facts):  # type: ignore[no-untyped-def]
    """Note ALT; the number of its alleles, -1 where one is odd."""
    facts[ALT_START] = at
    if text[at] == 46 and text[at + 1] == 9:
        facts[ALT_END] = at + 1
        return 0
    count = 0
    while True:
        start = at
        while text[at] > 32 and text[at] != 44:
            at += 1
        ref_size = facts[REF_END] - facts[REF_START]
        if _is_sequence(text, start, at):
            if at - start == ref_size and _same_sequence(text, start, facts[REF_START], ref_size):
                return -1
            facts[SEQUENCES] += 1
        elif not _placeholder(text, start, at):
            return -1
        count += 1
        if text[at] != 44:
            break
        at += 1
    facts[ALT_END] = at
    return count if text[at] == 9 else -1


@compiled
def _quality(text, at):  # type: ignore[no-untyped-def]
    """The end of QUAL, -1 where it is odd."""
    start = at
    if text[at] == 46 and text[at + 1] == 9:
        return at + 1
    while text[at] != 9:
        character = text[at]
        # + - . E e
        if not (_is_digit(character) or character in (43, 45, 46, 69, 101)):
            return -1
        at += 1
    return at if at > start else -1


@compiled
def _look_up(text, at, end, names, ends, hint):  # type: ignore[no-untyped-def]
    """The number of the name that stands between *at* and *end*, -1 where it is new."""
    count = len(ends)
    for step in range(count):
        number = (hint + step) % count
        start = ends[number - 1] if number else 0
        if ends[number] - start == end - at:
            same = True
            for place in range(end - at):
                if names[start + place] != text[at + place]:
                    same = False
                    break
            if same:
                return number
    return -1


@compiled
def _info(text, at, facts):  # type: ignore[no-untyped-def]
    """Check INFO and note END; the offset of its end, -1 where it is odd."""
    entries = 0
    while True:
        key = at
        while _is_word(text[at]):
            at += 1
        if at == key or entries > MOST_INFO:
            return -1
        entries += 1
        if text[at] == 61:
            is_end = at - key == 3 and text[key] == 69 and text[key + 1] == 78 and text[key + 2] == 68
            at += 1
            if is_end and facts[END] == 0:
                value, after = _whole_number(text, at)
                if value == MISSING or (text[after] != 59 and text[after] != 9):
                    return -1
                facts[END] = value
            while text[at] != 59 and text[at] != 9:
                if text[at] < 32:
                    return -1
                at += 1
        if text[at] == 9:
            return at
        if text[at] != 59:
            return -1
        at += 1


@compiled
def _skip_integers(text, at):  # type: ignore[no-untyped-def]
    """The end of whole numbers with commas between, -1 where they are odd."""
    while True:
        if text[at] == 46:
            at += 1
        else:
            if text[at] == 45:
                at += 1
            start = at
            while _is_digit(text[at]):
                at += 1
            if at == start or at - start > MOST_DIGITS:
                return -1
        if text[at] != 44:
            return at
        at += 1


@compiled
def _skip_floats(text, at):  # type: ignore[no-untyped-def]
    """The end of decimal numbers with commas between, -1 where they are odd."""
    while True:
        if text[at] == 46 and not _is_digit(text[at + 1]):
            at += 1
        else:
            if text[at] == 45:
                at += 1
            start = at
            while _is_digit(text[at]):
                at += 1
            if at == start:
                return -1
            if text[at] == 46:
                at += 1
                while _is_digit(text[at]):
                    at += 1
            if at - start > 16:
                return -1
            if text[at] | 32 == 101:
                at += 1
                if text[at] == 43 or text[at] == 45:
                    at += 1
                start = at
                while _is_digit(text[at]):
                    at += 1
                if at == start or at - start > 2:
                    return -1
        if text[at] != 44:
            return at
        at += 1


@compiled
def _skip_text(text, at):  # type: ignore[no-untyped-def]
    start = at
    while text[at] >= 32 and text[at] != 58:
        at += 1
    return at if at > start else -1


@compiled
def _allele(character):  # type: ignore[no-untyped-def]
    """The number of an allele of one character, -1 for a missing one, -3 for anything else."""
    if _is_digit(character):
        return character - 48
    return -1 if character == 46 else -3


@compiled
def _genotype(text, at, alts):  # type: ignore[no-untyped-def]
    """Both alleles and the offset behind them, -1 where the genotype is odd."""
    first, second = np.int64(_allele(text[at])), np.int64(-2)
    at += 1
    if text[at] == 47 or text[at] == 124:
        second = np.int64(_allele(text[at + 1]))
        if second == -3:
            return first, second, -1
        at += 2
    if first == -3 or first > alts or second > alts:
        return first, second, -1
    return first, second, at


@compiled
def _set_patterns(patterns, separator, most):  # type: ignore[no-untyped-def]
    """Fill in the bytes of GROUP cells: all 0/0, then the least ones of any genotype, and the greatest."""
    for place in range(CELLS):
        usual = least = greatest = separator if place & 3 == 1 else np.uint8(9)
        if place & 1 == 0:
            usual, least, greatest = ZERO, np.uint8(46), most
        patterns[place], patterns[CELLS + place], patterns[2 * CELLS + place] = usual, least, greatest


@compiled
def _narrow_cells(text, at, alts, persons, patterns, who, firsts, seconds, entries):  # type: ignore[no-untyped-def]
    """Genotypes of three characters each, GROUP persons at a time; the entries after them, -1 where odd.

    *patterns* are those of the line before, or zeros.
    """
    separator, most = text[at + 1], ZERO + np.uint8(min(alts, 9))
    if separator != 47 and separator != 124:
        return -1
    if patterns[1] != separator or patterns[2 * CELLS] != most:
        _set_patterns(patterns, separator, most)
    # the last cell ends with a newline
    groups = (persons - 1) // GROUP
    for group in range(groups + 1):
        start = np.uint64(at + CELLS * group)
        if group < groups:
            other, strange = np.uint8(0), np.uint8(0)
            for step in range(CELLS):
                place = np.uint64(step)
                other |= text[start + place] ^ patterns[place]
            if other == 0:
                continue
            for step in range(CELLS):
                place = np.uint64(step)
                character = text[start + place]
                strange |= np.uint8(character < patterns[np.uint64(CELLS) + place])
                strange |= np.uint8(character > patterns[np.uint64(2 * CELLS) + place])
                # the byte between `.` and `0`
                strange |= np.uint8(character == 47) & np.uint8(patterns[place] == ZERO)
            if strange == 0:
                for step in range(GROUP):
                    cell, entry = start + np.uint64(4 * step), np.uint64(entries)
                    first, second = np.int8(text[cell] - ZERO), np.int8(text[cell + np.uint64(2)] - ZERO)
                    # written in any case: nobody can guess who has which genotype at a common site
                    who[entry] = GROUP * group + step
                    firsts[entry], seconds[entry] = max(first, np.int8(-1)), max(second, np.int8(-1))
                    entries += (first | second) != 0
                continue
        for person in range(GROUP * group, min(GROUP * group + GROUP, persons)):
            cell = np.uint64(at + 4 * person)
            first, second = _allele(text[cell]), _allele(text[cell + np.uint64(2)])
            between, end = text[cell + np.uint64(1)], text[cell + np.uint64(3)]
            ended = end == (10 if person == persons - 1 else 9)
            if not ended or (between != 47 and between != 124) or first == -3 or second == -3:
                return -1
            if first > alts or second > alts:
                return -1
            if first != 0 or second != 0:
                who[entries] = person
                firsts[entries] = first
                seconds[entries] = second
                entries += 1
    return entries


@compiled
def _number(text, at):  # type: ignore[no-untyped-def]
    """A whole number or `.` at *at*, and the offset of its end, -1 where it is odd."""
    if text[at] == 46:
        return MISSING, at + 1
    value, end = _whole_number(text, at)
    return value, end if value != MISSING else -1


@compiled
def _skip(text, at, kind):  # type: ignore[no-untyped-def]
    """The end of a field that is not kept, -1 where it is odd."""
    if kind == INTEGERS:
        return _skip_integers(text, at)
    if kind == FLOATS:
        return _skip_floats(text, at)
    return _skip_text(text, at)


@compiled
def _plain_cells(text, at, alts, persons, kinds, count, who, firsts, seconds, entries, gq, dp):  # type: ignore[no-untyped-def]
    """As `_wide_cells` where each cell is a genotype of three characters and then numbers; -2 where not.

    Nine records in ten are like that, and this takes a third of the time.
    """
    if kinds[0] != GT or persons * (4 + (MOST_DIGITS + 1) * count) >= MOST_CELLS:
        return -2, at
    for field in range(1, count):
        if kinds[field] != GQ and kinds[field] != DP and kinds[field] != NUMBER:
            return -2, at
    at = np.uint64(at)
    one = np.uint64(1)
    for person in range(persons):
        first = text[at] - ZERO
        if first > 9:
            if text[at] != 46:
                return -2, np.int64(at)
            first = NOT_CALLED
        at += one
        if text[at] != 47 and text[at] != 124:
            return -2, np.int64(at)
        at += one
        second = text[at] - ZERO
        if second > 9:
            if text[at] != 46:
                return -2, np.int64(at)
            second = NOT_CALLED
        at += one
        if first | second:
            one_allele, other = np.int64(np.int8(first)), np.int64(np.int8(second))
            if one_allele > alts or other > alts:
                return -2, np.int64(at)
            who[entries] = person
            firsts[entries] = one_allele
            seconds[entries] = other
            entries += 1
        for field in range(1, count):
            if text[at] != 58:
                break
            at += one
            digit = text[at] - ZERO
            value = np.int32(digit)
            if digit <= 9:
                start = at
                at += one
                digit = text[at] - ZERO
                while digit <= 9:
                    value = np.int32(value * 10 + digit)
                    at += one
                    digit = text[at] - ZERO
                if at - start > np.uint64(MOST_DIGITS):
                    return -2, np.int64(at)
            elif text[at] == 46:
                value = np.int32(MISSING)
                at += one
            else:
                return -2, np.int64(at)
            if kinds[field] == GQ:
                gq[person] = value
            elif kinds[field] == DP:
                dp[person] = value
        if text[at] != (10 if person == persons - 1 else 9):
            return -2, np.int64(at)
        at += one
    return entries, np.int64(at) - 1


@compiled
def _wide_cells(text, at, alts, persons, kinds, count, who, firsts, seconds, entries, gq, dp):  # type: ignore[no-untyped-def]
    """Cells of a line with rows; the entries after them, -1 where one is odd, and the newline."""
    widest = 0
    for person in range(persons):
        start, first, second = at, -3, -3
        for field in range(count):
            kind = kinds[field]
            if kind == GT:
                first, second, at = _genotype(text, at, alts)
            elif kind == GQ:
                gq[person], at = _number(text, at)
            elif kind == DP:
                dp[person], at = _number(text, at)
            elif kind == NUMBER:
                _, at = _number(text, at)
            else:
                at = _skip(text, at, kind)
            if at < 0 or text[at] != 58:
                break
            at = at + 1 if field < count - 1 else -1
        # a cell that ends before its genotype is left to htslib's rules
        if at < 0 or first == -3 or text[at] != (10 if person == persons - 1 else 9):
            return -1, at
        widest = max(widest, at - start)
        at += 1
        if first != 0 or second != 0:
            who[entries] = person
            firsts[entries] = first
            seconds[entries] = second
            entries += 1
    return (entries if widest * persons < MOST_CELLS else -1), at - 1


@compiled
def _block_cells(text, at, alts, persons, kinds, count, quality, least, called):  # type: ignore[no-untyped-def]
    """Cells of a reference block; 0, or -1 where one is odd, and the newline."""
    widest = 0
    for person in range(persons):
        start, first, second, sure = at, -3, -3, True
        for field in range(count):
            kind = kinds[field]
            if kind == GT:
                first, second, at = _genotype(text, at, alts)
            elif kind in (GQ, DP, NUMBER):
                value, at = _number(text, at)
                if field == quality:
                    sure = value == MISSING or value >= least
            else:
                at = _skip(text, at, kind)
            if at < 0 or text[at] != 58:
                break
            at = at + 1 if field < count - 1 else -1
        if at < 0 or first == -3 or text[at] != (10 if person == persons - 1 else 9):
            return -1, at
        widest = max(widest, at - start)
        at += 1
        called[person] = ((first >= 0) + (second >= 0)) if sure else 0
    return (0 if widest * persons < MOST_CELLS else -1), at - 1


@compiled
def _fixed(text, at, facts, filter_text, filter_ends, format_text, format_ends, hints):  # type: ignore[no-untyped-def]
    """Note the columns up to FORMAT; the offset of the first cell and the alternate alleles, -1 where odd."""
    while text[at] > 32:
        at += 1
    if text[at] != 9:
        return -1, 0
    facts[POS], at = _whole_number(text, at + 1)
    if text[at] != 9:
        return -1, 0
    at = _identifier(text, at + 1, facts)
    if at < 0:
        return -1, 0
    facts[REF_START] = at = at + 1
    while _is_base(text[at]):
        at += 1
    facts[REF_END] = at
    if text[at] != 9 or at == facts[REF_START]:
        return -1, 0
    alts = _alternates(text, at + 1, facts)
    if alts < 0:
        return -1, 0
    at = _quality(text, facts[ALT_END] + 1)
    if at < 0:
        return -1, 0
    start = at = at + 1
    while text[at] > 32:
        at += 1
    facts[FILTER] = _look_up(text, start, at, filter_text, filter_ends, hints[0])
    if text[at] != 9:
        return -1, 0
    if facts[FILTER] < 0:
        # where the unknown text stands
        facts[STATE], facts[RS_START], facts[RS_END] = NEW_FILTER, start, at
        return -1, 0
    at = _info(text, at + 1, facts)
    if at < 0:
        return -1, 0
    start = at = at + 1
    while text[at] > 32:
        at += 1
    if text[at] != 9:
        return -1, 0
    facts[FORMAT] = _look_up(text, start, at, format_text, format_ends, hints[1])
    if facts[FORMAT] < 0:
        facts[STATE], facts[RS_START], facts[RS_END] = NEW_FORMAT, start, at
        return -1, 0
    hints[0], hints[1] = facts[FILTER], facts[FORMAT]
    return at + 1, alts


@compiled
def _can_be_block(text, facts, last_pos):  # type: ignore[no-untyped-def]
    """Whether a line without an alternate allele of its own ends on the contig; notes where."""
    site_end = facts[POS] + facts[REF_END] - facts[REF_START] - 1
    facts[END] = max(site_end, facts[END])
    # of the placeholders, those of `blocks.BLOCK_ALLELES` stand in angle brackets
    facts[SPANNING] = facts[END] > site_end
    for place in range(facts[ALT_START], facts[ALT_END]):
        if text[place] == 60:
            facts[SPANNING] = 1
    return facts[END] <= last_pos


@compiled
def parse_lines(text, at, line, stop, known, limits, out):  # type: ignore[no-untyped-def]
    """Read lines *line* up to *stop* from offset *at*; the line and offset at which it went no further.

    Raises nothing: an odd line is marked, and at an unknown FILTER or FORMAT the loop stops, with the
    place of that text in the line's RS_START and RS_END.
    """
    # taken apart once: passing a tuple of arrays costs more than reading a cell
    filter_text, filter_ends, format_text, format_ends = (
        known.filter_text,
        known.filter_ends,
        known.format_text,
        known.format_ends,
    )
    good_filters, odd_filters, narrow = known.good_filters, known.odd_filters, known.narrow
    fields, field_counts, quality, lengths = known.fields, known.field_counts, known.quality, known.lengths
    all_facts, who, firsts, seconds, all_called = out.facts, out.person, out.first, out.second, out.called
    all_gq, all_dp, scratch = out.gq, out.dp, out.scratch
    persons, last_pos = limits.persons, limits.last_pos
    hints = out.notes[0]
    hints[:] = 0
    entries = all_facts[line - 1, ENTRIES] if line else 0
    kept = all_facts[line - 1, KEPT] if line else 0
    blocks = 0
    for before in range(line):
        blocks += all_facts[before, STATE] == NO_ALT
    while line < stop:
        facts = all_facts[line]
        facts[:] = 0
        facts[START], facts[STATE] = at, ODD
        cells, alts = _fixed(text, at, facts, filter_text, filter_ends, format_text, format_ends, hints)
        if facts[STATE] != ODD:
            return line, at
        after, ended, form = np.int64(-1), np.int64(0), facts[FORMAT]
        with_rows = facts[SEQUENCES] > 0
        if (
            cells < 0
            or field_counts[form] == 0
            or odd_filters[facts[FILTER]]
            or facts[POS] < 1
            or facts[POS] > last_pos
        ):
            pass
        elif with_rows:
            gq, dp = all_gq[kept if limits.keep_gq else 0], all_dp[kept if limits.keep_dp else 0]
            end = cells + 4 * persons - 1
            if narrow[form] and end < len(text) and text[end] == 10:
                after = _narrow_cells(text, cells, alts, persons, scratch, who, firsts, seconds, entries)
                ended = end
            if after < 0:
                gq[:], dp[:] = MISSING, MISSING
                after, ended = _plain_cells(
                    text, cells, alts, persons, fields[form], field_counts[form],
                    who, firsts, seconds, entries, gq, dp,
                )  # fmt: skip
            if after < 0:
                # what was written before it gave up is written again
                gq[:], dp[:] = MISSING, MISSING
                after, ended = _wide_cells(
                    text, cells, alts, persons, fields[form], field_counts[form],
                    who, firsts, seconds, entries, gq, dp,
                )  # fmt: skip
        elif (
            not lengths[form]
            and quality[form] != ODD_QUALITY
            and (facts[END] == 0 or limits.end_readable)
            and _can_be_block(text, facts, last_pos)
        ):
            called = all_called[blocks]
            after, ended = _block_cells(
                text, cells, alts, persons, fields[form], field_counts[form],
                quality[form], limits.min_block_gq, called,
            )  # fmt: skip
            if not good_filters[facts[FILTER]]:
                called[:] = 0
            if after >= 0:
                after = np.int64(entries)
        if after >= 0:
            facts[STATE] = ROWS if with_rows else NO_ALT
            entries = after
            kept += with_rows
            blocks += not with_rows
            at = ended + 1
        else:
            while text[at] != 10:
                at += 1
            at += 1
        facts[ENTRIES], facts[KEPT] = entries, kept
        line += 1
    return line, at
