"""From merged cells to the answer: final SQL, and what each value of it is worth.

A withheld value is a taint, not a NULL: an expression that reads one is withheld whatever it makes
of NULL, and a HAVING, ORDER BY or LIMIT that reads one marks the rows as partial unless the bounds
of the value decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.engine.duck import one_row
from goe_lake.engine.genotypes import Column
from goe_lake.engine.second_parse import BoundColumn
from goe_lake.query import OutputColumn, Plan
from goe_lake.query.final import Condition
from goe_lake.release import Bound, Status

BIGINT = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Finished:
    """The answer's table, the status and bounds of its values, and whether its rows are all there."""

    table: pa.Table
    status: pa.Table
    bounds: tuple[Bound, ...]
    rows: Status
    shown_keys: pa.Table


def finish(plan: Plan, bound: Sequence[BoundColumn], connection: duckdb.DuckDBPyConnection) -> Finished:
    """Run the final SQL of *plan* over the table `cells` of *connection*; *bound* types its columns."""
    keys = [key.name for key in plan.release.keys]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE kept AS SELECT * FROM cells WHERE {_having(plan.having)}"
    )
    order = [f"{_untainted(item.sql, item.measures)}{item.suffix}" for item in plan.order]
    # after what is asked for, key order: the same cells give the same rows in the same order
    order += [f"{key} NULLS LAST" for key in keys]
    columns = []
    for place, (output, target) in enumerate(zip(plan.outputs, bound, strict=True)):
        columns += _output_columns(place, output, target.type)
    limit = f" LIMIT {plan.limit}" if plan.limit is not None else ""
    offset = f" OFFSET {plan.offset}" if plan.offset else ""
    by = f" ORDER BY {', '.join(order)}" if order else ""
    rows = connection.sql(
        f"SELECT {', '.join([*columns, *keys])} FROM kept{by}{limit}{offset}"
    ).to_arrow_table()
    names = unique_names([column.name for column in bound])
    return Finished(
        table=pa.table([_plain(rows.column(f"c{place}")) for place in range(len(names))], names=names),
        status=pa.table([rows.column(f"c{place}_status") for place in range(len(names))], names=names),
        bounds=tuple(_bounds(plan.outputs, names, rows)),
        rows=_rows_status(plan, connection),
        shown_keys=connection.sql(f"SELECT {', '.join(keys) or '1 AS one'} FROM cells").to_arrow_table(),
    )


def _held(measures: Sequence[str]) -> str:
    return "(" + (" OR ".join(f"{name}_held" for name in measures) or "FALSE") + ")"


def _untainted(sql: str, measures: Sequence[str]) -> str:
    """*sql*, NULL where it reads a withheld value or where DuckDB would raise."""
    return f"CASE WHEN NOT {_held(measures)} THEN TRY({sql}) END" if measures else f"TRY({sql})"


def _output_columns(place: int, output: OutputColumn, kind: str) -> list[str]:
    held = _held(output.measures)
    status = f"CASE WHEN {held} THEN '{Status.WITHHELD}' ELSE '{Status.OK}' END"
    columns = [f"TRY_CAST({_untainted(output.sql, output.measures)} AS {kind}) AS c{place}"]
    if output.count is not None:
        lower, upper = f"{output.count}_lower", f"{output.count}_upper"
        # a lower bound of 0 with no upper one says nothing
        known = f"{lower} > 0 OR {upper} IS NOT NULL"
        status = f"CASE WHEN {held} AND ({known}) THEN '{Status.BOUNDED}' ELSE {status} END"
        columns.append(f"CASE WHEN {held} AND ({known}) THEN {lower}::VARCHAR END AS c{place}_lower")
        columns.append(f"CASE WHEN {held} THEN {upper}::VARCHAR END AS c{place}_upper")
    return [*columns, f"{status} AS c{place}_status"]


def decided(condition: Condition) -> str:
    """SQL of a HAVING condition, three-valued: NULL where it reads a withheld value that no bound decides."""
    if condition.certain is None or condition.impossible is None:
        by_bounds = "NULL"
    else:
        by_bounds = f"CASE WHEN {condition.certain} THEN TRUE WHEN {condition.impossible} THEN FALSE END"
    # a condition that is NULL by itself is untrue, and decided
    known = f"coalesce(TRY({condition.sql}), FALSE)"
    return f"CASE WHEN {_held(condition.measures)} THEN {by_bounds} ELSE {known} END"


def _having(conditions: Sequence[Condition]) -> str:
    return " AND ".join(f"coalesce({decided(condition)}, FALSE)" for condition in conditions) or "TRUE"


def _rows_status(plan: Plan, connection: duckdb.DuckDBPyConnection) -> Status:
    """Whether a HAVING, ORDER BY or LIMIT read a value that is not known."""
    undecided = " AND ".join(f"coalesce({decided(condition)}, TRUE)" for condition in plan.having)
    ordered = [item for item in plan.order if item.measures]
    checks = []
    if undecided:
        checks.append(f"EXISTS (SELECT 1 FROM cells WHERE {undecided} AND NOT ({_having(plan.having)}))")
    checks += [f"EXISTS (SELECT 1 FROM kept WHERE {_held(item.measures)})" for item in ordered]
    if not checks:
        return Status.OK
    (read,) = one_row(connection, f"SELECT {' OR '.join(checks)}")
    return Status.PARTIAL if read else Status.OK


def _bounds(outputs: Sequence[OutputColumn], names: Sequence[str], rows: pa.Table) -> list[Bound]:
    bounds = []
    for place, output in enumerate(outputs):
        if output.count is None:
            continue
        lowers, uppers = (rows.column(f"c{place}_{side}").to_pylist() for side in ("lower", "upper"))
        bounds += [
            Bound(row, names[place], lower, upper)
            for row, (lower, upper) in enumerate(zip(lowers, uppers, strict=True))
            if lower is not None
        ]
    return bounds


def _plain(column: Column) -> Column:
    """Whole numbers of 128 bits as 64-bit ones, where they fit: every tool reads those."""
    if not pa.types.is_decimal(column.type) or column.type.scale != 0:
        return column
    least, most = (pc.min_max(column)[side].as_py() for side in ("min", "max"))
    fits = all(value is None or int(value) in BIGINT for value in (least, most))
    return column.cast(pa.int64()) if fits else column


def unique_names(names: Sequence[str]) -> list[str]:
    """*names*, with a number behind each that stood before."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name] - 1}")
    return unique


__all__ = ["Finished", "finish", "unique_names"]
