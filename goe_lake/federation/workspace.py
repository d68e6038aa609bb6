"""The locked in-memory database in which the gateway takes every step above the releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb

from goe_lake.engine.duck import in_memory
from goe_lake.errors import QueryRefused

MEMORY: Final = "2GB"
SECONDS: Final = 20  # of one statement


@dataclass(frozen=True)
class Limits:
    """What one query may take at the gateway: memory as DuckDB writes it, and seconds a statement."""

    memory: str = MEMORY
    seconds: float = SECONDS


DEFAULT_LIMITS: Final = Limits()


@contextmanager
def workspace(limits: Limits = DEFAULT_LIMITS) -> Iterator[Callable[[], duckdb.DuckDBPyConnection]]:
    """A database in memory that reaches no file, network, setting or Python variable.

    It is opened while something else is done: what is given waits for it. One thread, so that the same
    tables give the same rows in the same order. QueryRefused (G601) where a statement takes more than
    *limits*, be it the analyst's step or the merge beneath it.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        made = pool.submit(_open, limits)
        try:
            with _within_limits():
                yield made.result
        finally:
            if made.exception() is None:
                made.result().close()


def _open(limits: Limits) -> duckdb.DuckDBPyConnection:
    connection = in_memory(memory_limit=limits.memory, threads=1)
    connection.execute("SET temp_directory = ''")
    connection.execute("SET python_enable_replacements = false")
    connection.execute(f"SET max_execution_time = {int(limits.seconds * 1000)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@contextmanager
def _within_limits() -> Iterator[None]:
    """Turn what the database stops for its time or memory into a refusal."""
    try:
        yield
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise QueryRefused(
            "G601",
            "the steps above the releases take more time or memory than the gateway gives",
            hint="filter or group further, or join on equal columns",
        ) from None


@contextmanager
def final_step() -> Iterator[None]:
    """Turn a failure of the database above the releases into a refusal that quotes none of its text."""
    try:
        with _within_limits():
            yield
    except RecursionError:
        raise QueryRefused("G104", "the query nests too deeply", hint="flatten it") from None
    except duckdb.Error as error:
        raise QueryRefused(
            "G602",
            f"the steps above the releases fail on the values that were released ({_kind(error)})",
            hint="guard casts with TRY_CAST, and let a nested query in an expression give one row",
        ) from None


def _kind(error: duckdb.Error) -> str:
    """The kind of a database error in words: 'Conversion Error' and the like; never its text."""
    kind = str(error).split(":", 1)[0]
    return kind if kind.endswith("Error") and len(kind) < 40 else type(error).__name__
