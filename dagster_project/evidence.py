"""Numbers about Parquet files, taken by SQL that shares no code with what wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow.parquet as pq

_SQL: Final = Path(__file__).parent / "sql"


def disordered_sites(file: Path) -> int:
    """The rows of a file of sites that do not come after the row before them."""
    return offending("sorted_unique_keys", {"file": str(file)})


def impossible_sites(calls: Path, persons: int) -> int:
    """The sites of a file of `calls` with AC above AN, or with more than *persons* persons."""
    return offending("calls_within_persons", {"file": str(calls), "persons": persons})


def impossible_counts(strata: Path) -> int:
    """The rows of a file of `strata` with AC above AN, or with a count below 0."""
    return offending("ac_within_an", {"file": str(strata)})


def persons_without_sample(persons: Sequence[Path], samples: Sequence[Path]) -> int:
    """The genotyped persons that the samples table does not hold."""
    if not persons:
        return 0
    files = {"persons": [str(path) for path in persons], "samples": [str(path) for path in samples]}
    return offending("persons_without_sample", files)


def unknown_scores(scores: Sequence[Path], samples: Sequence[Path]) -> int:
    """The scores whose sample is not in the samples table, or that stand more than once."""
    if not scores:
        return 0
    files = {"scores": [str(path) for path in scores], "samples": [str(path) for path in samples]}
    return offending("scores_of_known_samples", files)


def rows_of(file: Path) -> int:
    """The rows of a Parquet file, as its footer states them."""
    rows: int = pq.read_metadata(file).num_rows
    return rows


def rows_from(query: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows that the query in `sql/` of that name gives, each by its columns."""
    with _connection().cursor() as cursor:
        answer = cursor.execute(_query(query), dict(parameters))
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def offending(query: str, parameters: Mapping[str, Any]) -> int:
    """How many rows the query in `sql/` of that name gives: none where a check passes."""
    with _connection().cursor() as cursor:
        (row,) = cursor.execute(f"SELECT count(*) FROM ({_query(query)})", dict(parameters)).fetchall()
    return int(row[0])


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@cache
def _query(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")
