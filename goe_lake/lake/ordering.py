"""The rows of a partition in the order of their keys, each site once.

Files are usually sorted, and then rows only pass through; a file that is not is sorted on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from goe_lake.lake.parquet import TableWriter
from goe_lake.lake.sorting import sorted_rows
from goe_lake.vcf.arrow import Indexes, array, same_as_next
from goe_lake.vcf.encode import CLASS_CODES, KEY, ROWS
from goe_lake.vcf.reader import Piece

#: What rows are sorted by: among twins the first file's first record comes first.
SORTED_BY: Final = (*KEY.names, "source", "record")
SORT_ROWS: Final = 512
_GENOTYPES: Final = tuple(column for name in CLASS_CODES for column in (f"{name}_l", f"{name}_b"))


@dataclass(frozen=True)
class Duplicate:
    """A row of a site that an earlier row has already given; *same* says whether its genotypes agree.

    *source* and *record* tell the file and the record of each by number; *pos* is 1-based.
    """

    pos: int
    ref: str
    alt: str
    same: bool
    source: int
    record: int
    first_source: int
    first_record: int


def follow_each_other(pieces: tuple[Piece, ...]) -> bool:
    """Whether reading *pieces* one after the other gives positions that never fall."""
    meet = all(left.runs[-1].max_pos < right.runs[0].first_pos for left, right in pairwise(pieces))
    return meet and all(piece.ordered for piece in pieces)


def joined(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Sorted tables of pieces that follow each other, as one sorted sequence.

    A trimmed allele at the end of a file may start after the first record of the next file; such
    tables are merged.
    """
    held: pa.Table | None = None
    for table in tables:
        if held is not None and _key(table, 0) < _key(held, len(held) - 1):
            held = pa.concat_tables([held, table]).sort_by([(name, "ascending") for name in SORTED_BY])
            continue
        if held is not None:
            yield held
        held = table
    if held is not None:
        yield held


def _key(table: pa.Table, row: int) -> tuple[object, ...]:
    return tuple(table[name][row].as_py() for name in KEY.names)


def sorted_on_disk(tables: Iterator[pa.Table], folder: Path, height: int = SORT_ROWS) -> Iterator[pa.Table]:
    """The rows of *tables* sorted, *height* at a time, in bounded memory; *folder* may be written."""
    spool, scratch = folder / "spool.parquet", folder / "sort"
    with TableWriter(spool, ROWS, height) as writer:
        for table in tables:
            writer.write(table)
        writer.finish()
    yield from sorted_rows(spool, SORTED_BY, scratch, height)
    spool.unlink()


def without_duplicates(
    tables: Iterator[pa.Table], note: Callable[[Duplicate], None], groups: Indexes
) -> Iterator[pa.Table]:
    """Sorted rows with the first of each key only; *note* hears of every other one, and may raise.

    *groups* gives the group of persons of each file: other groups may hold the same site.
    """
    held: pa.Table | None = None
    for table in tables:
        # the last row waits, because its twin may come with the next table
        rows = table if held is None else pa.concat_tables([held, table])
        kept = _first_of_each(rows, note, groups)
        held = kept.slice(len(kept) - 1)
        yield kept.slice(0, len(kept) - 1)
    if held is not None:
        yield held


def _first_of_each(rows: pa.Table, note: Callable[[Duplicate], None], groups: Indexes) -> pa.Table:
    same = same_as_next(rows, KEY.names)
    if same.any():
        group = groups[rows["source"].to_numpy()]
        same &= group[1:] == group[:-1]
    if not same.any():
        return rows
    first_of = np.maximum.accumulate(np.where(np.concatenate(([False], same)), 0, np.arange(len(rows))))
    for row in np.flatnonzero(same) + 1:
        note(_duplicate(rows, int(first_of[row]), int(row)))
    return rows.filter(array(np.concatenate(([True], ~same))))


def _duplicate(rows: pa.Table, first: int, row: int) -> Duplicate:
    names = ("pos", "ref", "alt", "source", "record")
    found = rows.select([*names, *_GENOTYPES]).take([first, row]).to_pylist()
    earlier, later = found
    return Duplicate(
        pos=later["pos"],
        ref=later["ref"],
        alt=later["alt"],
        same=all(earlier[name] == later[name] for name in _GENOTYPES),
        source=later["source"],
        record=later["record"],
        first_source=earlier["source"],
        first_record=earlier["record"],
    )
