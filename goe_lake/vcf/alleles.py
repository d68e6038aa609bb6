"""From the alleles of one VCF record to rows of one alternate allele each.

Positions are 1-based; `end_pos` is the last base that the allele covers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from goe_lake.genome import Assembly

#: Alleles that stand for "something else here": they make no row, and count as called.
PLACEHOLDERS: Final = frozenset({"*", "<*>", "<NON_REF>"})
_SEQUENCE: Final = re.compile(r"[ACGTN]+", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"[ACGTNRYKMSWBDHV]+", re.IGNORECASE)
#: Ambiguity codes of a reference sequence become the first base that they stand for, as VCF asks.
_FIRST_BASES: Final = str.maketrans("RYKMSWBDHV", "ACGACACAAA")
_SYMBOL: Final = re.compile(r"<[^<>,\s]+>")
_MATE: Final = r"(?:\[[^\[\]\s]+:\d+\[|\][^\[\]\s]+:\d+\])"
_BREAKEND: Final = re.compile(
    rf"(?:[ACGTN]+|\.){_MATE}|{_MATE}(?:[ACGTN]+|\.)|\.[ACGTN]+|[ACGTN]+\.", re.IGNORECASE
)
#: Symbolic types whose length in SVLEN is a stretch of the reference.
_ON_REFERENCE: Final = frozenset({"DEL", "DUP", "INV", "CNV"})


@dataclass(frozen=True)
class Record:
    """One VCF record without its genotypes.

    *number* is the record's line (VCF) or count (BCF) in its file; *end* is INFO/END and
    *sv_lengths* INFO/SVLEN, one an alternate allele, None where not stated.
    """

    number: int
    pos: int
    ref: str
    alts: tuple[str, ...]
    rsid: str | None
    filter: str | None
    end: int | None = None
    sv_lengths: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Row:
    """One alternate allele of a record: *allele* is its number in the record's genotypes, from 1."""

    pos: int
    ref: str
    alt: str
    end_pos: int
    type: str
    sv_len: int | None
    allele: int

    @property
    def key(self) -> tuple[int, str, str, int]:
        """What a site is known by within its contig."""
        return self.pos, self.ref, self.alt, self.end_pos


@dataclass(frozen=True)
class Refused:
    """An allele, or a whole record where *alt* is None, that makes no row; *reason* is a fixed word."""

    reason: str
    alt: str | None = None


def rows_of(record: Record, assembly: Assembly, contig: str) -> tuple[list[Row], list[Refused]]:
    """The rows that *record* makes, trimmed to their shortest spelling, and what it cannot make."""
    if not _REFERENCE.fullmatch(record.ref):
        return [], [Refused("ref_not_a_sequence")]
    if not 1 <= record.pos <= assembly.lengths[contig]:
        return [], [Refused("pos_outside_contig")]
    rows: list[Row] = []
    refused: list[Refused] = []
    for allele, alt in enumerate(record.alts, 1):
        if alt in PLACEHOLDERS:
            continue
        made = _row(record, allele, alt, assembly.lengths[contig])
        if isinstance(made, Row):
            rows.append(made)
        else:
            refused.append(made)
    return rows, refused


def _row(record: Record, allele: int, alt: str, last: int) -> Row | Refused:
    if _SEQUENCE.fullmatch(alt):
        return _sequence_row(record, allele, alt)
    if _SYMBOL.fullmatch(alt):
        return _symbolic_row(record, allele, alt, last)
    if _BREAKEND.fullmatch(alt):
        ref = reference_of(record)
        return Row(record.pos, ref, alt, record.pos + len(ref) - 1, "BND", None, allele)
    return Refused("alt_not_readable", alt)


def _sequence_row(record: Record, allele: int, alt: str) -> Row | Refused:
    pos, ref, alt = trim(record.pos, reference_of(record), alt.upper())
    if ref == alt:
        return Refused("alt_is_ref", alt)
    return Row(pos, ref, alt, pos + len(ref) - 1, _sequence_type(ref, alt), None, allele)


def reference_of(record: Record) -> str:
    """The reference allele in capital letters of A, C, G, T and N."""
    return record.ref.upper().translate(_FIRST_BASES)


def trim(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The shortest spelling of a sequence allele: common suffix off first, then common prefix.

    >>> trim(100, "GCACA", "GCA")
    (100, 'GCA', 'G')
    """
    suffix, shorter = 0, min(len(ref), len(alt)) - 1
    while suffix < shorter and ref[-1 - suffix] == alt[-1 - suffix]:
        suffix += 1
    if suffix:
        ref, alt = ref[:-suffix], alt[:-suffix]
    prefix, shorter = 0, min(len(ref), len(alt)) - 1
    while prefix < shorter and ref[prefix] == alt[prefix]:
        prefix += 1
    return pos + prefix, ref[prefix:], alt[prefix:]


def _sequence_type(ref: str, alt: str) -> str:
    if len(ref) == len(alt):
        return "snv" if len(ref) == 1 else "mnv"
    if ref[0] == alt[0] and len(ref) == 1:
        return "ins"
    if ref[0] == alt[0] and len(alt) == 1:
        return "del"
    return "indel"


def _symbolic_type(alt: str) -> str:
    """The kind of a symbolic allele: its first part, where <CN0>, <CN2> … are copy numbers."""
    kind = alt.strip("<>").split(":", 1)[0].upper()
    return "CNV" if re.fullmatch(r"CN\d+", kind) else kind


def _symbolic_row(record: Record, allele: int, alt: str, last: int) -> Row | Refused:
    """A symbolic allele; an INFO/END before its start says nothing, one beyond the contig cannot be."""
    kind = _symbolic_type(alt)
    length = record.sv_lengths[allele - 1] if allele <= len(record.sv_lengths) else None
    ref = reference_of(record)
    end = record.pos + len(ref) - 1
    if record.end is not None and record.end >= record.pos:
        end = record.end
    elif length is not None and kind in _ON_REFERENCE:
        end = record.pos + abs(length)
    if max(end, abs(length or 0)) > last:
        return Refused("end_outside_contig", alt)
    # VCF up to 4.3 writes the length of a deletion below 0, from 4.4 on above; nodes must agree
    sv_len = -abs(length) if length is not None and kind == "DEL" else length
    return Row(record.pos, ref, alt, end, kind, sv_len, allele)


def rs_identifier(text: str | None) -> str | None:
    """The first dbSNP identifier in the ID field *text*, None where it has none."""
    return next((part for part in (text or "").split(";") if part.startswith("rs")), None)


def lengths_of(value: object, alts: int) -> tuple[int | None, ...]:
    """INFO/SVLEN, which may arrive as a number, a tuple or text, as one length an allele.

    >>> lengths_of("-18,.", 2), lengths_of(40, 1), lengths_of(None, 1)
    ((-18, None), (40,), (None,))
    """
    items: Sequence[object] = value if isinstance(value, tuple) else str(value).split(",")
    found = tuple(whole_number(item) for item in items)
    # one length for several alleles cannot be told apart
    return found if len(found) == alts else (None,) * alts


def whole_number(value: object) -> int | None:
    """*value* as an int, None where it is none: INFO fields that a header does not declare are text."""
    try:
        return int(str(value))
    except ValueError:
        return None
