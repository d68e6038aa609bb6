"""One SELECT of a step in its guarded form: each value with its level, each row with whether it is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from goe_lake.engine.duck import one_row
from goe_lake.engine.sql import identifier
from goe_lake.federation.held import (
    HIDDEN,
    MAYBE,
    UNDECIDED,
    Held,
    Ordered,
    Worth,
    any_level,
    any_row,
    holds_approximate,
    level_of,
    looked_at,
    lower_of,
    read,
    shown,
    upper_of,
    worth_of,
)
from goe_lake.federation.joins import Wide, from_rows
from goe_lake.query.language import aggregates_in
from goe_lake.query.relation import and_parts
from goe_lake.query.steps import DIALECT, SelectStep
from goe_lake.query.taint import APPROX, OK, PARTIAL, Traced, Tracer

if TYPE_CHECKING:
    from goe_lake.federation.steps import Runner


@dataclass
class Guarded:
    """One SELECT in its guarded form."""

    runner: Runner
    step: SelectStep
    last: bool

    def made(self) -> Ordered:
        """The rows of the step."""
        select, step = self.step.select, self.step
        nested = self.runner.nested(step.nested)
        rows = self._filtered(nested)
        grouped = select.args.get("group") is not None or _aggregates(select)
        columns = rows.column
        tracer = (
            self._grouped(rows, nested) if grouped
            else Tracer(columns, nested=nested, maybe=MAYBE if rows.maybe else None, rough=rows.rough)
        )  # fmt: skip
        return self._finished(tracer, rows, grouped=grouped)

    def _filtered(self, nested: Mapping[str, Callable[[Traced | None], Traced]]) -> Wide:
        """FROM and WHERE: rows of which a condition is not known may be absent."""
        runner, connection = self.runner, self.runner.connection
        joined = from_rows(self.step, runner.tables, Tracer(_no_column, nested=nested), connection)
        where = self.step.select.args.get("where")
        tracer = Tracer(joined.column, nested=nested)
        conditions = [tracer.trace(part) for part in and_parts(where.this)] if where is not None else []
        possible, maybe = decided(conditions, has_maybe=joined.maybe)
        shown_maybe = f" REPLACE ({maybe} AS {MAYBE})" if joined.maybe else ""
        added = f", {maybe} AS {MAYBE}" if maybe is not None and not joined.maybe else ""
        self.store = f"{self.step.name}$rows"
        connection.execute(
            f"CREATE TEMP TABLE {identifier(self.store)} AS SELECT *{shown_maybe}{added} "
            f"FROM ({joined.sql}) WHERE {possible}"
        )
        names = {f"{alias}.{name}": (alias, name) for alias, name in joined.worth}
        its = {text: joined.worth[key] for text, key in names.items()}
        kept, is_maybe = looked_at(connection, self.store, its, maybe=maybe is not None)
        return Wide(
            f"FROM {identifier(self.store)}",
            {names[text]: worth for text, worth in kept.items()},
            is_maybe,
            joined.rough or chooses_roughly(conditions, joined.sql, connection),
        )

    def _grouped(self, rows: Wide, nested: Mapping[str, Callable[[Traced | None], Traced]]) -> Tracer:
        """A tracer over groups: the keys are columns, and an unknown key may belong to any group."""
        group = self.step.select.args.get("group")
        keys = list(dict.fromkeys(group.expressions)) if group is not None else []
        inner = Tracer(rows.column, nested=nested)
        found = {key: inner.trace(key) for key in keys}
        parts = []
        self.group_by: list[str] = []
        made: dict[exp.Expr, Traced] = {}
        for place, (key, traced) in enumerate(found.items()):
            name = f"$g{place}"
            plain = Traced(traced.value, traced.level)
            parts += shown(name, plain)
            made[key] = read(name, worth_of(plain))
            self.group_by.append(identifier(name))
            if plain.level is not None:
                self.group_by.append(level_of(name))
        store = f"{self.store}$keyed"
        added = "".join(f", {part}" for part in parts)
        self.runner.connection.execute(
            f"CREATE TEMP TABLE {identifier(store)} AS SELECT *{added} FROM {identifier(self.store)}"
        )
        self.store = store
        self.key_levels = [traced.level for traced in made.values() if traced.level is not None]
        wild = any_level(self.runner.connection, store, self.key_levels)
        rough = rows.rough or any_level(self.runner.connection, store, self.key_levels, above=OK)
        return Tracer(rows.column, made, nested, MAYBE if rows.maybe else None, wild, rough)

    def _finished(self, tracer: Tracer, rows: Wide, *, grouped: bool) -> Ordered:
        step, select = self.step, self.step.select
        types = self.runner.types.get(step.name)
        parts: list[str] = []
        worth: dict[str, Worth] = {}
        outputs: dict[str, Traced] = {}
        for place, (name, item) in enumerate(zip(step.columns, select.expressions, strict=True)):
            traced = tracer.trace(item.unalias())
            if step.cells is not None:
                text = tried(traced.value, item)
                text = f"TRY_CAST({text} AS {types[place]})" if types is not None else text
                traced = Traced(text, traced.level, traced.lower, traced.upper, traced.whole)
            parts += shown(name, traced)
            worth[name] = worth_of(traced)
            outputs[name.lower()] = read(name, worth[name])
        order = self._order(tracer, outputs, parts)
        clause = select.args.get("having" if grouped else "qualify")
        conditions = [tracer.trace(part) for part in and_parts(clause.this)] if clause is not None else []
        for place, condition in enumerate(conditions):
            parts += shown(f"$c{place}", Traced(f"({condition.value})", condition.level))
        has_maybe = rows.maybe or bool(grouped and tracer.wild)
        if has_maybe:
            parts.append(f"{self._row_maybe(rows, grouped=grouped, wild=tracer.wild)} AS {MAYBE}")
        keys = [*self.step.keys] if step.cells is not None and not grouped else []
        parts += [
            f"{identifier(f'.{key}')} AS {identifier(f'$t{key}')}"
            for key in keys
            if (("", key) in rows.worth)
        ]
        group = f" GROUP BY {', '.join(self.group_by)}" if grouped and self.group_by else ""
        table = f"SELECT {', '.join(parts)} FROM {identifier(self.store)}{group}"
        known = [read(f"$c{place}", worth_of(condition)) for place, condition in enumerate(conditions)]
        # without GROUP BY there is exactly one row, whatever was counted
        rough = tracer.rough and not (grouped and not self.group_by)
        rough = rough or chooses_roughly(known, table, self.runner.connection)
        possible, maybe = decided(known, has_maybe=has_maybe)
        if has_maybe:
            table = f"SELECT * REPLACE ({maybe} AS {MAYBE}) FROM ({table}) WHERE {possible}"
        else:
            table = f"SELECT *, {maybe or '0::TINYINT'} AS {MAYBE} FROM ({table}) WHERE {possible}"
        if select.args.get("distinct") is not None:
            table = distinct(table, [*step.columns, *(name for name, _ in order)], {**worth, **dict(order)})
        tie = [f"{identifier(f'$t{key}')} NULLS LAST" for key in keys if ("", key) in rows.worth]
        if select.args.get("distinct") is not None:
            tie = []
        return self._cut(table, worth, order, tie, rough=rough)

    def _row_maybe(self, rows: Wide, *, grouped: bool, wild: bool) -> str:
        if not grouped:
            return MAYBE
        if not self.group_by:
            return "0::TINYINT"  # without GROUP BY there is exactly one row
        least = f"min({MAYBE})" if rows.maybe else "0"
        if wild:
            unknown = " OR ".join(f"{level} > {APPROX}" for level in self.key_levels)
            least = f"CASE WHEN {unknown} THEN {UNDECIDED} ELSE {least} END"
        return f"({least})::TINYINT"

    def _order(
        self, tracer: Tracer, outputs: Mapping[str, Traced], parts: list[str]
    ) -> list[tuple[str, Worth]]:
        """Note the columns to sort by, and return their names with what they are worth."""
        order = self.step.select.args.get("order")
        noted = []
        self.directions: list[str] = []
        for place, item in enumerate(order.expressions if order is not None else ()):
            value = item.this
            name = f"$o{place}"
            if (
                isinstance(value, exp.Column)
                and not value.table
                and value.name.lower() in outputs
                and self._is_output(value)
            ):
                traced = tracer.trace(self._output(value.name))
            else:
                traced = tracer.trace(value)
            parts += shown(name, traced)
            noted.append((name, worth_of(traced)))
            nulls = "FIRST" if item.args.get("nulls_first") else "LAST"
            self.directions.append(f"{' DESC' if item.args.get('desc') else ''} NULLS {nulls}")
        return noted

    def _is_output(self, column: exp.Column) -> bool:
        return not (self.step.cells is not None and column.name[:1] in "km" and column.name[1:].isdigit())

    def _output(self, name: str) -> exp.Expr:
        columns = [column.lower() for column in self.step.columns]
        item: exp.Expr = self.step.select.expressions[columns.index(name.lower())]
        return item.unalias()

    def _cut(
        self,
        table: str,
        worth: Mapping[str, Worth],
        order: list[tuple[str, Worth]],
        tie: list[str],
        *,
        rough: bool,
    ) -> Ordered:
        """ORDER BY, LIMIT and OFFSET; they are known where every value that they read is."""
        step, connection = self.step, self.runner.connection
        everything = {**worth, **dict(order)}
        made = self.runner.keep(step, table, everything, maybe=True)
        store = made.held.store
        by = [f"{identifier(name)}{way}" for (name, _), way in zip(order, self.directions, strict=True)]
        by += tie
        ordered = f" ORDER BY {', '.join(by)}" if by else ""
        limits = _limits(step.select)
        levels = [level_of(name) for name, its in order if made.held.of(name).tainted]
        unsorted = any_level(connection, store, levels, f"{MAYBE} = 0")
        rough = rough or any_level(connection, store, levels if limits else [], above=OK)
        if step.select.args.get("distinct") is not None:
            rough = rough or holds_approximate(connection, made.held)
        held = Held(
            step.name,
            store,
            step.columns,
            {name: made.held.of(name) for name in step.columns},
            made.held.maybe,
            rough,
        )
        rows = f"SELECT * FROM {identifier(store)} WHERE {MAYBE} = 0{ordered}{limits}"
        if not limits:
            told = UNDECIDED if self.last and self.runner.told else HIDDEN
            (absent,) = one_row(
                connection, f"SELECT EXISTS (SELECT 1 FROM {identifier(store)} WHERE {MAYBE} >= {told})"
            )
            return Ordered(held, rows, partial=bool(absent) or unsorted)
        certain = not unsorted and not made.held.maybe
        certain = certain or self._bounds_decide(store, order, made.held)
        maybe = "" if certain else f" REPLACE ({UNDECIDED}::TINYINT AS {MAYBE})"
        if not self.last:
            cut = identifier(f"{step.name}$cut")
            connection.execute(f"CREATE TEMP TABLE {cut} AS SELECT *{maybe} FROM ({rows})")
            columns = ", ".join(map(identifier, step.columns))
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {step.name} AS SELECT {columns} FROM {cut} WHERE {MAYBE} = 0"
            )
            if not certain:
                self._no_rows_say_nothing(cut)
            held = replace(held, store=f"{step.name}$cut", maybe=not certain)
        return Ordered(held, rows, partial=not certain)

    def _no_rows_say_nothing(self, cut: str) -> None:
        """Another row may stand in the place of those that are shown: one of which nothing is known."""
        described = self.runner.connection.execute(f"DESCRIBE {cut}").fetchall()
        values = [
            str(UNDECIDED) if name == "$maybe" else str(PARTIAL) if name.endswith("$s") else "NULL"
            for name, *_ in described
        ]
        self.runner.connection.execute(f"INSERT INTO {cut} VALUES ({', '.join(values)})")

    def _bounds_decide(self, store: str, order: list[tuple[str, Worth]], held: Held) -> bool:
        """Whether the first rows are certain all the same: the others cannot come before them, by bounds.

        Only for one sort column, with bounds, and no OFFSET.
        """
        select, limit = self.step.select, self.step.select.args.get("limit")
        if len(order) != 1 or select.args.get("offset") is not None or limit is None:
            return False
        if limit.args.get("limit_options") is not None:  # how many rows that is depends on all of them
            return False
        name, _ = order[0]
        if not held.of(name).bounded:
            return False
        wanted = int(limit.expression.name)
        down = "DESC" in self.directions[0]
        bound, worst_way = (upper_of(name), "max") if down else (lower_of(name), "min")
        unsure = f"{MAYBE} > 0 OR {level_of(name)} > {APPROX}"
        known = f"NOT ({unsure}) AND {identifier(name)} IS NOT NULL"
        last = (
            f"SELECT {identifier(name)} AS v FROM {identifier(store)} WHERE {known} "
            f"ORDER BY 1{' DESC' if down else ''} LIMIT {wanted}"
        )
        count, edge, missing, most = one_row(
            self.runner.connection,
            f"SELECT (SELECT count(*) FROM ({last})), (SELECT {'min' if down else 'max'}(v) FROM ({last})), "
            f"(SELECT count(*) FROM {identifier(store)} WHERE ({unsure}) AND {bound} IS NULL), "
            f"(SELECT {worst_way}({bound}) FROM {identifier(store)} WHERE {unsure})",
        )
        if count < wanted or missing or most is None or edge is None:
            return False
        return bool(edge > most) if down else bool(edge < most)


def tried(text: str, node: exp.Expr) -> str:
    """*text*, NULL where the database would raise, as far as it can be guarded."""
    if node.find(exp.Window, exp.AggFunc, exp.Placeholder) is not None:
        return text
    return f"TRY({text})"


def chooses_roughly(conditions: Sequence[Traced], rows: str, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether an approximate value decides, on some of *rows* (SQL), if it passes all *conditions*."""
    rough = [f"{condition.level} = {APPROX}" for condition in conditions if condition.level is not None]
    if not rough:
        return False
    fails = [
        f"NOT coalesce({condition.value}, FALSE)"
        + (f" AND {condition.level} = {OK}" if condition.level is not None else "")
        for condition in conditions
    ]
    failed = " OR ".join(f"({part})" for part in fails)
    return any_row(connection, f"SELECT 1 FROM ({rows}) WHERE ({' OR '.join(rough)}) AND NOT ({failed})")


