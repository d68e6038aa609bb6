"""Which listed or own site each stored row of `calls` is: worked out row group by row group, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.engine.genotypes import Indexes
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session, parquet
from goe_lake.genome import CONTIGS

#: Rows whose sites are kept in a session; each is four bytes.
MOST_ROWS: Final = 16_000_000
#: Bytes of row groups that are read whole although few of their rows are wanted, and at once.
MOST_BYTES: Final = 8_000_000
#: A row group is read whole where at least one row in so many is wanted.
DENSE: Final = 4
NO_SITE: Final = -1


@dataclass(frozen=True, eq=False)
class CallsFile:
    """One file of `calls`: for each row group the row after its last, and its positions; all rise."""

    path: Path
    metadata: pq.FileMetaData
    ends: Indexes
    low: Indexes
    high: Indexes

    @classmethod
    def open(cls, path: Path) -> CallsFile:
        """The file at *path*."""
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        known: list[Any] = [group.column(0).statistics for group in groups]
        # without statistics a row group may hold any position
        low = [0 if facts is None or not facts.has_min_max else facts.min for facts in known]
        high = [2**31 if facts is None or not facts.has_min_max else facts.max for facts in known]
        ends = np.cumsum([group.num_rows for group in groups], dtype=np.int64)
        return cls(path, metadata, ends, np.array(low, np.int64), np.array(high, np.int64))

    def start(self, group: int) -> int:
        """The first row of a row group."""
        return int(self.ends[group - 1]) if group else 0

    def groups_at(self, positions: Indexes) -> Indexes:
        """The row groups that may hold rows at *positions*, which never fall."""
        first = np.searchsorted(positions, self.low, side="left")
        return np.flatnonzero(np.searchsorted(positions, self.high, side="right") > first).astype(np.int64)

    def bytes(self, group: int, columns: Sequence[str]) -> int:
        """The bytes of *columns* in a row group, as they are in memory."""
        facts = self.metadata.row_group(group)
        chunks = (facts.column(place) for place in range(facts.num_columns))
        return sum(
            chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns
        )

    def read(self, groups: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """*columns* of whole row groups."""
        with pq.ParquetFile(self.path, metadata=self.metadata) as file:
            return file.read_row_groups(list(groups), columns=list(columns), use_threads=False)


@dataclass(frozen=True, eq=False)
class Found:
    """Rows of one file: *groups* hold them, *rows* are their numbers, *sites* the numbers of their sites."""

    file: CallsFile
    groups: Indexes
    rows: Indexes
    sites: Indexes

    def is_dense(self, columns: Sequence[str]) -> bool:
        """Whether to read whole row groups: most of what they hold is wanted, or it is little."""
        held = sum(int(self.file.ends[group]) - self.file.start(int(group)) for group in self.groups)
        if held <= DENSE * len(self.rows):
            return True
        size = 0
        for group in map(int, self.groups):
            size += self.file.bytes(group, columns)
            if size > MOST_BYTES:
                return False
        return True

    def read(self, columns: Sequence[str]) -> pa.Table:
        """*columns* of the rows, in their order."""
        parts, group_of = [], np.searchsorted(self.file.ends, self.rows, side="right")
        for groups in self._at_once(columns):
            ends = np.cumsum([int(self.file.ends[group]) - self.file.start(group) for group in groups])
            starts = np.array([self.file.start(group) for group in groups])
            chosen = (group_of >= groups[0]) & (group_of <= groups[-1])
            of = np.searchsorted(np.array(groups), group_of[chosen])
            at = self.rows[chosen] - starts[of] + np.concatenate([[0], ends[:-1]])[of]
            table = self.file.read(groups, columns)
            parts.append(table if len(at) == len(table) else table.take(pa.array(at, pa.int64())))
        return pa.concat_tables(parts)

    def _at_once(self, columns: Sequence[str]) -> list[list[int]]:
        """The row groups in stretches of about `MOST_BYTES`."""
        found, held = list[list[int]](), MOST_BYTES
        for group in map(int, self.groups):
            size = self.file.bytes(group, columns)
            if held + size > MOST_BYTES:
                found.append([])
                held = 0
            found[-1].append(group)
            held += size
        return found


@dataclass(eq=False)
class CallRows:
    """The rows of `calls` of one batch on one *contig*."""

    contig: str
    files: tuple[CallsFile, ...]
    _sites: dict[tuple[int, int], npt.NDArray[np.int32]] = field(default_factory=dict)

    @property
    def known(self) -> int:
        """Of how many rows the site is known."""
        return sum(len(sites) for sites in self._sites.values())

    def at(self, sites: Selection, session: Session) -> list[Found]:
        """The rows at *sites*, file by file."""
        groups = [file.groups_at(sites.positions) for file in self.files]
        self._learn(groups, session)
        found = []
        for place, (file, here) in enumerate(zip(self.files, groups, strict=True)):
            if not len(here):
                continue
            starts = np.array([file.start(int(group)) for group in here])
            of_rows = [self._sites[place, int(group)] for group in here]
            lengths = np.array([len(known) for known in of_rows])
            site = np.concatenate(of_rows).astype(np.int64)
            at = np.minimum(np.searchsorted(sites.numbers, site), len(sites) - 1)
            chosen = np.flatnonzero(sites.numbers[at] == site)
            group = np.searchsorted(np.cumsum(lengths), chosen, side="right")
            rows = chosen - (np.cumsum(lengths) - lengths)[group] + starts[group]
            found.append(Found(file, here[np.unique(group)], rows, site[chosen]))
        return found

    def _learn(self, groups: Sequence[Indexes], session: Session) -> None:
        """Work out the sites of the rows of *groups* of each file, where they are not known."""
        new = [
            (place, int(group))
            for place, here in enumerate(groups)
            for group in here
            if (place, int(group)) not in self._sites
        ]
        if not new:
            return
        low = min(int(self.files[place].low[group]) for place, group in new)
        high = max(int(self.files[place].high[group]) for place, group in new)
        at = f"BETWEEN {low} AND {high}"
        table = session.connection.sql(
            "SELECT c.file_index::BIGINT AS file, c.file_row_number AS row, w.site "
            f"FROM {parquet(tuple(file.path for file in self.files))} c "
            "JOIN (SELECT site, pos, ref, alt, end_pos FROM sites "
            f"WHERE rank = {CONTIGS.index(self.contig) + 1} AND pos {at}) w "
            f"USING (pos, ref, alt, end_pos) WHERE c.pos {at}"
        ).to_arrow_table()
        file, row, site = (table.column(name).to_numpy() for name in ("file", "row", "site"))
        for place, group in new:
            start, end = self.files[place].start(group), int(self.files[place].ends[group])
            own = (file == place) & (row >= start) & (row < end)
            known = np.full(end - start, NO_SITE, dtype=np.int32)
            known[row[own] - start] = site[own]
            self._sites[place, group] = known


def rows_of(session: Session, contig: str, batch: str) -> CallRows:
    """The rows of `calls` of *batch* on *contig*, kept in *session*."""
    kept = session.call_rows
    if (contig, batch) not in kept:
        files = session.snapshot.files("calls", contig, batch)
        kept[contig, batch] = CallRows(contig, tuple(map(CallsFile.open, files)))
    kept.move_to_end((contig, batch))
    while len(kept) > 1 and sum(rows.known for rows in kept.values()) > MOST_ROWS:
        kept.popitem(last=False)
    return kept[contig, batch]
