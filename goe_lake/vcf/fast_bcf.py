"""Compiled loops over the bytes of BCF records, which find in them what `fast_text` finds in lines.

A record is understood wholly or not at all: whatever is unusual in it, a length that does not fit
included, makes it ODD, and then cyvcf2 reads it. ID and alleles are written out as a VCF has them, so that
everything behind reads both. See the VCF specification, section 6.3, for the layout of a record.
"""

# ruff: noqa: C901, PLR0913, PLR0915, PLR1714 - loops of bytes branch, and take arrays one by one

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from goe_lake.vcf.compiled import compiled
from goe_lake.vcf.fast_text import (
    END,
    ENTRIES,
    FILTER,
    FORMAT,
    KEPT,
    MISSING,
    NEW_FILTER,
    NO_ALT,
    ODD,
    POS,
    REF_END,
    REF_START,
    ROWS,
    RS_END,
    RS_START,
    SEQUENCES,
    START,
    STATE,
    Numbers,
    Text,
    _alternates,
    _can_be_block,
    _identifier,
    _is_base,
    _look_up,
)

#: What a FORMAT field is, by its number in the header's dictionary. The last one has a declaration that
#: cyvcf2 has to judge.
OTHER: Final = 0
IS_GT: Final = 1
IS_GQ: Final = 2
IS_RGQ: Final = 3
IS_GQX: Final = 4
IS_DP: Final = 5
IS_LEN: Final = 6
UNCLEAR: Final = 7
ROLES: Final = 8
#: Persons whose genotypes are compared at a time.
PAIRS: Final = 32
#: What the field of a block's quality holds, by its role.
WHOLE: Final = 0
DECIMAL: Final = 1
WORDS: Final = 2
#: `facts[FORMAT]` of a record, as bits: it has GQ, it has DP.
HAS_GQ: Final = 1
HAS_DP: Final = 2
MOST_ALTS: Final = 100
#: Bytes of a record before its ID, and of its two lengths.
FIXED: Final = 24
LENGTHS: Final = 8
TAB: Final = np.uint8(9)
COMMA: Final = np.uint8(44)
DOT: Final = np.uint8(46)


class KnownBytes(NamedTuple):
    """The FILTER vectors met so far, and the roles of FORMAT fields; see `fast_text.Known`.

    *end_key* is the number of INFO/END, -1 where there is none; *quality* says by role what is in it.
    """

    filter_text: Text
    filter_ends: Numbers
    good_filters: npt.NDArray[np.bool_]
    odd_filters: npt.NDArray[np.bool_]
    roles: npt.NDArray[np.int8]
    quality: npt.NDArray[np.int8]
    end_key: int
    has_gq: npt.NDArray[np.bool_]
    has_dp: npt.NDArray[np.bool_]


@compiled
def _unsigned(raw, at):  # type: ignore[no-untyped-def]
    """The 32 bits at *at*."""
    return (
        np.int64(raw[at])
        | np.int64(raw[at + 1]) << 8
        | np.int64(raw[at + 2]) << 16
        | np.int64(raw[at + 3]) << 24
    )


@compiled
def _width(kind):  # type: ignore[no-untyped-def]
    """The bytes of a value, -1 for a type that there is not."""
    if kind == 1 or kind == 7:
        return 1
    if kind == 2:
        return 2
    if kind == 3 or kind == 5:
        return 4
    return 0 if kind == 0 else -1


@compiled
def _signed(raw, at, kind):  # type: ignore[no-untyped-def]
    """A whole number; MISSING where it is absent or the vector has ended."""
    if kind == 1:
        value = np.int64(np.int8(raw[at]))
        return np.int64(MISSING) if value <= -127 else value
    if kind == 2:
        value = np.int64(np.int16(np.uint16(raw[at]) | np.uint16(raw[at + 1]) << np.uint16(8)))
        return np.int64(MISSING) if value <= -32767 else value
    value = _unsigned(raw, at)
    value = value - (np.int64(1) << 32) if value >> 31 else value
    return np.int64(MISSING) if value <= MISSING + 1 else value


