"""Callable ranges: where each person of a batch was looked at, and what sites that its files lack become.

A range says how many reference alleles a person has called on a stretch: from the blocks and records of
a gVCF, or for every person of a batch from a BED. Rows never cross the border of a tile, so that a few
row groups answer for a few sites. Positions are 1-based and both ends are included.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.lake.layout import CALLABLE
from goe_lake.lake.parquet import TableWriter, Written
from goe_lake.lake.ploidy import Ploidy
from goe_lake.lake.sorting import sorted_rows
from goe_lake.vcf.arrow import Bits, Indexes, array, bits_of, nulls, pc, schema, table
from goe_lake.vcf.blocks import Blocks, CalledAlleles
from goe_lake.vcf.encode import CLASS_CODES, listed_persons, mapped_persons

#: Bases of a tile, a power of 2: large enough that few ranges are cut, small enough to read for one site.
TILE_BITS: Final = 16
#: Rows of a row group: 1,000 persons have about so many on a tile.
RANGE_ROWS: Final = 65_536
#: So many ranges of a partition are sorted in memory, more on disk.
MOST_HELD: Final = 2_000_000
#: Rows that may turn out to be a gVCF's wait up to so many bytes.
MOST_WAITING: Final = 64 << 20
#: What `RangeSpool.add_varying` reads of rows.
SPAN_COLUMNS: Final = ("pos", "ref", *(f"{name}_{kind}" for name in CLASS_CODES for kind in "lb"))
_RANGE: Final = ("idx", "pos", "end_pos", "alleles")
_SPOOL: Final = schema(
    [*CALLABLE, pa.field("tile", pa.int32(), nullable=False), pa.field("varies", pa.bool_(), nullable=False)]
)


@dataclass(frozen=True, eq=False)
class Ranges:
    """Stretches as arrays of one length: a person's index in the batch, bases, and alleles called there."""

    idx: Indexes
    pos: Indexes
    end_pos: Indexes
    alleles: Indexes

    def __len__(self) -> int:
        return len(self.idx)

    def take(self, rows: Any) -> Ranges:
        """Some of the rows, by index or by truth."""
        return Ranges(self.idx[rows], self.pos[rows], self.end_pos[rows], self.alleles[rows])


@dataclass(frozen=True, eq=False)
class Fill:
    """What the persons of one batch are at sites of one contig that the batch's files lack.

    *ploidy* holds by stretch each person's alleles under *absent_sites* `hom_ref`, and on ranges that
    are every person's; *files* are the batch's callable ranges on the contig.
    """

    ploidy: Ploidy
    absent_sites: str
    files: tuple[Path, ...] = ()

    def called_alleles(self, positions: Indexes, par: Bits) -> CalledAlleles:
        """The called alleles, all of them reference, by site and person; 0 is not called.

        *positions* are 1-based and rise; *par* says which of them are pseudo-autosomal.
        """
        nonpar = self.ploidy["nonpar"]
        ploidy = np.where(par[:, None], self.ploidy.get("par", nonpar), nonpar).astype(np.int8)
        called = ploidy if self.absent_sites == "hom_ref" else np.zeros_like(ploidy)
        for path in self.files:
            for rows in _rows_at(path, positions):
                _raise_to(called, rows, positions, ploidy)
        return called

    def alike(self, positions: Indexes, par: Bits) -> tuple[CalledAlleles, Indexes]:
        """As `called_alleles`, with alike sites given once: (kinds, persons), and each site's kind."""
        # without ranges all sites of a stretch are alike
        kinds = par if not self.files else np.arange(len(par))
        _, first, kind = np.unique(kinds, return_index=True, return_inverse=True)
        return self.called_alleles(positions[first], par[first]), kind


