"""Stored genotype classes as rows: one per listed site and person, hom-ref included.

A lake stores, for each site of a batch, who is het, hom-alt, hemizygous, not called, or called with
one reference allele; everyone else is hom-ref. Here that becomes dense arrays, site by person.

A class is all that dosage and called alleles say. How a call was written is no part of it: `1` and
`1/.` are one class, and so are `0` and `0/.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.lake.callable import Fill
from goe_lake.vcf.encode import CLASS_CODES
from goe_lake.vcf.kept import values_of

Dense: TypeAlias = npt.NDArray[np.int8]
Indexes: TypeAlias = npt.NDArray[np.int64]
# pyarrow's classes take parameters in its stubs only
Column: TypeAlias = "pa.ChunkedArray[Any]"

NOT_CALLED: Final = -1
# A chunk of sites times persons of this size is some tens of megabytes
CHUNK_CELLS: Final = 4_000_000
#: class -> dosage and called alleles of its persons; everyone whom the lake names in no class is `REF`
REF: Final = "ref"
CLASS_VALUES: Final[Mapping[str, tuple[int, int]]] = {
    name: (code % 3 if code // 3 else NOT_CALLED, code // 3) for name, code in {**CLASS_CODES, REF: 6}.items()
}
CLASSES: Final = tuple(CLASS_VALUES)
#: The class of those whom a batch's rule fills in, by ploidy.
FILLED: Final = ("nc", "ref1", REF)


@dataclass(frozen=True)
class BatchPersons:
    """The persons of one batch: *samples* gives the node's sample number of each, -1 for one left out.

    *fill* says, by contig, what they are at a site that the batch's files lack.
    """

    samples: Indexes
    fill: Mapping[str, Fill]


def dense_calls(stored: pa.Table, persons: int) -> tuple[Dense, Dense]:
    """Dosage (-1 where not called) and called alleles of *stored* rows of `calls`, each rows x persons."""
    rows = stored.num_rows
    dosage = np.zeros((rows, persons), dtype=np.int8)
    called = np.full((rows, persons), 2, dtype=np.int8)
    for name in CLASS_CODES:
        row, person = members(stored, name, persons)
        dosage[row, person], called[row, person] = CLASS_VALUES[name]
    return dosage, called


def members(stored: pa.Table, name: str, persons: int) -> tuple[Indexes, Indexes]:
    """The (row, person) pairs of class *name* in *stored* rows of `calls`."""
    parts = listed(stored.column(f"{name}_l")), _mapped(stored.column(f"{name}_b"), persons)
    row, person = (np.concatenate(side) for side in zip(*parts, strict=True))
    return row, person


def listed(column: Column) -> tuple[Indexes, Indexes]:
    """The (row, person) pairs that a column of person lists holds."""
    lists = cast("pa.ListArray[Any]", one_chunk(column))
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    persons = lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    return np.repeat(np.arange(len(lists), dtype=np.int64), lengths), persons


def _mapped(column: Column, persons: int) -> tuple[Indexes, Indexes]:
    """The (row, person) pairs that a column of bitmaps holds."""
    present, packed = bitmaps(column, persons)
    row, person = np.nonzero(np.unpackbits(packed, axis=1, count=persons))
    return present[row], person.astype(np.int64)


def bitmaps(column: Column, persons: int) -> tuple[Indexes, npt.NDArray[np.uint8]]:
    """The rows of a column of bitmaps that have one, and their bytes: (those rows, bytes)."""
    maps = one_chunk(column)
    present = np.flatnonzero(maps.is_valid().to_numpy(zero_copy_only=False)).astype(np.int64)
    kept = maps.drop_null()
    width = (persons + 7) // 8
    _, offsets, data = kept.buffers()
    if not len(present) or offsets is None or data is None:
        return present[:0], np.empty((0, width), dtype=np.uint8)
    # all bitmaps have one width, so that they lie one after the other
    (start,) = np.frombuffer(memoryview(offsets), np.int32, 1, kept.offset * 4)
    size = len(present) * width
    return present, np.frombuffer(memoryview(data), np.uint8, size, int(start)).reshape(-1, width)


def one_chunk(column: Column) -> pa.Array[Any]:
    """The values of a column as one array."""
    return cast("pa.Array[Any]", column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))


def dense_field(stored: pa.Table, name: str, persons: int) -> npt.NDArray[np.int32]:
    """A kept FORMAT field (`gq` or `dp`) of *stored* rows, rows x persons; -1 where missing."""
    values, there = values_of(stored.column(name), persons)
    return np.where(there, values, -1)


@dataclass(frozen=True)
class SiteBlock:
    """Sites of one contig that are expanded together.

    For each its number, its 1-based position (never falling), whether it is listed, and its stretch.
    """

    contig: str
    sites: Indexes
    positions: Indexes
    listed: npt.NDArray[np.bool_]
    par: npt.NDArray[np.bool_]


def expand(
    block: SiteBlock, stored: pa.Table, places: Indexes, batch: BatchPersons, fields: Sequence[str]
) -> pa.Table | None:
    """The genotype rows of one batch at the sites of *block*.

    *stored* holds the batch's own rows, and *places* where each of them is in the block; the other
    sites are filled by the batch's rule. At unlisted sites only persons with a dosage have a row.
    Returns columns site, s, dosage, called_alleles and *fields*; None where there is no row.
    """
    persons = len(batch.samples)
    rows = len(block.sites)
    called = batch.fill[block.contig].called_alleles(block.positions, block.par)
    dosage = np.where(called > 0, 0, NOT_CALLED).astype(np.int8)
    own_dosage, own_called = dense_calls(stored, persons)
    dosage[places], called[places] = own_dosage, own_called
    kept = np.broadcast_to(batch.samples >= 0, (rows, persons))
    kept = kept & (block.listed[:, None] | (dosage > 0))
    row, person = np.nonzero(kept)
    if not len(row):
        return None
    columns: dict[str, pa.Array[Any]] = {
        "site": pa.array(block.sites[row].astype(np.int32)),
        "s": pa.array(batch.samples[person].astype(np.int32)),
        "dosage": _nullable(dosage[row, person], pa.int8()),
        "called_alleles": pa.array(called[row, person]),
    }
    for name in fields:
        values = np.full((rows, persons), -1, dtype=np.int32)
        values[places] = dense_field(stored, name, persons)
        columns[name] = _nullable(values[row, person], pa.int32())
    return pa.table(columns)


def _nullable(values: npt.NDArray[np.int8] | npt.NDArray[np.int32], kind: pa.DataType) -> pa.Array[Any]:
    return cast("pa.Array[Any]", pa.array(values, mask=values < 0).cast(kind))


def blocks(total: int, persons: int, cells: int = CHUNK_CELLS) -> Iterator[tuple[int, int]]:
    """Ranges of sites, each of at most *cells* sites times *persons*, so small as to be expanded at once."""
    step = max(1, cells // max(1, persons))
    for start in range(0, total, step):
        yield start, min(start + step, total)
