"""Databases of the gateway are used by one question after the other, and none finds what another one made."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from goe_lake.errors import QueryRefused
from goe_lake.federation.workspace import MOST_QUESTIONS, Limits, Workspaces

Opened = Callable[[], duckdb.DuckDBPyConnection]
SETTINGS = {
    "max_execution_time": 5000, "python_enable_replacements": False, "enable_external_access": False,
    "lock_configuration": True, "threads": 1, "temp_directory": "", "memory_limit": "95.3 MiB",
    "disabled_optimizers": "statistics_propagation,common_subexpressions",
}  # fmt: skip
MADE = (
    "CREATE TEMP TABLE cells AS SELECT 42 AS n",
    "CREATE TEMP VIEW seen AS FROM cells",
    "CREATE TEMP MACRO added(x) AS x + 1",
    "SET VARIABLE known = 42",
)
LOOKS = ("FROM cells", "FROM seen", "FROM told", "SELECT added(1)", "EXECUTE prepared")


def test_a_later_question_finds_nothing_of_an_earlier_one():
    """Not its tables, views, macros, variables or statements, nor what was registered."""
    workspaces = Workspaces(Limits(memory="100MB", seconds=5))
    for kept in (0, 1, 1):
        assert workspaces.idle == kept
        with workspaces.one() as opened:
            connection = opened()
            for look in LOOKS:
                with pytest.raises(duckdb.Error):
                    connection.execute(look)
            assert connection.execute("SELECT getvariable('known')").fetchone() == (None,)
            objects = (
                "SELECT count(*) FROM duckdb_tables(), duckdb_databases() WHERE NOT duckdb_databases.internal"
            )
            assert connection.execute(objects).fetchone() == (0,)
            for name, value in SETTINGS.items():
                assert connection.execute(f"SELECT current_setting('{name}')").fetchone() == (value,)
            for statement in (
                "SET threads = 2",
                "SET GLOBAL max_execution_time = 0",
                "RESET max_execution_time",
            ):
                with pytest.raises(duckdb.InvalidInputException, match="locked"):
                    connection.execute(statement)
            for statement in MADE:
                connection.execute(statement)
            connection.execute("PREPARE prepared AS SELECT 1")
            connection.register("told", connection.sql("SELECT 1 AS n").to_arrow_table())


def test_a_database_is_not_kept_after_a_question_that_failed():
    """Whatever it was stopped at."""
    workspaces = Workspaces(Limits(seconds=1))
    with pytest.raises(QueryRefused, match="G601"), workspaces.one() as opened:
        opened().execute(
            "SELECT count(*) FROM range(100000) a(i), range(100000) b(j) WHERE (a.i + b.j) % 7 = 3"
        )
    assert workspaces.idle == 0
    with workspaces.one() as opened:
        assert opened().execute("SELECT 1").fetchall() == [(1,)]
    assert workspaces.idle == 1


def test_a_database_is_not_kept_after_a_large_question():
    """What it has of the machine's memory goes with it."""
    workspaces = Workspaces()
    with workspaces.one() as opened:
        opened().execute(
            "CREATE TEMP TABLE t AS SELECT range::VARCHAR || 'some further text' AS x FROM range(2000000)"
        )
    assert workspaces.idle == 0


def test_a_database_answers_so_many_questions():
    """Then a new one is made."""
    workspaces = Workspaces()
    for _ in range(MOST_QUESTIONS):
        with workspaces.one() as opened:
            opened()
    assert workspaces.idle == 0


def test_questions_at_the_same_time_have_databases_of_their_own():
    """A question waits for no other, and is not counted to its memory."""
    workspaces = Workspaces()
    with workspaces.one() as opened, workspaces.one() as other, workspaces.one() as third:
        opened().execute("CREATE TABLE main.t AS SELECT 1")
        for one in (other(), third()):
            with pytest.raises(duckdb.CatalogException):
                one.execute("FROM main.t")
    assert workspaces.idle == 2