def _rows_at(path: Path, positions: Indexes) -> Iterator[pa.Table]:
    """The rows of the ranges at *path*, some of which hold one of *positions*."""
    if not len(positions):
        return
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            known: Any = file.metadata.row_group(group).column(CALLABLE.get_field_index("pos")).statistics
            # the last range of the group ends in its tile at the latest
            low = np.searchsorted(positions, known.min, side="left")
            high = np.searchsorted(positions, known.max | ((1 << TILE_BITS) - 1), side="right")
            if high > low:
                yield file.read_row_group(group)


def _raise_to(called: CalledAlleles, rows: pa.Table, positions: Indexes, ploidy: CalledAlleles) -> None:
    """Let *called* be at least what *rows* say."""
    first = np.searchsorted(positions, rows["pos"].to_numpy(), side="left")
    after = np.searchsorted(positions, rows["end_pos"].to_numpy(), side="right")
    holding = np.flatnonzero(after > first)
    sites, place = _spread(first[holding], after[holding] - first[holding])
    if not len(sites):
        return
    kept = rows.take(array(holding))
    if kept["idx"].null_count:
        # a range of every person: no row names persons in such a file
        called[sites] = np.maximum(called[sites], ploidy[sites])
        return
    idx = kept["idx"].to_numpy()[place]
    alleles = kept["alleles"].to_numpy()[place]
    # ranges with two and with one called allele may overlap; the larger number stands
    for number in (1, 2):
        which = alleles == number
        cells = sites[which], idx[which]
        called[cells] = np.maximum(called[cells], number)


def _spread(first: Indexes, counts: Indexes) -> tuple[Indexes, Indexes]:
    """For stretches of *counts* numbers from *first* on: every number, and which stretch it is of."""
    which = np.repeat(np.arange(len(counts)), counts)
    ends = np.cumsum(counts)
    return first[which] + np.arange(len(which)) - (ends - counts)[which], which


def united(ranges: Ranges, *, by_tile: bool = False) -> Ranges:
    """The same stretches with those of one person and number that touch or overlap made one, sorted.

    With *by_tile* they come tile by tile, and those of two tiles stay two; none crosses a border then.
    """
    if not len(ranges):
        return ranges
    group = ranges.idx * 4 + ranges.alleles
    # one number to sort by is quicker than three
    if by_tile:
        key = (ranges.pos >> TILE_BITS << 50) | (group << TILE_BITS) | (ranges.pos & ((1 << TILE_BITS) - 1))
    else:
        key = (group << 32) | ranges.pos
    sorted_ranges = ranges
    if np.any(key[1:] < key[:-1]):
        order = np.argsort(key, kind="stable")
        sorted_ranges, key = ranges.take(order), key[order]
    kind = key >> (TILE_BITS if by_tile else 32)
    # a stretch of the next group, or tile, lies beyond all of this one
    shift = np.cumsum(np.diff(kind, prepend=kind[:1]) != 0) << 32
    reach = np.maximum.accumulate(sorted_ranges.end_pos + shift)
    fresh = np.ones(len(key), bool)
    fresh[1:] = sorted_ranges.pos[1:] + shift[1:] > reach[:-1] + 1
    starts = np.flatnonzero(fresh)
    found = sorted_ranges.take(starts)
    ends = (np.append(starts[1:], len(key)) - 1).astype(np.int64)
    return Ranges(found.idx, found.pos, reach[ends] - shift[ends], found.alleles)


def tiled(ranges: Ranges) -> Ranges:
    """The same stretches cut at the borders of tiles."""
    first, last = ranges.pos >> TILE_BITS, ranges.end_pos >> TILE_BITS
    tile, which = _spread(first, last - first + 1)
    cut = ranges.take(which)
    return Ranges(
        cut.idx,
        np.maximum(cut.pos, tile << TILE_BITS),
        np.minimum(cut.end_pos, ((tile + 1) << TILE_BITS) - 1),
        cut.alleles,
    )


def ranges_of(blocks: Blocks, first_person: int) -> Ranges:
    """The stretches of *blocks* on which somebody is called; the piece's first person is *first_person*."""
    row, person = np.nonzero(blocks.called)
    return Ranges(
        person.astype(np.int64) + first_person,
        blocks.pos[row].astype(np.int64),
        blocks.end_pos[row, person].astype(np.int64),
        blocks.called[row, person].astype(np.int64),
    )


