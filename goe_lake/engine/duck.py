"""Small things about DuckDB that are said once."""

from __future__ import annotations

from typing import Any

import duckdb


def one_row(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None
) -> tuple[Any, ...]:
    """The only row of *sql*; read to the end, since an unread result keeps its connection busy."""
    (row,) = connection.execute(sql, parameters).fetchall()
    return tuple(row)
