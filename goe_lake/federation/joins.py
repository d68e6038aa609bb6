"""Joins of tables whose values may be withheld: what surely matches, what may, and what surely does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import duckdb
from sqlglot import exp

from goe_lake.engine.sql import identifier
from goe_lake.federation.held import (
    MAYBE,
    UNDECIDED,
    Held,
    Worth,
    any_row,
    level_of,
    lower_of,
    read,
    upper_of,
)
from goe_lake.query.steps import SelectStep
from goe_lake.query.taint import APPROX, PARTIAL, Traced, Tracer

Column = tuple[str, str]  # the name in FROM, and the column


@dataclass(frozen=True)
class Wide:
    """Rows of a FROM as SQL: each column is called `name.column`, its companions accordingly."""

    sql: str
    worth: Mapping[Column, Worth]
    maybe: bool
    rough: bool = False

    def column(self, node: exp.Column) -> Traced:
        """A column of the rows."""
        key = node.table, node.name.lower()
        return read(wide_name(key), self.worth[key])


def wide_name(column: Column) -> str:
    """The name of a column of wide rows."""
    return f"{column[0]}.{column[1]}"


_numbers = count()


def from_rows(
    step: SelectStep, tables: Mapping[str, Held], tracer: Tracer, connection: duckdb.DuckDBPyConnection
) -> Wide:
    """The rows of the FROM of *step*; *tracer* knows its nested queries."""
    first = step.select.args.get("from_")
    if first is None:
        return Wide("SELECT 1 AS one", {}, maybe=False)
    used = {(column.table, column.name.lower()) for column in step.select.find_all(exp.Column)}
    rows = _source(first.this, tables, used)
    for join in step.select.args.get("joins") or ():
        rows = _joined(rows, _source(join.this, tables, used), join, tracer, connection)
    return rows


def _source(table: exp.Table, tables: Mapping[str, Held], used: set[Column]) -> Wide:
    held = tables[table.name]
    alias = table.alias if table.args.get("alias") is not None else ""
    worth: dict[Column, Worth] = {}
    columns = ["1 AS " + identifier(f"{alias}.$one")]
    for column in held.columns:
        key = alias, column.lower()
        if key not in used:
            continue
        its = held.of(column)
        worth[key] = its
        name = wide_name(key)
        columns.append(f"{identifier(column)} AS {identifier(name)}")
        if its.tainted:
            columns.append(f"{level_of(column)} AS {level_of(name)}")
        if its.bounded:
            columns.append(f"{lower_of(column)} AS {lower_of(name)}")
            columns.append(f"{upper_of(column)} AS {upper_of(name)}")
    if held.maybe:
        columns.append(MAYBE)
    return Wide(f"SELECT {', '.join(columns)} FROM {identifier(held.store)}", worth, held.maybe, held.rough)


def _joined(
    left: Wide, right: Wide, join: exp.Join, tracer: Tracer, connection: duckdb.DuckDBPyConnection
) -> Wide:
    """The rows of one join; where approximate values say what matches, its other side is approximate."""
    on = join.args.get("on")
    both = Wide("", {**left.worth, **right.worth}, left.maybe or right.maybe)
    condition = Tracer(both.column, nested=tracer.nested).trace(on) if on is not None else Traced("TRUE")
    kind = (join.args.get("side") or join.args.get("kind") or "INNER").upper()
    matched = condition.level is not None and any_row(
        connection, f"SELECT 1 FROM ({left.sql}) l JOIN ({right.sql}) r ON {condition.level} = {APPROX}"
    )
    made = _matched(left, right, kind, condition, connection)
    lacking = {
        "LEFT": right.worth if matched or right.rough else {},
        "RIGHT": left.worth if matched or left.rough else {},
        "FULL": made.worth if matched or left.rough or right.rough else {},
    }
    rough = matched or left.rough or right.rough
    return replace(_approximate(made, lacking.get(kind, {})), rough=rough)


def _approximate(rows: Wide, columns: Iterable[Column]) -> Wide:
    """*rows* of which no value of *columns* is better than approximate."""
    worth, changed, added = dict(rows.worth), [], []
    for key in columns:
        level = level_of(wide_name(key))
        if worth[key].tainted:
            changed.append(f"greatest({level}, {APPROX})::TINYINT AS {level}")
        else:
            added.append(f", {APPROX}::TINYINT AS {level}")
            worth[key] = Worth(tainted=True)
    if not changed and not added:
        return rows
    shown = f"* REPLACE ({', '.join(changed)})" if changed else "*"
    return replace(rows, sql=f"SELECT {shown}{''.join(added)} FROM ({rows.sql})", worth=worth)


def _matched(
    left: Wide, right: Wide, kind: str, condition: Traced, connection: duckdb.DuckDBPyConnection
) -> Wide:
    worth = {**left.worth, **right.worth}
    both_maybe = left.maybe or right.maybe
    if kind in ("SEMI", "ANTI"):
        worth = dict(left.worth)
    possible = f"coalesce({condition.value}, FALSE)"
    unsure = []
    if condition.level is not None:
        possible = f"({condition.level} > {APPROX} OR {possible})"
        unsure.append(f"{condition.level} > {APPROX}")
    if right.maybe:
        unsure.append(f"{identifier('$maybe_r')} > 0")
    aside = (
        f"SELECT * RENAME ({MAYBE} AS {identifier('$maybe_r')}) FROM ({right.sql})"
        if right.maybe
        else right.sql
    )
    if kind in ("INNER", "CROSS"):
        parts = [MAYBE if left.maybe else "0", identifier("$maybe_r") if right.maybe else "0"]
        decided = f"CASE WHEN {unsure[0]} THEN {UNDECIDED} ELSE 0 END" if condition.level is not None else "0"
        maybe = (
            f"CASE WHEN greatest({', '.join(parts)}) > 0 THEN greatest({', '.join(parts)}) ELSE {decided} END"
        )
        is_maybe = both_maybe or condition.level is not None
        shown = f"* EXCLUDE ({', '.join(_maybes(left, right))})" if both_maybe else "*"
        marked = f", ({maybe})::TINYINT AS {MAYBE}" if is_maybe else ""
        sql = f"SELECT {shown}{marked} FROM ({left.sql}) l JOIN ({aside}) r ON {possible}"
        return Wide(sql, worth, is_maybe)
    if not unsure and kind != "RIGHT" and not (kind == "FULL" and left.maybe):
        words = {"LEFT": "LEFT JOIN", "FULL": "FULL JOIN", "SEMI": "SEMI JOIN", "ANTI": "ANTI JOIN"}
        kept = {"LEFT": right.worth, "FULL": worth}.get(kind, {})
        filled = [
            f"coalesce({level_of(wide_name(key))}, 0)::TINYINT AS {level_of(wide_name(key))}"
            for key, its in kept.items()
            if its.tainted
        ]  # of a row without a match, the NULLs are known
        shown = f"* REPLACE ({', '.join(filled)})" if filled else "*"
        sql = f"SELECT {shown} FROM ({left.sql}) l {words[kind]} ({aside}) r ON {possible}"
        return Wide(sql, worth, left.maybe)
    return _outer(left, right, kind, (possible, unsure), connection)


def _maybes(left: Wide, right: Wide) -> list[str]:
    return [*([MAYBE] if left.maybe else []), *([identifier("$maybe_r")] if right.maybe else [])]


def _outer(
    left: Wide,
    right: Wide,
    kind: str,
    match: tuple[str, Sequence[str]],
    connection: duckdb.DuckDBPyConnection,
) -> Wide:
    """A join that keeps rows without a match, where whether two rows match may not be known.

    A row of which no match is sure, and one is possible, is there with the other side unknown.
    """
    possible, unsure = match
    number = next(_numbers)
    one, other, pairs = f"left{number}", f"right{number}", f"pairs{number}"
    for name, rows, key in ((one, left, "$l"), (other, right, "$r")):
        maybe = f", 0::TINYINT AS {MAYBE}" if not rows.maybe else ""
        connection.execute(
            f"CREATE TEMP TABLE {name} AS SELECT *{maybe}, row_number() OVER () AS {identifier(key)} "
            f"FROM ({rows.sql})"
        )
    maybe_left, maybe_right = f"{one}.{MAYBE}", f"{other}.{MAYBE}"
    doubts = [part.replace(identifier("$maybe_r"), maybe_right) for part in unsure]
    doubt = " OR ".join(f"({part})" for part in doubts) or "FALSE"
    if kind in ("RIGHT", "FULL"):  # then the rows of the left may be absent as well
        doubt = f"{doubt} OR {maybe_left} > 0"
    connection.execute(
        f"CREATE TEMP TABLE {pairs} AS SELECT {identifier('$l')}, {identifier('$r')}, ({doubt}) AS doubt, "
        f"{maybe_left} AS maybe_l, {maybe_right} AS maybe_r FROM {one} JOIN {other} ON {possible}"
    )
    sides = {"LEFT": (left,), "RIGHT": (right,), "FULL": (left, right)}
    names = {id(left): (one, identifier("$l")), id(right): (other, identifier("$r"))}
    if kind in ("SEMI", "ANTI"):
        sure = (
            f"EXISTS (FROM {pairs} p WHERE p.{identifier('$l')} = {one}.{identifier('$l')} AND NOT p.doubt)"
        )
        any_match = f"EXISTS (FROM {pairs} p WHERE p.{identifier('$l')} = {one}.{identifier('$l')})"
        kept, certain = (any_match, sure) if kind == "SEMI" else (f"NOT {sure}", f"NOT {any_match}")
        maybe = f"CASE WHEN {MAYBE} > 0 THEN {MAYBE} WHEN {certain} THEN 0 ELSE {UNDECIDED} END"
        shown = f"* EXCLUDE ({MAYBE}, {identifier('$l')}), ({maybe})::TINYINT AS {MAYBE}"
        return Wide(f"SELECT {shown} FROM {one} WHERE {kept}", dict(left.worth), maybe=True)
    worth = dict(left.worth)
    worth |= right.worth
    lost = {id(rows) for rows in (left, right)} - {id(rows) for rows in sides[kind]}
    unknown = [rows for rows in (left, right) if kind == "FULL" or id(rows) in lost]
    for rows in unknown:
        worth |= {key: replace(its, tainted=True) for key, its in rows.worth.items()}
    columns = _columns(left, worth, one) + _columns(right, worth, other)
    there = "WHEN maybe_l > 0 THEN maybe_l WHEN maybe_r > 0 THEN maybe_r"
    maybe = f"CASE {there} WHEN doubt THEN {UNDECIDED} ELSE 0 END"
    matches = (
        f"SELECT {', '.join(['1 AS one', *columns])}, ({maybe})::TINYINT AS {MAYBE} "
        f"FROM {pairs} JOIN {one} USING ({identifier('$l')}) JOIN {other} USING ({identifier('$r')})"
    )
    parts = [matches]
    for rows in sides[kind]:
        mine, key = names[id(rows)]
        theirs = right if rows is left else left
        for known in (True, False):
            own, empty = _columns(rows, worth, mine), _empty(theirs, worth, known=known)
            values = own + empty if rows is left else empty + own
            there = f"FROM {pairs} p WHERE p.{key} = {mine}.{key}"
            where = (
                f"NOT EXISTS ({there})" if known
                else f"EXISTS ({there}) AND NOT EXISTS ({there} AND NOT p.doubt)"
            )  # fmt: skip
            shown = ", ".join(["1 AS one", *values, f"{mine}.{MAYBE}"])
            parts.append(f"SELECT {shown} FROM {mine} WHERE {where}")
    return Wide(" UNION ALL BY NAME ".join(parts), worth, maybe=True)


def _columns(rows: Wide, worth: Mapping[Column, Worth], table: str) -> list[str]:
    """The columns of *rows* with the companions that *worth* asks for."""
    columns = []
    for key, its in rows.worth.items():
        name, wanted = wide_name(key), worth[key]
        columns.append(f"{table}.{identifier(name)}")
        if wanted.tainted:
            level = f"{table}.{level_of(name)}" if its.tainted else "0::TINYINT"
            columns.append(f"{level} AS {level_of(name)}")
        if wanted.bounded:
            columns += [f"{table}.{lower_of(name)}", f"{table}.{upper_of(name)}"]
    return columns


def _empty(rows: Wide, worth: Mapping[Column, Worth], *, known: bool) -> list[str]:
    """NULL for every column of *rows*: known to be so, or standing for what is not known."""
    columns = []
    for key in rows.worth:
        name, wanted = wide_name(key), worth[key]
        columns.append(f"NULL AS {identifier(name)}")
        if wanted.tainted:
            columns.append(f"{0 if known else PARTIAL}::TINYINT AS {level_of(name)}")
        if wanted.bounded:
            columns += [f"NULL AS {lower_of(name)}", f"NULL AS {upper_of(name)}"]
    return columns
