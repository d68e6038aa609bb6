"""Two answers side by side: types, rows, integers exactly, floats to 1e-9 of what they are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

Row = tuple[Any, ...]


def kind_of_arrow(kind: pa.DataType) -> str:
    """The kind of an Arrow type; how wide an integer is does not matter."""
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return "INTEGER"
    if pa.types.is_decimal(kind):
        return "DECIMAL"
    if pa.types.is_list(kind):
        return f"{kind_of_arrow(kind.value_type)}[]"
    names = {pa.float64(): "DOUBLE", pa.string(): "VARCHAR", pa.bool_(): "BOOLEAN", pa.null(): "NULL"}
    return names.get(kind, str(kind))


def kind_of_duckdb(kind: str) -> str:
    """The kind of a DuckDB type by its name."""
    if kind.endswith("[]"):
        return f"{kind_of_duckdb(kind[:-2])}[]"
    if kind in ("TINYINT", "SMALLINT", "INTEGER", "UINTEGER", "BIGINT", "UBIGINT", "HUGEINT") or (
        kind.startswith("DECIMAL") and kind.endswith(",0)")
    ):
        return "INTEGER"
    return "DECIMAL" if kind.startswith("DECIMAL") else kind.strip('"')


def same(ours: Any, theirs: Any, scale: float) -> bool:
    """Whether two values are equal; floats to 1e-9 of *scale*."""
    if ours is None or theirs is None:
        return ours is theirs
    if isinstance(ours, float) or isinstance(theirs, float):
        ours, theirs = float(ours), float(theirs)
        if math.isnan(ours) or math.isnan(theirs):
            return math.isnan(ours) and math.isnan(theirs)
        return ours == theirs or abs(ours - theirs) <= 1e-9 * max(1.0, scale, abs(theirs))
    return type(ours) is type(theirs) and ours == theirs if isinstance(ours, str | bool) else ours == theirs


def rows_of(table: pa.Table) -> list[Row]:
    """The rows of an Arrow table, whole decimals as integers."""
    columns = [[_plain(value) for value in column.to_pylist()] for column in table.columns]
    return list(zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def in_order(rows: Iterable[Row], keys: int) -> list[Row]:
    """Rows in one order for both sides: by their keys, which differ from row to row, else by everything."""
    return sorted(rows, key=lambda row: [_rank(value) for value in (row[:keys] or row)])


def _rank(value: Any) -> tuple[int, str, float, str]:
    if value is None:
        return 0, "", 0.0, ""
    if isinstance(value, str):
        return 2, value, 0.0, ""
    if math.isnan(value):  # is neither before nor behind a number
        return 3, "", 0.0, ""
    return 1, "", float(f"{float(value):.6g}"), ""


def differences(ours: Sequence[Row], theirs: Sequence[Row], scales: Sequence[float]) -> list[str]:
    """Where two lists of rows differ, in words; empty where they do not."""
    if len(ours) != len(theirs):
        return [
            f"{len(ours)} rows and not {len(theirs)}",
            *map(repr, ours[:5]),
            "not",
            *map(repr, theirs[:5]),
        ]
    return [
        f"row {place} column {column}: {left!r} and not {right!r}"
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True))
        for column, (left, right, scale) in enumerate(zip(one, other, scales, strict=True))
        if not same(left, right, scale)
    ]
