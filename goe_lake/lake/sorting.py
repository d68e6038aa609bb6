"""Sorting the rows of a Parquet file on disk, in bounded memory."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

SORT_MEMORY: Final = "2GB"


def sorted_rows(spool: Path, by: Sequence[str], scratch: Path, height: int) -> Iterator[pa.Table]:
    """The rows of *spool* by the columns *by*, in tables of at most *height*; *scratch* may be written.

    Raises OSError where a disk fails.
    """
    # most ingests sort nothing
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 1,
        "memory_limit": SORT_MEMORY,
        "temp_directory": str(scratch),
    }
    layout = pq.read_schema(spool)
    try:
        with duckdb.connect(config=settings) as connection:
            query = f"SELECT * FROM read_parquet($spool) ORDER BY {', '.join(by)}"
            for batch in connection.sql(query, params={"spool": str(spool)}).to_arrow_reader(height):
                yield pa.Table.from_batches([batch]).cast(layout)
    except duckdb.IOException as error:
        number = errno.ENOSPC if "no space" in str(error).lower() else errno.EIO
        raise OSError(number, os.strerror(number), str(scratch)) from None
    shutil.rmtree(scratch, ignore_errors=True)
