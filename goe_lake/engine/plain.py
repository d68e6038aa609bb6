"""Arrow tables that hold the values that a reader sees, and nothing beneath them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def clean(table: pa.Table) -> pa.Table:
    """*table* rebuilt, value by value, and without metadata.

    Arrow keeps a value beneath each NULL (what was withheld, or what the memory held before) and
    around each slice; a taken row has neither. ValueError for a type that can hide values.
    """
    for field in table.schema:
        if _hides(field.type):
            raise ValueError(f"a column of type {field.type} does not travel")
    return clean_answer(table)


def clean_answer(table: pa.Table) -> pa.Table:
    """The same for what was made of cells: its lists, structs and maps are made anew of their values."""
    columns = [_clean(table.column(place)) for place in range(table.num_columns)]
    return pa.table(columns, names=table.column_names)


def _hides(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_dictionary(kind))


def _clean(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    kind = column.type
    if _hides(kind):
        return pa.chunked_array([pa.array(column.to_pylist(), kind)], kind)
    present = column.is_valid().combine_chunks()
    places = pc.subtract(pc.cumulative_sum(present.cast(pa.int64())), 1)
    kept = column.drop_null().combine_chunks()
    return pa.chunked_array([kept.take(pc.if_else(present, places, None))], kind)
