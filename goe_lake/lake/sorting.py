"""Sorting the rows of a Parquet file on disk, in bounded memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

SORT_MEMORY: Final = "2GB"


def sorted_rows(spool: Path, by: Sequence[str], scratch: Path, height: int) -> Iterator[pa.Table]:
    """The rows of *spool* by the columns *by*, in tables of at most *height*; *scratch* may be written."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": SORT_MEMORY,
        "temp_directory": str(scratch),
    }
    layout = pq.read_schema(spool)
    with duckdb.connect(config=settings) as connection:
        query = f"SELECT * FROM read_parquet($spool) ORDER BY {', '.join(by)}"
        for batch in connection.sql(query, params={"spool": str(spool)}).to_arrow_reader(height):
            yield pa.Table.from_batches([batch]).cast(layout)
    shutil.rmtree(scratch, ignore_errors=True)
