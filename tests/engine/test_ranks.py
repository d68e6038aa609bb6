"""Rows of columns are numbered as SQL orders them, whatever their types, however wide their numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.engine.ranks import dense, distinct, first_of_each, ranks

SQL = (
    "SELECT dense_rank() OVER (ORDER BY {}) - 1 FROM (SELECT *, row_number() OVER () AS n FROM t) ORDER BY n"
)
WIDE = st.integers(-(2**63) + 1, 2**63 - 1)
COLUMNS = {
    "text": (st.text(alphabet="aAé ", max_size=2), pa.string()),
    "truth": (st.booleans(), pa.bool_()),
    "whole": (WIDE, pa.int64()),
    "real": (st.sampled_from([0.0, -0.0, 1.5, -2.5, float("inf"), float("nan")]), pa.float64()),
    "decimal": (st.integers(-3, 3).map(Decimal), pa.decimal128(38, 0)),
    "nothing": (st.none(), pa.null()),
}


@given(
    st.data(),
    st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3, unique=True),
    st.integers(0, 12),
)
def test_rows_are_numbered_as_sql_orders_them(data: st.DataObject, names: list[str], rows: int) -> None:
    """Equal rows alike, missing values last, -0 as 0, and what is not a number as one value."""
    columns: dict[str, pa.Array[Any]] = {}
    for name in names:
        values, kind = COLUMNS[name]
        columns[name] = pa.array(data.draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)
    table = pa.table(columns)
    with duckdb.connect() as connection:
        connection.register("t", table)
        order = ", ".join(f'"{name}" NULLS LAST' for name in names)
        expected = [row for (row,) in connection.execute(SQL.format(order)).fetchall()]
    assert ranks(table, rows).tolist() == expected


@given(st.integers(1, 3), st.lists(st.tuples(WIDE | st.integers(0, 3), st.integers(0, 2), WIDE), max_size=20))
def test_distinct_rows_are_in_order(width: int, rows: list[tuple[int, int, int]]) -> None:
    """As numpy sorts them."""
    columns = [np.array([row[place] for row in rows], dtype=np.int64) for place in range(width)]
    found, code = distinct(columns)
    expected = sorted({row[:width] for row in rows})
    assert [tuple(row) for row in found.tolist()] == expected
    assert [expected[place] for place in code.tolist()] == [row[:width] for row in rows]


@pytest.mark.parametrize("values", [[], [5], [2**62, -(2**62), 0], list(range(100)) * 2])
def test_dense_numbers_have_no_gap(values: list[int]) -> None:
    """Also of numbers whose range has more than 64 bits."""
    place, found = dense(np.array(values, dtype=np.int64))
    assert found == len(set(values))
    assert place.tolist() == [sorted(set(values)).index(value) for value in values]
    assert first_of_each(place).tolist() == [values.index(value) for value in sorted(set(values))]
