"""The batches of one contig side by side: windows of sites that hold every row of a stretch of positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.lake.layout import KEY_COLUMNS
from goe_lake.vcf.arrow import Indexes, array, pc, same_as_next, schema
from goe_lake.vcf.encode import CALLS, KEY, SITE_COLUMNS

_CALL_COLUMNS: Final = [name for name in CALLS.names if name not in ("gq", "dp")]
Item = TypeVar("Item")
_COLUMNS: Final = schema((*(CALLS.field(name) for name in _CALL_COLUMNS), *SITE_COLUMNS))


@dataclass(frozen=True, eq=False)
class Window:
    """Sites of one contig, sorted by key, and each batch's rows of them.

    *rows* holds for each batch its calls and what its files say about the site; *places* the site of
    each of those rows, as its index in *keys*.
    """

    keys: pa.Table
    rows: tuple[pa.Table, ...]
    places: tuple[Indexes, ...]


def windows(parts: Sequence[tuple[Path, Path] | None], height: int) -> Iterator[Window]:
    """The sites of one contig, from each batch's files of calls and sites, None where it has none.

    A window is made from about *height* rows of each batch.
    """
    streams = [_Stream(part, height) for part in parts]
    while any(stream.waiting is not None for stream in streams):
        # rows at the last position of a buffer may go on in the next
        limit = min((stream.last_pos - 1 for stream in streams if stream.more), default=2**31)
        rows = tuple(stream.take_until(limit) for stream in streams)
        if any(len(table) for table in rows):
            yield _window(rows)
        for stream in streams:
            if stream.more and stream.last_pos - 1 <= limit:
                stream.fill()


class _Stream:
    """The rows of one batch on one contig, in order; *waiting* are those read and not yet taken."""

    def __init__(self, part: tuple[Path, Path] | None, height: int) -> None:
        self._tables = one_ahead(_rows_of(*part, height)) if part is not None else iter(())
        self.waiting: pa.Table | None = None
        self._next = next(self._tables, None)
        self.fill()

    @property
    def more(self) -> bool:
        """Whether rows are left that `waiting` does not hold."""
        return self._next is not None

    @property
    def last_pos(self) -> int:
        """The last position in `waiting`."""
        assert self.waiting is not None
        last: int = self.waiting["pos"][-1].as_py()
        return last

    def fill(self) -> None:
        """Put the next rows behind those that wait."""
        if self._next is not None:
            self.waiting = (
                self._next if self.waiting is None else pa.concat_tables([self.waiting, self._next])
            )
            self._next = next(self._tables, None)

    def take_until(self, pos: int) -> pa.Table:
        """Remove and return the waiting rows up to 1-based *pos*."""
        if self.waiting is None:
            return _COLUMNS.empty_table()
        count = int(np.searchsorted(self.waiting["pos"].to_numpy(), pos, side="right"))
        taken = self.waiting.slice(0, count)
        self.waiting = self.waiting.slice(count) if count < len(self.waiting) else None
        return taken


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """*items*, the next of which a thread makes while the last one is used; none is None."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item


def _rows_of(calls: Path, sites: Path, height: int) -> Iterator[pa.Table]:
    """Calls and site columns side by side: the two files of a partition have the same rows."""
    for left, right in zip(
        _exact(calls, _CALL_COLUMNS, height), _exact(sites, SITE_COLUMNS.names, height), strict=True
    ):
        yield pa.table([*left.columns, *right.columns], names=[*left.column_names, *right.column_names])


def _exact(path: Path, columns: list[str], height: int) -> Iterator[pa.Table]:
    """The rows of a file in tables of *height* rows, the last one shorter."""
    waiting: pa.Table | None = None
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=columns)
            waiting = table if waiting is None else pa.concat_tables([waiting, table])
            while len(waiting) >= height:
                yield waiting.slice(0, height)
                waiting = waiting.slice(height)
    if waiting is not None and len(waiting):
        yield waiting


def _window(rows: tuple[pa.Table, ...]) -> Window:
    filled = [table for table in rows if len(table)]
    if len(filled) == 1:
        places = tuple(np.arange(len(table)) for table in rows)
        return Window(filled[0].select(KEY_COLUMNS), rows, places)
    stacked = pa.concat_tables([table.select(KEY_COLUMNS) for table in rows])
    order = pc.sort_indices(stacked, [(name, "ascending") for name in KEY_COLUMNS]).to_numpy()
    ordered = stacked.take(array(order))
    fresh = np.concatenate(([True], ~same_as_next(ordered, KEY_COLUMNS)))
    site = np.empty(len(order), np.int64)
    site[order] = np.cumsum(fresh) - 1
    cuts = np.cumsum([len(table) for table in rows])[:-1]
    return Window(ordered.filter(array(fresh)).cast(KEY), rows, tuple(np.split(site, cuts)))
