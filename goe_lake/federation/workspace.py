"""The locked in-memory databases in which the gateway takes every step above the releases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb

from goe_lake.engine.duck import in_memory, one_row
from goe_lake.errors import QueryRefused

MEMORY: Final = "2GB"
SECONDS: Final = 20  # of one statement
MOST_IDLE: Final = 2  # databases that are kept between questions
MOST_QUESTIONS: Final = 100  # of one database
SMALL: Final = 32 * 2**20  # bytes in tables after a question


@dataclass(frozen=True)
class Limits:
    """What one query may take at the gateway: memory as DuckDB writes it, and seconds a statement."""

    memory: str = MEMORY
    seconds: float = SECONDS


DEFAULT_LIMITS: Final = Limits()


@dataclass
class _Database:
    """A database, and how many questions it has answered."""

    root: duckdb.DuckDBPyConnection
    questions: int = 0


class Workspaces:
    """Databases in memory, each for one question at a time, that reach no file, network or Python variable.

    A database that a question is done with is kept for a later one: making one takes 12 ms. Each question
    has a connection of its own to it, and all that it makes is temporary: it goes with the connection. A
    database is closed where a question failed in it, after some questions, and after one that was large,
    since what it had of the machine's memory it keeps.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._idle: list[_Database] = []
        self._lock = threading.Lock()

    @property
    def idle(self) -> int:
        """How many databases are kept for later questions."""
        return len(self._idle)

    @contextmanager
    def one(self) -> Iterator[Callable[[], duckdb.DuckDBPyConnection]]:
        """What opens a connection for one question, which is closed in the end.

        Where no database is kept one is made while something else is done: what is given waits for it.
        One thread, so that the same tables give the same rows in the same order. QueryRefused (G601) where
        a statement takes more than the limits, be it the analyst's step or the merge beneath it.
        """
        questions: list[duckdb.DuckDBPyConnection] = []
        with ThreadPoolExecutor(max_workers=1) as pool:
            made = self._kept() or pool.submit(_open, self._limits)

            def opened() -> duckdb.DuckDBPyConnection:
                questions.append(made.result().root.cursor())
                return questions[-1]

            keep = False
            try:
                with _within_limits():
                    yield opened
                    keep = all(map(_is_small, questions))
            finally:
                for question in questions:
                    question.close()
                if made.exception() is None:
                    self._let_go(made.result(), keep=keep or not questions)

    def _kept(self) -> Future[_Database] | None:
        """A database that is kept, if any."""
        with self._lock:
            if not self._idle:
                return None
            kept: Future[_Database] = Future()
            kept.set_result(self._idle.pop())
            return kept

    def _let_go(self, database: _Database, *, keep: bool) -> None:
        database.questions += 1
        with self._lock:
            keep = keep and len(self._idle) < MOST_IDLE and database.questions < MOST_QUESTIONS
            if keep:
                self._idle.append(database)
        if not keep:
            database.root.close()


def _is_small(question: duckdb.DuckDBPyConnection) -> bool:
    """Whether the tables of *question* take little memory."""
    (taken,) = one_row(question, "SELECT sum(memory_usage_bytes) FROM duckdb_memory()")
    return int(taken) <= SMALL


def _open(limits: Limits) -> _Database:
    """A database whose settings hold for each connection to it, and cannot be changed."""
    database = in_memory(memory_limit=limits.memory, threads=1)
    database.execute("SET temp_directory = ''")
    database.execute("SET GLOBAL python_enable_replacements = false")
    database.execute(f"SET GLOBAL max_execution_time = {int(limits.seconds * 1000)}")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return _Database(database)


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
