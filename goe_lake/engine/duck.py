"""What is said of DuckDB once: how to connect to it, and how to read one row."""

from __future__ import annotations

from typing import Any, Final

import duckdb

#: What plans by the least and largest values of columns, and what computes an expression that stands twice
#: only once, in front of TRY.
_LEFT_OUT: Final = "statistics_propagation,common_subexpressions"


def in_memory(**settings: str | int) -> duckdb.DuckDBPyConnection:
    """A database in memory whose plans do not depend on the least and largest values of its columns.

    DuckDB leaves out what those make impossible: the time that a query takes would tell them, and in 2.0
    `CASE WHEN bmi > 60 THEN 'a' END = 'b'` fails where nobody has more than 60. Where an x is 0 so does, by
    the other optimizer, `CASE WHEN TRY(10 // x) > 3 THEN 1 WHEN TRY(10 // x) > 2 THEN 2 END`.
    """
    return duckdb.connect(config={"disabled_optimizers": _LEFT_OUT, **settings})


def one_row(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None
) -> tuple[Any, ...]:
    """The only row of *sql*; read to the end, since an unread result keeps its connection busy."""
    (row,) = connection.execute(sql, parameters).fetchall()
    return tuple(row)
