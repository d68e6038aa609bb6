"""From the parsed lines of a unit to the columns of `encode.ROWS`, and to reference blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.vcf.arrow import (
    Bits,
    Vector,
    array,
    binary_column,
    bytes_column,
    list_column,
    nulls,
    text_column,
)
from goe_lake.vcf.blocks import Blocks
from goe_lake.vcf.chunk import MISSING
from goe_lake.vcf.encode import CLASS_CODES, MOST_LISTED, NOTES
from goe_lake.vcf.encode import ROWS as ROWS_SCHEMA
from goe_lake.vcf.fast_bcf import KnownBytes
from goe_lake.vcf.fast_rows import (
    KINDS,
    Rows,
    copy_texts,
    count_classes,
    drop_outside,
    fill_classes,
    make_rows,
    pack_values,
    sort_rows,
    value_widths,
)
from goe_lake.vcf.fast_text import (
    END,
    FILTER,
    FORMAT,
    KEPT,
    NO_ALT,
    POS,
    ROWS,
    RS_END,
    RS_START,
    SEQUENCES,
    SPANNING,
    STATE,
    Known,
    Limits,
    Lines,
    Numbers,
    Text,
)
from goe_lake.vcf.kept import FIELD_BOUNDS, FIELD_TYPE

_CODES: Final = np.array(list(CLASS_CODES.values()), np.int64)
_CLASS_OF_CODE: Final = np.full(9, -1, np.int64)
_CLASS_OF_CODE[_CODES] = np.arange(len(_CODES))
_KINDS: Final = array(KINDS)
_LAYOUT: Final = pa.schema([column for column in ROWS_SCHEMA if column.name != "source"])


@dataclass
class Unit:
    """A decoded unit: its text, what the lines are, and the columns of its rows once they are made.

    The records lie in *raw* from their START on; IDs and alleles in *text*, the same for a VCF.
    """

    first: int
    raw: Text
    text: Text
    lines: Lines
    known: Known | KnownBytes
    filters: list[str | None]
    index: npt.NDArray[np.uint32]
    table: pa.Table | None = None
    values: dict[str, int] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)


def table_of(unit: Unit, limits: Limits) -> Unit:
    """*unit* with the table of its rows, in the order of their keys."""
    facts = unit.lines.facts
    rows = _rows(unit)
    order = _order(unit, rows)
    lines = rows.line[order]
    columns = _site_columns(unit, rows, order, lines)
    columns |= _class_columns(unit, rows, order)
    made = np.flatnonzero(facts[:, STATE] == ROWS)
    formats = facts[made, FORMAT]
    for name, keep, kept, has in (
        ("gq", limits.keep_gq, unit.lines.gq, unit.known.has_gq),
        ("dp", limits.keep_dp, unit.lines.dp, unit.known.has_dp),
    ):
        given = has[formats] & keep
        unit.values[name] = unit.outside[name] = 0
        if not given.any():
            columns[name] = nulls(len(lines), FIELD_TYPE)
            continue
        low, high = FIELD_BOUNDS[name]
        unit.values[name], unit.outside[name] = drop_outside(kept[: len(made)], given, low, high, MISSING)
        columns[name] = _value_column(kept, facts[lines, KEPT] - 1, given, unit.index)
    unit.table = pa.table([columns[name] for name in _LAYOUT.names], schema=_LAYOUT)
    return unit


def _value_column(
    kept: npt.NDArray[np.int32], lines: Numbers, given: Bits, index: npt.NDArray[np.uint32]
) -> Vector:
    """See `encode.field_column`; *lines* are those of *kept*, *index* the person of each of its columns."""
    listed, persons = given[lines], np.argsort(index)
    chosen = lines[listed]
    width = np.empty(len(chosen), np.int64)
    value_widths(kept, chosen, persons, width)
    packed = np.empty(int(width.sum()) * len(index), np.uint8)
    pack_values(kept, chosen, persons, MISSING, width, packed)
    sizes = np.zeros(len(lines), np.int64)
    sizes[listed] = width * len(index)
    return bytes_column(sizes, packed, listed)


def _rows(unit: Unit) -> Rows:
    facts = unit.lines.facts
    count = int(facts[facts[:, STATE] == ROWS, SEQUENCES].sum())
    rows = Rows(
        line=np.empty(count, np.int64),
        allele=np.empty(count, np.int8),
        pos=np.empty(count, np.int32),
        ref=np.empty(count, np.int64),
        ref_size=np.empty(count, np.int32),
        alt=np.empty(count, np.int64),
        alt_size=np.empty(count, np.int32),
        kind=np.empty(count, np.int8),
    )
    made = make_rows(unit.text, facts, rows)
    assert made == count
    return rows


def _order(unit: Unit, rows: Rows) -> Numbers:
    order = np.empty(len(rows.pos), np.int64)
    if sort_rows(unit.text, rows, len(order), order):
        return order

    def key(row: int) -> tuple[int, bytes, bytes]:
        ref, alt = int(rows.ref[row]), int(rows.alt[row])
        ref_text = bytes(unit.text[ref : ref + rows.ref_size[row]]).upper()
        return int(rows.pos[row]), ref_text, bytes(unit.text[alt : alt + rows.alt_size[row]]).upper()

    return np.array(sorted(range(len(order)), key=key), np.int64)


def _site_columns(unit: Unit, rows: Rows, order: Numbers, lines: Numbers) -> dict[str, Vector]:
    facts, pos, ref_size = unit.lines.facts, rows.pos[order], rows.ref_size[order]
    rs_start, rs_size = facts[lines, RS_START], facts[lines, RS_END] - facts[lines, RS_START]
    return {
        "pos": array(pos),
        "ref": _texts(unit.text, rows.ref[order], ref_size),
        "alt": _texts(unit.text, rows.alt[order], rows.alt_size[order]),
        "end_pos": array(pos + ref_size - 1),
        "type": _KINDS.take(array(rows.kind[order])),
        "sv_len": nulls(len(order), pa.int32()),
        "rsid": _texts(unit.text, rs_start, rs_size, capital=False, present=rs_size > 0),
        "filter": array(unit.filters, pa.string()).take(array(facts[lines, FILTER])),
        "record": array(unit.first + lines),
        **{name: nulls(len(order), pa.string()) for name in NOTES},
    }


def _texts(
    text: Text,
    starts: Numbers,
    sizes: npt.NDArray[Any],
    *,
    capital: bool = True,
    present: npt.NDArray[np.bool_] | None = None,
) -> Vector:
    """A column of stretches of *text*."""
    if present is not None and not present.any():
        return nulls(len(starts), pa.string())
    sizes = sizes.astype(np.int64)
    target = np.empty(int(sizes.sum()), np.uint8)
    copy_texts(text, starts, sizes, capital, target)
    return text_column(sizes, target, present)


def _class_columns(unit: Unit, rows: Rows, order: Numbers) -> dict[str, Vector]:
    sizes = np.zeros((len(CLASS_CODES), len(order)), np.int64)
    count_classes(unit.lines, rows, order, _CODES, sizes)
    listed, mapped = (sizes > 0) & (sizes <= MOST_LISTED), sizes > MOST_LISTED
    width = (len(unit.index) + 7) // 8
    members, many = np.where(listed, sizes, 0), mapped.sum(axis=1)
    lists = np.empty((len(sizes), int(members.sum(axis=1).max(initial=0))), np.uint32)
    bitmaps = np.zeros((len(sizes), int(many.max(initial=0)) * width), np.uint8)
    ends = np.zeros((3, len(sizes)), np.int64)
    fill_classes(unit.lines, rows, order, _CLASS_OF_CODE, sizes, lists, bitmaps, unit.index, ends)
    columns: dict[str, Vector] = {}
    for number, name in enumerate(CLASS_CODES):
        few = array(lists[number, : members[number].sum()])
        columns[f"{name}_l"] = list_column(members[number], few, listed[number])
        packed = bitmaps[number, : many[number] * width]
        columns[f"{name}_b"] = binary_column(width, packed, mapped[number])
    return columns


def blocks_of(unit: Unit, order: tuple[int, ...] | None) -> Blocks:
    """The reference blocks among the lines of *unit*."""
    facts = unit.lines.facts
    lines = np.flatnonzero(facts[:, STATE] == NO_ALT)
    called = unit.lines.called[: len(lines)]
    # a copy in any case: blocks outlive the unit, whose array has room for many more of them
    called = called.copy() if order is None else called[:, np.array(order)]
    ends = np.broadcast_to(facts[lines, END, None].astype(np.int32), called.shape)
    return Blocks(facts[lines, POS].astype(np.int32), ends, called, facts[lines, SPANNING].astype(bool))