@compiled
def _typed(raw, at, end):  # type: ignore[no-untyped-def]
    """The type of a vector, its length, and where its values begin; -1 where that passes *end*."""
    if at >= end:
        return np.int64(-1), np.int64(0), at
    kind, size = np.int64(raw[at] & 15), np.int64(raw[at] >> 4)
    at += 1
    if size == 15:
        if at >= end:
            return np.int64(-1), np.int64(0), at
        inner = np.int64(raw[at] & 15)
        if raw[at] >> 4 != 1 or inner < 1 or inner > 3 or at + 1 + _width(inner) > end:
            return np.int64(-1), np.int64(0), at
        size = _signed(raw, at + 1, inner)
        at += 1 + _width(inner)
    if _width(kind) < 0 or size < 0 or at + size * max(1, _width(kind)) > end:
        # a vector of a FORMAT field is longer yet, which its own check sees
        return np.int64(-1), np.int64(0), at
    return kind, size, at


@compiled
def _key(raw, at, end):  # type: ignore[no-untyped-def]
    """The number of a field, and what follows it; -1 where it is none."""
    kind, size, at = _typed(raw, at, end)
    if kind < 1 or kind > 3 or size != 1:
        return np.int64(-1), at
    return _signed(raw, at, kind), at + _width(kind)


@compiled
def measure_records(raw):  # type: ignore[no-untyped-def]
    """How many records *raw* holds, and the bytes of what they share; -1 where they do not end with it."""
    at, records, shared = 0, 0, 0
    while at < len(raw):
        if at + LENGTHS + FIXED > len(raw):
            return -1, 0
        more = _unsigned(raw, at)
        at += LENGTHS + more + _unsigned(raw, at + 4)
        records, shared = records + 1, shared + more
    return (records if at == len(raw) else -1), shared


@compiled
def read_places(raw, starts, contigs, positions):  # type: ignore[no-untyped-def]
    """Fill the arrays for the whole records of *raw*, as many as they hold; how many, and where the rest is.

    *positions* are 1-based. The number is -1 - n where record n is not one.
    """
    at, record = 0, 0
    while record < len(starts) and at + 16 <= len(raw):
        shared, individual = _unsigned(raw, at), _unsigned(raw, at + 4)
        if at + LENGTHS + shared + individual > len(raw):
            break
        contig, pos = _unsigned(raw, at + 8), _unsigned(raw, at + 12)
        if shared < FIXED or (pos >> 31 and pos != 0xFFFFFFFF):
            return -1 - record, at
        starts[record], contigs[record] = at, contig
        positions[record] = 0 if pos >> 31 else pos + 1
        record += 1
        at += LENGTHS + shared + individual
    return record, at


@compiled
def _string(raw, at, end, text, to):  # type: ignore[no-untyped-def]
    """Copy a text vector to *text*, a dot for an empty one; its end in both, -1 where it is none."""
    kind, size, at = _typed(raw, at, end)
    if kind != 7 and size != 0:
        return np.int64(-1), to
    if kind < 0:
        return np.int64(-1), to
    for step in range(size):
        text[to + step] = raw[at + step]
    if size == 0:
        text[to] = DOT
        return at, to + 1
    return at + size, to + size


@compiled
def _site(raw, at, end, alleles, text, to, facts):  # type: ignore[no-untyped-def]
    """Write ID and alleles to *text* and note them; the end in both, and the alternates, -1 where odd."""
    start = to
    at, to = _string(raw, at, end, text, to)
    if at < 0 or alleles < 1 or alleles > MOST_ALTS:
        return np.int64(-1), to, 0
    text[to] = TAB
    if _identifier(text, start, facts) != to:
        return np.int64(-1), to, 0
    facts[REF_START] = to + 1
    at, to = _string(raw, at, end, text, to + 1)
    if at < 0:
        return np.int64(-1), to, 0
    facts[REF_END] = to
    text[to] = TAB
    for place in range(facts[REF_START], to):
        if not _is_base(text[place]):
            return np.int64(-1), to, 0
    start = to = to + 1
    if alleles == 1:
        text[to] = DOT
        to += 1
    for allele in range(1, alleles):
        if allele > 1:
            text[to] = COMMA
            to += 1
        begun = to
        at, to = _string(raw, at, end, text, to)
        if at < 0:
            return np.int64(-1), to, 0
        for place in range(begun, to):
            if text[place] == COMMA:
                return np.int64(-1), to, 0
    text[to] = TAB
    alts = _alternates(text, start, facts)
    return (at if alts == alleles - 1 else np.int64(-1)), to + 1, alts


