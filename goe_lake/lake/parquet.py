"""Writing Parquet so that the same rows give the same bytes, however they arrive."""

from __future__ import annotations

import errno
import hashlib
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

from goe_lake.lake.footer import joined_footers
from goe_lake.lake.layout import ROW_GROUP
from goe_lake.vcf.arrow import pc
from goe_lake.vcf.kept import FIELD_BOUNDS

COMPRESSION: Final = "zstd"
#: Numbers that grow from row to row.
RISING: Final = frozenset({"pos", "end_pos", "idx", "record"})
#: Texts that begin as the one before does.
ALIKE: Final = frozenset({"variant_id"})
#: Texts of which every row group has about the same few: their bounds help nobody to skip rows.
EVERYWHERE: Final = frozenset({"ref", "alt", "type", "filter", "population", "sex", "consent"})
#: About so many bytes of rows wait to be encoded, and one row group in any case.
MOST_WAITING: Final = 32 << 20
#: Row groups of about so many bytes of rows are encoded in one piece, and at least one.
PART: Final = 2 << 20
MOST_ENCODERS: Final = 4
MAGIC: Final = b"PAR1"


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

    Threads encode row groups while the caller makes the rows of the next, and one writes them in order. The
    file is what one `ParquetWriter` would write.
    """

    def __init__(self, path: Path, schema: pa.Schema, row_group: int = ROW_GROUP) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._schema, self._row_group = path, schema, row_group
        self._options = _encodings(schema)
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._footers: list[tuple[bytes, int]] = []
        self._encoders = ThreadPoolExecutor(min(MOST_ENCODERS, len(os.sched_getaffinity(0))))
        self._appender = ThreadPoolExecutor(1)
        self._writing: deque[tuple[Future[None], int]] = deque()
        self._held = 0
        self._waiting: list[pa.Table] = []
        self._rows = self._size = self._total = 0
        self._range: tuple[int | None, int | None] = (None, None)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._appender.shutdown(cancel_futures=True)
        self._encoders.shutdown(cancel_futures=True)
        # closing writes what waits, which a full disk refuses again: the first error is the one to tell
        with suppress(OSError):
            self._file.close()

    def write(self, table: pa.Table) -> None:
        """Add the rows of *table*; its columns beyond the schema are left out. OSError names the file."""
        self._note_positions(table)
        rows = table.select(self._schema.names)
        self._waiting.append(rows if rows.schema.equals(self._schema) else rows.cast(self._schema))
        self._rows += len(table)
        self._size += rows.nbytes
        self._total += len(table)
        if self._rows >= self._row_group and self._size >= PART:
            self._flush(whole=True)

    def encode_rest(self) -> None:
        """There are no more rows: let those be encoded that wait for others."""
        self._flush(whole=False)

    def finish(self) -> Written:
        """Close the file and say what it holds."""
        self.encode_rest()
        self._wait()
        if not self._footers:
            self._append_part(_encode(None, self._schema, self._row_group, self._options))
        footer = joined_footers(self._footers)
        with _naming(self._path):
            self._append(footer + len(footer).to_bytes(4, "little") + MAGIC)
            self._file.close()
        return Written(self._total, self._bytes, self._digest.hexdigest(), *self._range)

    def _flush(self, *, whole: bool) -> None:
        """Write all full row groups, and the rest too unless *whole*."""
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        end = len(table) - len(table) % self._row_group if whole else len(table)
        step = self._row_group * max(1, PART * len(table) // max(1, self._row_group * self._size))
        for start in range(0, end, step):
            rows = table.slice(start, min(step, end - start))
            size = rows.nbytes
            self._wait(MOST_WAITING - size)
            encoded = self._encoders.submit(_encode, rows, self._schema, self._row_group, self._options)
            self._writing.append((self._appender.submit(self._append_encoded, encoded), size))
            self._held += size
        self._waiting = [table.slice(end)] if end < len(table) else []
        self._rows = len(table) - end
        self._size = sum(rows.nbytes for rows in self._waiting)

    def _append_encoded(self, encoded: Future[pa.Buffer]) -> None:
        self._append_part(encoded.result())

    def _append_part(self, part: pa.Buffer) -> None:
        """Write the row groups of *part*, a whole file, behind those before."""
        data = memoryview(part)
        end = len(data) - len(MAGIC) - 4
        begin = end - int.from_bytes(data[end : end + 4], "little")
        with _naming(self._path):
            if not self._footers:
                self._append(MAGIC)
            self._footers.append((bytes(data[begin:end]), self._bytes - len(MAGIC)))
            self._append(data[len(MAGIC) : begin])

    def _append(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self._file.write(data)
        self._bytes += len(data)

    def _wait(self, most: int = -1) -> None:
        """Return when row groups of at most so many bytes are left to write: none of them by default."""
        while self._writing and self._held > most:
            writing, size = self._writing.popleft()
            self._held -= size
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


def _encode(rows: pa.Table | None, schema: pa.Schema, row_group: int, options: dict[str, Any]) -> pa.Buffer:
    """A whole file of *rows*, or of none."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression=COMPRESSION, **options) as writer:
        if rows is not None:
            writer.write_table(rows.combine_chunks(), row_group)
    return sink.getvalue()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Make an OSError of Arrow name the file and the reason in the words of the system."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from None


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """The encodings: by differences what rises or begins alike, without one gq, dp and bitmaps."""
    dictionary: list[str] = []
    other: dict[str, str] = {}
    for field in schema:
        if field.name in RISING and pa.types.is_integer(field.type):
            other[field.name] = "DELTA_BINARY_PACKED"
        elif field.name in ALIKE:
            other[field.name] = "DELTA_BYTE_ARRAY"
        elif field.name in FIELD_BOUNDS:
            other[field.name] = "DELTA_LENGTH_BYTE_ARRAY"
        elif pa.types.is_list(field.type):
            other[f"{field.name}.list.element"] = "DELTA_BINARY_PACKED"
        elif not pa.types.is_binary(field.type):
            dictionary.append(field.name)
    # bounds take time; nobody skips rows by those of list elements and of bitmaps either
    bounded = [
        field.name
        for field in schema
        if not pa.types.is_list(field.type) and field.type != pa.binary() and field.name not in EVERYWHERE
    ]
    return {"use_dictionary": dictionary, "column_encoding": other, "write_statistics": bounded}


def write_table(path: Path, table: pa.Table, schema: pa.Schema | None = None) -> Written:
    """Write *table* as one file."""
    with TableWriter(path, schema or table.schema) as writer:
        writer.write(table)
        return writer.finish()
