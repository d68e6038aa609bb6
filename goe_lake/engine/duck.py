"""What is said of DuckDB once: how to connect to it, and how to read one row."""

from __future__ import annotations

from typing import Any, Final

import duckdb

#: What plans by the least and largest values of columns.
_BY_VALUES: Final = "statistics_propagation"


def in_memory(**settings: str | int) -> duckdb.DuckDBPyConnection:
    """A database in memory whose plans do not depend on the least and largest values of its columns.

    DuckDB leaves out what those make impossible: the time that a query takes would tell them, and in 2.0
    `CASE WHEN bmi > 60 THEN 'a' END = 'b'` fails where nobody has more than 60.
    """
    return duckdb.connect(config={"disabled_optimizers": _BY_VALUES, **settings})


def one_row(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None
) -> tuple[Any, ...]:
    """The only row of *sql*; read to the end, since an unread result keeps its connection busy."""
    (row,) = connection.execute(sql, parameters).fetchall()
    return tuple(row)