def _spans_of(rows: pa.Table, persons: int) -> Blocks:
    """The reference bases that each row's allele covers, with the alleles that persons have called there."""
    called = np.full((len(rows), persons), 2, np.int8)
    for name, code in CLASS_CODES.items():
        called[listed_persons(rows[f"{name}_l"])] = code // 3
        mapped, bits = mapped_persons(rows[f"{name}_b"], persons)
        called[mapped] = np.where(bits, code // 3, called[mapped])
    pos = rows["pos"].to_numpy()
    # a symbolic allele says nothing of the bases between its ends
    widths = pc.utf8_length(rows["ref"]).to_numpy()
    ends = np.repeat((pos + widths - 1).astype(np.int32)[:, None], persons, axis=1)
    return Blocks(pos, ends, called, np.zeros(len(rows), bool))


class RangeSpool:
    """Collects the ranges of a partition in any order, and writes them sorted, in bounded memory.

    *followed* marks the persons whose files have gVCF blocks: they are called on their ranges only, and
    there where their own records say that they vary.
    """

    def __init__(self, folder: Path, persons: int) -> None:
        self._folder = folder
        self._held: list[tuple[Ranges, Bits]] = []
        self._count = 0
        self._writer: TableWriter | None = None
        self.followed = np.zeros(persons, bool)

    def add(self, blocks: Blocks, first_person: int) -> None:
        """Add reference records."""
        if blocks.spanning.any():
            self.followed[first_person : first_person + blocks.called.shape[1]] = True
        self._write(blocks, first_person, varies=False)

    def add_varying(self, rows: pa.Table, first_person: int, persons: int) -> None:
        """Add where *rows* of ROWS call somebody; it counts for followed persons only."""
        self._write(_spans_of(rows, persons), first_person, varies=True)

    def _write(self, blocks: Blocks, first_person: int, *, varies: bool) -> None:
        ranges = tiled(united(ranges_of(blocks, first_person)))
        if len(ranges):
            self._held.append((ranges, np.full(len(ranges), varies)))
            self._count += len(ranges)
            if self._count > MOST_HELD:
                self._spill()

    def _spill(self) -> None:
        """Write what is held to disk."""
        if self._writer is None:
            self._writer = TableWriter(self._spool, _SPOOL, RANGE_ROWS)
        for ranges, varies in self._held:
            rows = _columns(ranges) | {"tile": (ranges.pos >> TILE_BITS).astype(np.int32), "varies": varies}
            self._writer.write(table(rows, _SPOOL))
        self._held.clear()

    @property
    def _spool(self) -> Path:
        return self._folder / "ranges.parquet"

    def finish(self, path: Path, absent_sites: str) -> Written | None:
        """Write the ranges to *path*; None where there are none.

        Under `hom_ref` only those of followed persons count, because all others are called everywhere.
        """
        if not self._count:
            return None
        with TableWriter(path, CALLABLE, RANGE_ROWS) as writer:
            for ranges, varies in self._whole_tiles():
                counts = self.followed[ranges.idx]
                if absent_sites != "hom_ref":
                    counts |= ~varies
                if counts.any():
                    writer.write(table(_columns(united(ranges.take(counts), by_tile=True)), CALLABLE))
            written = writer.finish()
        self._spool.unlink(missing_ok=True)
        if written.rows:
            return written
        path.unlink()
        return None

    def _whole_tiles(self) -> Iterator[tuple[Ranges, Bits]]:
        """All ranges, some tiles at a time, in any order within those."""
        if self._writer is None:
            parts = [ranges for ranges, _ in self._held]
            yield (
                Ranges(*(np.concatenate([getattr(part, name) for part in parts]) for name in _RANGE)),
                np.concatenate([varies for _, varies in self._held]),
            )
            return
        self._spill()
        self._writer.finish()
        for rows in _whole_tiles(self._spool, self._folder / "sort-ranges"):
            yield _ranges(rows), bits_of(rows["varies"])


class Varying:
    """Passes the rows of followed persons on to *ranges*, as soon as a first block shows that they are.

    Rows before it wait, as many as MOST_WAITING bytes hold; `missed` tells whose did not, and reading all
    files again with these as *late* passes them on. Joint-called files, which speak of blocks in their
    headers and have none, cost nothing.
    """

    def __init__(self, ranges: RangeSpool, late: Collection[int] = ()) -> None:
        self.ranges = ranges
        self._late = late
        self._waiting: dict[int, list[tuple[pa.Table, int]]] = {}
        self._bytes = 0
        self._dropped: set[int] = set()

    def add(self, rows: pa.Table, first_person: int, persons: int) -> None:
        """Take *rows* of ROWS of the *persons* persons from index *first_person* on."""
        if first_person in self._late or self.ranges.followed[first_person]:
            for waited, number in self._waiting.pop(first_person, ()):
                self._bytes -= waited.nbytes
                self.ranges.add_varying(waited, first_person, number)
            self.ranges.add_varying(rows, first_person, persons)
        elif first_person not in self._dropped:
            kept = rows.select(SPAN_COLUMNS)
            if self._bytes + kept.nbytes > MOST_WAITING:
                self._dropped.add(first_person)
                self._bytes -= sum(waited.nbytes for waited, _ in self._waiting.pop(first_person, ()))
            else:
                self._waiting.setdefault(first_person, []).append((kept, persons))
                self._bytes += kept.nbytes

    def finish(self) -> None:
        """Pass on what still waits, once every file has been read."""
        for first_person, waiting in self._waiting.items():
            if self.ranges.followed[first_person]:
                for rows, persons in waiting:
                    self.ranges.add_varying(rows, first_person, persons)
        self._waiting.clear()

    def missed(self) -> frozenset[int]:
        """The first persons of those whose rows could not wait, and have blocks."""
        return frozenset(person for person in self._dropped if self.ranges.followed[person])


def _whole_tiles(spool: Path, scratch: Path) -> Iterator[pa.Table]:
    """The spooled rows tile by tile."""
    held: pa.Table | None = None
    for rows in sorted_rows(spool, ("tile", "idx", "pos", "end_pos", "alleles"), scratch, RANGE_ROWS):
        held = rows if held is None else pa.concat_tables([held, rows])
        tiles = held["tile"].to_numpy()
        starts = np.flatnonzero(np.diff(tiles)) + 1
        for start, end in zip((0, *starts[:-1]), starts, strict=False):
            yield held.slice(start, end - start)
        held = held.slice(starts[-1]) if len(starts) else held
    if held is not None and len(held):
        yield held


def _ranges(rows: pa.Table) -> Ranges:
    return Ranges(*(rows[name].to_numpy().astype(np.int64) for name in _RANGE))


def _columns(ranges: Ranges) -> dict[str, Any]:
    return {
        "idx": array(ranges.idx.astype(np.int32)),
        "pos": array(ranges.pos.astype(np.int32)),
        "end_pos": array(ranges.end_pos.astype(np.int32)),
        "alleles": array(ranges.alleles.astype(np.int8)),
    }


def regions_table(regions: Sequence[tuple[int, int]]) -> pa.Table:
    """Callable ranges of every person of a batch; *regions* are first and last bases that do not overlap."""
    bounds: npt.NDArray[np.int64] = np.array(regions, np.int64).reshape(-1, 2)
    nobody = np.zeros(len(bounds), np.int64)
    cut = tiled(Ranges(nobody, bounds[:, 0], bounds[:, 1], nobody))
    columns = _columns(cut) | {
        "idx": nulls(len(cut), pa.int32()),
        "alleles": nulls(len(cut), pa.int8()),
    }
    return table(columns, CALLABLE)
