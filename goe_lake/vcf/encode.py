"""Genotypes of a chunk as columns made for scanning: per class a short list of persons, or a bitmap.

A class is a set of persons at one site. Up to MOST_LISTED persons are a list of their indexes, more
are a bitmap (bit i, counted from the highest bit of the first byte, is person i), nobody is NULL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.vcf.alleles import Row
from goe_lake.vcf.arrow import (
    Bits,
    Indexes,
    Vector,
    array,
    binary_column,
    bits_of,
    bytes_of,
    in_one_piece,
    list_column,
    nulls,
    pc,
    schema,
    table,
)
from goe_lake.vcf.chunk import MISSING, Alleles, Chunk, EncodedChunk, Values
from goe_lake.vcf.kept import FIELD_BOUNDS, FIELD_TYPE, stored_values

MOST_LISTED: Final = 32
#: class -> code, which is 3 x called alleles + copies of the row's allele; hom-ref with two called is 6.
CLASS_CODES: Final[Mapping[str, int]] = {"het": 7, "hom": 8, "hemi": 4, "nc": 0, "ref1": 3}

KEY: Final = schema(
    (
        pa.field("pos", pa.int32(), nullable=False),
        pa.field("ref", pa.string(), nullable=False),
        pa.field("alt", pa.string(), nullable=False),
        pa.field("end_pos", pa.int32(), nullable=False),
    )
)
#: The columns of `calls`: the key of the site, a list and a bitmap a class, and the kept FORMAT fields.
CALLS: Final = schema(
    (
        *KEY,
        *(
            column
            for name in CLASS_CODES
            for column in (pa.field(f"{name}_l", pa.list_(pa.uint32())), pa.field(f"{name}_b", pa.binary()))
        ),
        *(pa.field(name, FIELD_TYPE) for name in FIELD_BOUNDS),
    )
)
#: What was read from INFO, where it was asked for: all NULL until somebody fills them.
NOTES: Final = ("gene", "consequence", "info")
#: What a batch's files say about a site.
SITES: Final = schema(
    (
        *KEY,
        pa.field("type", pa.string(), nullable=False),
        pa.field("sv_len", pa.int32()),
        pa.field("rsid", pa.string()),
        pa.field("filter", pa.string()),
        *(pa.field(name, pa.string()) for name in NOTES),
    )
)
#: The same without the keys, beside CALLS row by row.
SITE_COLUMNS: Final = schema(column for column in SITES if column.name not in KEY.names)
#: Both, and the number of the file and of the record that a row comes from.
ROWS: Final = schema(
    (
        *CALLS,
        *SITE_COLUMNS,
        pa.field("source", pa.int32(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
    )
)


@dataclass(frozen=True)
class Encoded:
    """The rows of a chunk, sorted by key; of gq and dp how many values there were, and out of bounds."""

    table: pa.Table
    values: Mapping[str, int]
    outside: Mapping[str, int]


def encode(chunk: Chunk | EncodedChunk, source: int) -> Encoded:
    """The rows of *chunk* in the columns of ROWS; *source* is the number of the file they come from."""
    if isinstance(chunk, EncodedChunk):
        made = {name: chunk.table[name] for name in chunk.table.column_names}
        made["source"] = array(np.full(len(chunk.table), source, np.int32))
        return Encoded(table(made, ROWS), chunk.values, chunk.outside)
    rows = sorted(chunk.rows, key=lambda item: (*item[1].key, item[0]))
    records = np.fromiter((record for record, _ in rows), np.int64, len(rows))
    columns = _site_columns(chunk, rows, source)
    alleles = np.fromiter((row.allele for _, row in rows), np.int16, len(rows))
    codes = genotype_codes(_genotypes(chunk.alleles, records), alleles)
    for name, code in CLASS_CODES.items():
        columns[f"{name}_l"], columns[f"{name}_b"] = encode_class(codes == code)
    values, outside = dict[str, int](), dict[str, int]()
    for name, kept, has in (("gq", chunk.gq, chunk.has_gq), ("dp", chunk.dp, chunk.has_dp)):
        given = np.array(has, bool)
        values[name], outside[name] = _drop_outside(name, kept, given)
        columns[name] = field_column(kept, records, given)
    return Encoded(table(columns, ROWS), values, outside)


def _site_columns(chunk: Chunk, rows: list[tuple[int, Row]], source: int) -> dict[str, Vector]:
    records = [chunk.records[place] for place, _ in rows]
    made = {
        "pos": [row.pos for _, row in rows],
        "ref": [row.ref for _, row in rows],
        "alt": [row.alt for _, row in rows],
        "end_pos": [row.end_pos for _, row in rows],
        "type": [row.type for _, row in rows],
        "sv_len": [row.sv_len for _, row in rows],
        "rsid": [record.rsid for record in records],
        "filter": [record.filter for record in records],
        "source": [source] * len(rows),
        "record": [record.number for record in records],
    }
    columns = {name: array(values, ROWS.field(name).type) for name, values in made.items()}
    return columns | {name: nulls(len(rows), pa.string()) for name in NOTES}


def _genotypes(alleles: Alleles, records: Indexes) -> Alleles:
    """The genotypes of each row; a view where each record made one row, in order."""
    if len(records) and np.array_equal(records, np.arange(len(records))):
        return alleles[: len(records)]
    return alleles[records]


def genotype_codes(genotypes: Alleles, alleles: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """A code a genotype: 3 x called alleles + copies of the row's allele.

    *genotypes* are allele numbers by row, person and copy; *alleles* is each row's own allele.
    """
    first, second = genotypes[:, :, 0], genotypes[:, :, 1]
    wanted = alleles[:, None]
    codes = (first >= 0).view(np.uint8) + (second >= 0).view(np.uint8)
    codes *= 3
    codes += (first == wanted).view(np.uint8)
    codes += (second == wanted).view(np.uint8)
    return codes


def encode_class(members: Bits) -> tuple[Vector, Vector]:
    """The list and the bitmap column of one class; *members* is (rows, persons)."""
    counts = np.count_nonzero(members, axis=1)
    listed = (counts > 0) & (counts <= MOST_LISTED)
    mapped = counts > MOST_LISTED
    lists, bitmaps = nulls(len(members), pa.list_(pa.uint32())), nulls(len(members), pa.binary())
    if listed.any():
        _, persons = np.nonzero(members[listed])
        lists = list_column(np.where(listed, counts, 0), array(persons.astype(np.uint32)), listed)
    if mapped.any():
        packed = np.packbits(members[mapped], axis=1)
        bitmaps = binary_column(packed.shape[1], packed, mapped)
    return lists, bitmaps


def _drop_outside(name: str, kept: Values | None, given: Bits) -> tuple[int, int]:
    """Make values out of bounds MISSING, in place; the number of values, and of those."""
    if kept is None or not given.any():
        return 0, 0
    low, high = FIELD_BOUNDS[name]
    values = kept[: len(given)]
    values[~given] = MISSING
    present = values != MISSING
    outside = present & ((values < low) | (values > high))
    values[outside] = MISSING
    return int(np.count_nonzero(present)), int(np.count_nonzero(outside))


def field_column(kept: Values | None, records: Indexes, given: Bits) -> Vector:
    """A gq or dp column: one value a person, NULL where the record lacks the field."""
    if kept is None or not given.any():
        return nulls(len(records), FIELD_TYPE)
    listed = given[records]
    return stored_values(kept[records[listed]], listed)


def listed_persons(column: Vector) -> tuple[Indexes, Indexes]:
    """The members in a list column: pairs of a row and a person index, by row."""
    lists = in_one_piece(column)
    if lists.null_count == len(lists):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    persons = lists.flatten().to_numpy().astype(np.int64)
    return np.repeat(np.arange(len(lists)), listed_sizes(lists)), persons


def listed_sizes(column: Vector) -> Indexes:
    """How many members each row of a list column has."""
    sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    found: Indexes = sizes.astype(np.int64)
    return found


def mapped_persons(column: Vector, persons: int) -> tuple[Indexes, Bits]:
    """The members in a bitmap column: the rows that have a bitmap, and (those rows, persons) bits."""
    rows, packed = mapped_bytes(column, persons)
    return rows, np.unpackbits(packed, axis=1, count=persons).view(bool)


def mapped_bytes(column: Vector, persons: int) -> tuple[Indexes, npt.NDArray[np.uint8]]:
    """The rows of a bitmap column that have a bitmap, and those bitmaps: (rows, bytes)."""
    bitmaps = in_one_piece(column)
    if bitmaps.null_count == len(bitmaps):
        return np.zeros(0, np.int64), np.zeros((0, (persons + 7) // 8), np.uint8)
    rows = np.flatnonzero(bits_of(bitmaps.is_valid()))
    return rows, bytes_of(bitmaps.drop_null()).reshape(len(rows), (persons + 7) // 8)
