"""From merged cells and public tables to the answer, and what each value of it is worth.

A value that is not known is NULL, whatever the SQL makes of NULL, and its status says so; rows that may
be absent are left out, and the answer says that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.engine.genotypes import Column
from goe_lake.engine.second_parse import BoundColumn
from goe_lake.engine.sql import identifier
from goe_lake.federation.held import Held, Ordered, level_of, lower_of, upper_of
from goe_lake.federation.workspace import final_step
from goe_lake.query.gateway import unique
from goe_lake.query.taint import APPROX, OK, PARTIAL, WITHHELD
from goe_lake.release import Bound, Status

BIGINT = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Finished:
    """The answer's table, the status and bounds of its values, and whether its rows are all there."""

    table: pa.Table
    status: pa.Table
    bounds: tuple[Bound, ...]
    rows: Status


def finish(ordered: Ordered, bound: Sequence[BoundColumn], connection: duckdb.DuckDBPyConnection) -> Finished:
    """Read the rows of the last step; *bound* names and types the answer's columns."""
    with final_step():
        rows = connection.sql(_shown(ordered, bound)).to_arrow_table()
    names = list(unique([column.name for column in bound]))
    places = range(len(names))
    return Finished(
        table=pa.table([_plain(rows.column(f"c{place}")) for place in places], names=names),
        status=pa.table([rows.column(f"c{place}_status") for place in places], names=names),
        bounds=tuple(_bounds(ordered.held, names, rows)),
        rows=_rows_are(ordered),
    )


def _rows_are(ordered: Ordered) -> Status:
    if ordered.partial:
        return Status.PARTIAL
    return Status.APPROX if ordered.held.rough else Status.OK


def _shown(ordered: Ordered, bound: Sequence[BoundColumn]) -> str:
    """SQL of the rows with a status for each value, and bounds where they are known."""
    columns = []
    for place, (name, target) in enumerate(zip(ordered.held.columns, bound, strict=True)):
        columns.append(f"TRY_CAST(t.{identifier(name)} AS {target.type}) AS c{place}")
        columns += _worth(ordered.held, name, place)
    return f"SELECT {', '.join(columns)} FROM ({ordered.sql}) AS t"


def _worth(held: Held, name: str, place: int) -> list[str]:
    worth = held.of(name)
    if not worth.tainted:
        return [f"'{Status.OK}' AS c{place}_status"]
    level = level_of(name)
    statuses = {WITHHELD: Status.WITHHELD, PARTIAL: Status.PARTIAL, APPROX: Status.APPROX, OK: Status.OK}
    words = " ".join(f"WHEN {level} = {number} THEN '{status}'" for number, status in statuses.items())
    words += f" ELSE '{Status.WITHHELD}'"
    if not worth.bounded:
        return [f"CASE {words} END AS c{place}_status"]
    lower, upper = lower_of(name), upper_of(name)
    # a lower bound of 0 with no upper one says nothing
    known = f"{level} = {WITHHELD} AND {lower} IS NOT NULL AND ({lower} <> 0 OR {upper} IS NOT NULL)"
    # an approximate value comes with how far off it may be
    told = f"({known}) OR ({level} = {APPROX} AND {lower} IS NOT NULL)" if worth.real else known
    return [
        f"CASE WHEN {known} THEN '{Status.BOUNDED}' {words} END AS c{place}_status",
        f"CASE WHEN {told} THEN {lower}::VARCHAR END AS c{place}_lower",
        f"CASE WHEN {told} THEN {upper}::VARCHAR END AS c{place}_upper",
    ]


def _bounds(held: Held, names: Sequence[str], rows: pa.Table) -> list[Bound]:
    bounds = []
    for place, name in enumerate(held.columns):
        if not (held.of(name).tainted and held.of(name).bounded):
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


__all__ = ["Finished", "finish"]
