"""Arrow tables and columns, with the argument types that pyarrow takes.

pyarrow's stubs know fewer of them than pyarrow does: no numpy arrays in tables, no plain values in
compute functions. These few names keep that out of the rest of the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

#: An array, in one piece or in chunks.
Vector = Any
Bits = npt.NDArray[np.bool_]
Indexes = npt.NDArray[np.int64]

pc: Any = pyarrow.compute
_pa: Any = pa


def schema(fields: Iterable[pa.Field[Any]]) -> pa.Schema:
    """A schema of *fields*, in order."""
    return pa.schema(list(fields))


def array(values: Any, kind: pa.DataType | None = None, *, mask: Bits | None = None) -> Vector:
    """*values* as a column; True in *mask* makes NULL."""
    if mask is not None or not _is_plain(values):
        return _pa.array(values, kind, mask=mask)
    # `pyarrow.array` loads numpy.ma to see whether an array is one of those
    bits = values.dtype == np.bool_
    data = _pa.py_buffer(np.packbits(values, bitorder="little") if bits else values)
    made = _pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, data])
    return made if kind is None else made.cast(kind)


def _is_plain(values: Any) -> bool:
    """Whether *values* is a numpy array of numbers or truths, one after the other."""
    if type(values) is not np.ndarray or values.ndim != 1:
        return False
    return values.dtype.kind in "biuf" and values.dtype.isnative and values.flags.c_contiguous


def nulls(size: int, kind: pa.DataType) -> Vector:
    """A column of *size* NULLs."""
    return _pa.nulls(size, kind)


def list_column(sizes: Indexes, elements: Vector, present: Bits) -> Vector:
    """A column of lists: the next *sizes* of *elements* each, NULL where not *present*."""
    valid = np.packbits(present, bitorder="little")
    buffers = [_pa.py_buffer(valid), _pa.py_buffer(offsets_of(sizes))]
    return _pa.Array.from_buffers(pa.list_(elements.type), len(sizes), buffers, children=[elements])


def binary_column(width: int, data: npt.NDArray[np.uint8], present: Bits) -> Vector:
    """A column of texts of *width* bytes, one after the other in *data*, NULL where not *present*."""
    return bytes_column(present * width, data, present)


def bytes_column(sizes: Indexes, data: npt.NDArray[np.uint8], present: Bits) -> Vector:
    """A column of texts of *sizes* bytes, one after the other in *data*, NULL where not *present*."""
    buffers = [np.packbits(present, bitorder="little"), offsets_of(sizes), data]
    return _pa.Array.from_buffers(pa.binary(), len(present), [_pa.py_buffer(buffer) for buffer in buffers])


def text_column(sizes: Indexes, data: npt.NDArray[np.uint8], present: Bits | None = None) -> Vector:
    """A column of UTF-8 texts of *sizes* bytes, one after the other in *data*; NULL where not *present*."""
    valid = None if present is None else _pa.py_buffer(np.packbits(present, bitorder="little"))
    buffers = [valid, _pa.py_buffer(offsets_of(sizes)), _pa.py_buffer(data)]
    return _pa.Array.from_buffers(pa.string(), len(sizes), buffers)


def offsets_of(sizes: Indexes) -> npt.NDArray[np.int32]:
    """Where pieces of *sizes* begin and the last one ends."""
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)


def table(columns: Mapping[str, Any], layout: pa.Schema) -> pa.Table:
    """A table with the columns of *layout*, from columns, numpy arrays or lists."""
    made = {
        name: array(columns[name], layout.field(name).type)
        if isinstance(columns[name], np.ndarray)
        else columns[name]
        for name in layout.names
    }
    found: pa.Table = _pa.table(made, schema=layout)
    return found


def bits_of(column: Vector) -> Bits:
    """A column of truths without NULLs as a numpy array."""
    found: Bits = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    return found


def bytes_of(column: Vector) -> npt.NDArray[np.uint8]:
    """All bytes of a binary column in one piece and without NULLs, one value after the other."""
    ends, data = text_places(column)
    return data[ends[0] : ends[-1]]


def text_places(column: Vector) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """Where each text of a column without NULLs begins, and the last one ends, in the bytes of them all."""
    _, offsets, data = column.buffers()
    if not len(column):
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    return ends, np.frombuffer(data, np.uint8)


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """The table in the file at *path*; `pyarrow.parquet.read_table` loads all that datasets need for that."""
    with pq.ParquetFile(path) as file:
        return file.read(columns)


def in_one_piece(column: Vector) -> Vector:
    """A column without chunks."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def same_as_next(rows: pa.Table, names: Iterable[str]) -> Bits:
    """For each row but the last, whether the next has the same values of the columns *names*."""
    same = np.ones(max(0, len(rows) - 1), bool)
    for name in names:
        same &= bits_of(pc.equal(rows[name].slice(0, len(same)), rows[name].slice(1)))
        if not same.any():
            break
    return same
