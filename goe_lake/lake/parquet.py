"""Writing Parquet so that the same rows give the same bytes, however they arrive."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.lake.layout import ROW_GROUP, digest_of
from goe_lake.vcf.arrow import pc

COMPRESSION: Final = "zstd"
#: Numbers that grow from row to row.
RISING: Final = frozenset({"pos", "end_pos", "idx", "record"})
#: Texts that begin as the one before does.
ALIKE: Final = frozenset({"variant_id"})
#: About so many bytes of rows wait to be encoded, and one row group in any case.
MOST_WAITING: Final = 32 << 20
_open: Any = pq.ParquetWriter


@dataclass(frozen=True)
class Written:
    """A finished file: *min_pos* and *max_pos* are 1-based, None where it has no positions or rows."""

    rows: int
    bytes: int
    sha256: str
    min_pos: int | None = None
    max_pos: int | None = None


class TableWriter:
    """Writes rows of one schema in row groups of an exact size, whatever the size of the pieces.

    A thread encodes row groups while the caller makes the rows of the next.
    """

    def __init__(self, path: Path, schema: pa.Schema, row_group: int = ROW_GROUP) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._schema, self._row_group = path, schema, row_group
        self._writer = _open(path, schema, compression=COMPRESSION, **_encodings(schema))
        self._thread = ThreadPoolExecutor(1)
        self._writing: deque[tuple[Future[None], int]] = deque()
        self._bytes = 0
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._total = 0
        self._range: tuple[int | None, int | None] = (None, None)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)
        if kind is None:
            self._writer.close()
            return
        # closing writes the footer, which a full disk refuses again: the first error is the one to tell
        with suppress(OSError):
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Add the rows of *table*; its columns beyond the schema are left out. OSError names the file."""
        self._note_positions(table)
        rows = table.select(self._schema.names)
        self._waiting.append(rows if rows.schema.equals(self._schema) else rows.cast(self._schema))
        self._rows += len(table)
        self._total += len(table)
        if self._rows >= self._row_group:
            self._flush(whole=True)

    def finish(self) -> Written:
        """Close the file and say what it holds."""
        self._flush(whole=False)
        self._wait()
        with _naming(self._path):
            self._writer.close()
        return Written(self._total, self._path.stat().st_size, digest_of(self._path), *self._range)

    def _flush(self, *, whole: bool) -> None:
        """Write all full row groups, and the rest too unless *whole*."""
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        end = len(table) - len(table) % self._row_group if whole else len(table)
        for start in range(0, end, self._row_group):
            rows = table.slice(start, min(self._row_group, end - start))
            size = rows.nbytes
            self._wait(MOST_WAITING - size)
            self._writing.append((self._thread.submit(self._put, rows), size))
            self._bytes += size
        self._waiting = [table.slice(end)] if end < len(table) else []
        self._rows = len(table) - end

    def _put(self, rows: pa.Table) -> None:
        """Write *rows* as one row group."""
        with _naming(self._path):
            self._writer.write_table(rows.combine_chunks())

    def _wait(self, most: int = -1) -> None:
        """Return when row groups of at most so many bytes are left to write: none of them by default."""
        while self._writing and self._bytes > most:
            writing, size = self._writing.popleft()
            self._bytes -= size
            writing.result()

    def _note_positions(self, table: pa.Table) -> None:
        if "pos" not in self._schema.names or not len(table):
            return
        found: Any = pc.min_max(table["pos"]).as_py()
        low, high = self._range
        self._range = (
            found["min"] if low is None else min(low, found["min"]),
            found["max"] if high is None else max(high, found["max"]),
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Make an OSError of Arrow name the file and the reason in the words of the system."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from None


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """The encodings: what rises or begins alike by differences, gq and dp by byte, others by dictionary."""
    dictionary: list[str] = []
    other: dict[str, str] = {}
    for field in schema:
        leaf = f"{field.name}.list.element"
        if field.name in RISING and pa.types.is_integer(field.type):
            other[field.name] = "DELTA_BINARY_PACKED"
        elif field.name in ALIKE:
            other[field.name] = "DELTA_BYTE_ARRAY"
        elif field.type.equals(pa.list_(pa.uint32())):
            other[leaf] = "DELTA_BINARY_PACKED"
        elif pa.types.is_list(field.type):
            other[leaf] = "BYTE_STREAM_SPLIT"
        elif not pa.types.is_binary(field.type):
            dictionary.append(field.name)
    # bounds of list elements and of bitmaps help nobody to skip rows, and take time
    bounded = [
        field.name for field in schema if not pa.types.is_list(field.type) and field.type != pa.binary()
    ]
    return {"use_dictionary": dictionary, "column_encoding": other, "write_statistics": bounded}


def write_table(path: Path, table: pa.Table, schema: pa.Schema | None = None) -> Written:
    """Write *table* as one file."""
    with TableWriter(path, schema or table.schema) as writer:
        writer.write(table)
        return writer.finish()