@compiled
def _ends(raw, at, end, entries, end_key, facts):  # type: ignore[no-untyped-def]
    """Note INFO/END; the end of INFO, -1 where it is odd."""
    for _ in range(entries):
        key, at = _key(raw, at, end)
        if key < 0:
            return np.int64(-1)
        kind, size, at = _typed(raw, at, end)
        if kind < 0:
            return np.int64(-1)
        if key == end_key:
            if kind < 1 or kind > 3 or size != 1 or facts[END] != 0:
                return np.int64(-1)
            value = _signed(raw, at, kind)
            if value < 0:
                return np.int64(-1)
            facts[END] = value
        at += size * _width(kind)
    return at


@compiled
def _fields(raw, at, end, count, persons, roles, places, kinds, sizes):  # type: ignore[no-untyped-def]
    """Note where the FORMAT field of each role is, -1 for none; whether all of them are understood."""
    places[:] = -1
    for _ in range(count):
        key, at = _key(raw, at, end)
        if key < 0 or key >= len(roles):
            return False
        kind, size, at = _typed(raw, at, end)
        if kind < 0 or at + size * _width(kind) * persons > end:
            return False
        role = roles[key]
        if role != OTHER:
            if places[role] >= 0 or role == UNCLEAR:
                return False
            places[role], kinds[role], sizes[role] = at, kind, size
        at += size * _width(kind) * persons
    return at == end


@compiled
def _allele_of(value):  # type: ignore[no-untyped-def]
    """The number of an allele from its 8 bits: -1 not called, -2 none, -3 what should not be."""
    if value == 0x81:
        return np.int64(-2)
    return np.int64(value >> 1) - 1 if value < 0x80 else np.int64(-3)


@compiled
def _pairs(raw, at, alts, persons, who, firsts, seconds, entries):  # type: ignore[no-untyped-def]
    """Genotypes of two alleles of 8 bits, PAIRS persons at a time; the entries after them, -1 where odd."""
    groups = persons // PAIRS
    for group in range(groups + 1):
        if group < groups:
            start, other = np.uint64(at + 2 * PAIRS * group), np.uint8(0)
            for place in range(2 * PAIRS):
                other |= raw[start + np.uint64(place)] ^ np.uint8(2)
            # all alleles are 0, phased or not
            if other & np.uint8(0xFE) == 0:
                continue
        for person in range(PAIRS * group, min(PAIRS * group + PAIRS, persons)):
            cell = np.uint64(at + 2 * person)
            first, second = _allele_of(raw[cell]), _allele_of(raw[cell + np.uint64(1)])
            if first < -1 or second == -3 or first > alts or second > alts:
                return np.int64(-1)
            if first != 0 or second != 0:
                who[entries] = person
                firsts[entries] = first
                seconds[entries] = second
                entries += 1
    return entries


@compiled
def _singles(raw, at, alts, persons, who, firsts, seconds, entries):  # type: ignore[no-untyped-def]
    """Genotypes of one allele of 8 bits."""
    for person in range(persons):
        first = _allele_of(raw[at + person])
        if first < -1 or first > alts:
            return np.int64(-1)
        who[entries] = person
        firsts[entries] = first
        seconds[entries] = -2
        entries += 1
    return entries


@compiled
def _copy_numbers(raw, at, kind, persons, target):  # type: ignore[no-untyped-def]
    if kind == 1:
        for person in range(persons):
            value = np.int32(np.int8(raw[at + person]))
            target[person] = np.int32(MISSING) if value <= -127 else value
        return
    for person in range(persons):
        target[person] = _signed(raw, at + person * _width(kind), kind)


@compiled
def _block(raw, places, kinds, sizes, quality, least, persons, alts, called):  # type: ignore[no-untyped-def]
    """The called alleles of a reference block; whether it is understood."""
    role = IS_GQ
    while role < IS_DP and places[role] < 0:
        role += 1
    asked = role < IS_DP and quality[role] != WORDS
    if asked and (quality[role] == DECIMAL or sizes[role] != 1 or kinds[role] < 1 or kinds[role] > 3):
        return False
    at, wide = places[IS_GT], sizes[IS_GT]
    for person in range(persons):
        first = _allele_of(raw[at + person * wide])
        second = _allele_of(raw[at + person * wide + 1]) if wide == 2 else np.int64(-2)
        if first < -1 or second == -3 or first > alts or second > alts:
            return False
        called[person] = (first >= 0) + (second >= 0)
        if asked:
            value = _signed(raw, places[role] + person * _width(kinds[role]), kinds[role])
            if value != MISSING and value < least:
                called[person] = 0
    return True