def decided(conditions: Sequence[Traced], *, has_maybe: bool) -> tuple[str, str | None]:
    """SQL of whether a row may pass all *conditions*, and of its `$maybe` then (None: always 0)."""
    possible, unsure = [], []
    for condition in conditions:
        holds = f"coalesce({condition.value}, FALSE)"
        if condition.level is None:
            possible.append(holds)
        else:
            possible.append(f"({condition.level} > {APPROX} OR {holds})")
            unsure.append(f"{condition.level} > {APPROX}")
    doubt = " OR ".join(unsure)
    maybe = None
    if doubt:
        maybe = f"CASE WHEN {doubt} THEN {UNDECIDED} ELSE 0 END"
    if has_maybe:
        maybe = f"CASE WHEN {MAYBE} > 0 THEN {MAYBE} ELSE {maybe or 0} END"
    return " AND ".join(possible) or "TRUE", f"({maybe})::TINYINT" if maybe is not None else None


def distinct(rows: str, columns: Sequence[str], worth: Mapping[str, Worth]) -> str:
    """Each row once; one with a value that is not known may be equal to another."""
    names = [identifier(name) for name in columns]
    levels = [level_of(name) for name in columns if worth.get(name, Worth()).tainted]
    unsure = " OR ".join(f"{level} > {APPROX}" for level in levels) or "FALSE"
    maybe = f"(CASE WHEN {unsure} THEN greatest(min({MAYBE}), {UNDECIDED}) ELSE min({MAYBE}) END)::TINYINT"
    keys = ", ".join([*names, *levels])
    bounds = [
        f"any_value({side(name)}) AS {side(name)}"
        for name in columns if worth.get(name, Worth()).bounded
        for side in (lower_of, upper_of)
    ]  # fmt: skip
    listed = ", ".join([keys, *bounds, f"{maybe} AS {MAYBE}"])
    return f"SELECT {listed} FROM ({rows}) GROUP BY {keys}"


def _no_column(node: exp.Column) -> Traced:
    raise KeyError(node.name)


def _aggregates(select: exp.Select) -> bool:
    parts = [*select.expressions, *(select.args.get(name) for name in ("having", "order"))]
    return any(aggregates_in(part) for part in parts if part is not None)


def _limits(select: exp.Select) -> str:
    clauses = (select.args.get(name) for name in ("limit", "offset"))
    return "".join(f" {clause.sql(DIALECT).strip()}" for clause in clauses if clause is not None)