@compiled
def parse_records(raw, text, at, to, line, stop, known, limits, out):  # type: ignore[no-untyped-def]
    """Read records *line* up to *stop* from offset *at*, writing sites to *text* from *to* on.

    Returns the record and both offsets at which it went no further: at an unknown FILTER the loop stops,
    with the place of its vector in *raw* in the record's RS_START and RS_END.
    """
    filter_text, filter_ends = known.filter_text, known.filter_ends
    good_filters, odd_filters, roles, quality = (
        known.good_filters,
        known.odd_filters,
        known.roles,
        known.quality,
    )
    all_facts, who, firsts, seconds = out.facts, out.person, out.first, out.second
    all_gq, all_dp, all_called = out.gq, out.dp, out.called
    persons = limits.persons
    places, kinds, sizes = out.notes[0], out.notes[1], out.notes[2]
    entries = all_facts[line - 1, ENTRIES] if line else 0
    kept = all_facts[line - 1, KEPT] if line else 0
    blocks, hint = 0, 0
    for before in range(line):
        blocks += all_facts[before, STATE] == NO_ALT
    while line < stop:
        facts = all_facts[line]
        facts[:] = 0
        facts[START], facts[STATE] = at, ODD
        begin = at + LENGTHS
        shared = begin + _unsigned(raw, at)
        end = shared + _unsigned(raw, at + 4)
        facts[POS] = _unsigned(raw, begin + 4) + 1
        counts, form = _unsigned(raw, begin + 16), _unsigned(raw, begin + 20)
        place, after_site, alts = _site(raw, begin + FIXED, shared, counts >> 16, text, to, facts)
        state = np.int64(ODD)
        if place >= 0 and facts[POS] <= limits.last_pos and form & 0xFFFFFF == persons:
            vector = place
            kind, size, place = _typed(raw, place, shared)
            place += size * _width(kind)
            if kind >= 0:
                facts[FILTER] = _look_up(raw, vector, place, filter_text, filter_ends, hint)
                if facts[FILTER] < 0:
                    facts[STATE], facts[RS_START], facts[RS_END] = NEW_FILTER, vector, place
                    return line, at, to
                hint = facts[FILTER]
                usual = (
                    not odd_filters[hint]
                    and _ends(raw, place, shared, counts & 0xFFFF, known.end_key, facts) == shared
                )
                usual = usual and _fields(raw, shared, end, form >> 24, persons, roles, places, kinds, sizes)
                usual = usual and places[IS_GT] >= 0 and kinds[IS_GT] == 1
                usual = usual and (sizes[IS_GT] == 1 or sizes[IS_GT] == 2)
                if usual and facts[SEQUENCES] > 0:
                    state = np.int64(ROWS)
                    if places[IS_GQ] >= 0:
                        facts[FORMAT] |= HAS_GQ
                    if places[IS_DP] >= 0:
                        facts[FORMAT] |= HAS_DP
                    for role, keep in ((IS_GQ, limits.keep_gq), (IS_DP, limits.keep_dp)):
                        if (
                            keep
                            and places[role] >= 0
                            and (sizes[role] != 1 or kinds[role] < 1 or kinds[role] > 3)
                        ):
                            state = np.int64(ODD)
                    if state == ROWS:
                        if sizes[IS_GT] == 2:
                            more = _pairs(raw, places[IS_GT], alts, persons, who, firsts, seconds, entries)
                        else:
                            more = _singles(raw, places[IS_GT], alts, persons, who, firsts, seconds, entries)
                        if more < 0:
                            state = np.int64(ODD)
                        else:
                            entries = more
                            if limits.keep_gq and places[IS_GQ] >= 0:
                                _copy_numbers(raw, places[IS_GQ], kinds[IS_GQ], persons, all_gq[kept])
                            if limits.keep_dp and places[IS_DP] >= 0:
                                _copy_numbers(raw, places[IS_DP], kinds[IS_DP], persons, all_dp[kept])
                elif usual and places[IS_LEN] < 0 and (facts[END] == 0 or limits.end_readable):
                    called = all_called[blocks]
                    if _can_be_block(text, facts, limits.last_pos) and _block(
                        raw, places, kinds, sizes, quality, limits.min_block_gq, persons, alts, called
                    ):
                        state = np.int64(NO_ALT)
                        if not good_filters[hint]:
                            called[:] = 0
        facts[STATE] = state
        kept += state == ROWS
        blocks += state == NO_ALT
        facts[ENTRIES], facts[KEPT] = entries, kept
        if state != ODD:
            to = after_site
        at = end
        line += 1
    return line, at, to
