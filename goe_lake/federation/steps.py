"""The steps above the releases, taken one after the other in the workspace.

A step over tables that are wholly known is run as it is written. Where a value is withheld or a row
may be absent, it is run in a guarded form: every value comes with its level, every row with whether
it is surely there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb
from sqlglot import exp

from goe_lake.engine.sql import identifier
from goe_lake.federation.guarded import Guarded, distinct, tried
from goe_lake.federation.held import (
    MAYBE,
    UNDECIDED,
    Held,
    Ordered,
    Worth,
    any_level,
    holds_approximate,
    level_of,
    looked_at,
    lower_of,
    upper_of,
)
from goe_lake.query.moments import macro_statements, macros_in
from goe_lake.query.steps import Nested, PlainStep, SelectStep, SetStep, Step, Use, marks_of
from goe_lake.query.taint import APPROX, OK, PARTIAL, Traced, worst

Types = Mapping[str, Sequence[str]]


@dataclass
class Runner:
    """Takes steps in one workspace; *tables* are what earlier steps and releases made.

    *types* gives, by step, the SQL types that its columns must have. *told* says that the answer names
    the groups that nodes do not show, so that their absence does not make it partial.
    """

    connection: duckdb.DuckDBPyConnection
    tables: dict[str, Held]
    types: Types
    told: bool = False
    uses: Counter[str] = field(default_factory=Counter)
    macros: set[str] = field(default_factory=set)

    def expect(self, steps: Sequence[Step]) -> None:
        """Note how often each table will be read by *steps*."""
        for step in steps:
            self.uses.update(_reads(step))

    def take(self, step: Step) -> None:
        """Take one step, and keep its table."""
        self.tables[step.name] = self._made(step).held

    def take_last(self, step: Step) -> Ordered:
        """The rows of the last step."""
        return self._made(step, last=True)

    def _made(self, step: Step, *, last: bool = False) -> Ordered:
        if isinstance(step, SelectStep):
            self._know_macros(step.select)
        if all(self.tables[name].clean for name in step.reads):
            return self._as_written(step, last=last)
        if isinstance(step, SetStep):
            return self._set_operation(step)
        if isinstance(step, SelectStep) and not _opaque(step.select):
            return Guarded(self, step, last=last).made()
        return self._unknown(step)

    def _know_macros(self, select: exp.Select) -> None:
        """Make the macros that *select* calls; few queries call one, and all of them take 30 ms."""
        lacking = macros_in(select) - self.macros
        for statement in macro_statements(lacking):
            self.connection.execute(statement)
        self.macros |= lacking

    # ------------------------------------------------------------------ wholly known tables

    def _as_written(self, step: Step, *, last: bool) -> Ordered:
        sql = self._guard_failures(step)
        columns = ", ".join(map(identifier, step.columns))
        held = Held(step.name, step.name, step.columns)
        if last:
            return Ordered(held, f"SELECT * FROM ({sql}) AS t({columns})", partial=False)
        kind = "TABLE" if self.uses[step.name] > 1 or _finishes(step) else "VIEW"
        self.connection.execute(f"CREATE TEMP {kind} {step.name} AS SELECT * FROM ({sql}) AS t({columns})")
        return Ordered(held, f"FROM {step.name}", partial=False)

    def _guard_failures(self, step: Step) -> str:
        """The SQL of a step; one over cells gives NULL where the database would raise, and its types."""
        if not isinstance(step, SelectStep) or step.cells is None:
            return step.sql()
        select = step.select.copy()
        types = self.types.get(step.name)
        for place, item in enumerate(list(select.expressions)):
            value = item.unalias()
            text = tried(value.sql("duckdb"), value)
            if types is not None:
                text = f"TRY_CAST({text} AS {types[place]})"
            if not list(marks_of(value)):
                value.replace(exp.Var(this=text))
        _add_key_order(select, step)
        return SelectStep(step.name, select, step.columns, step.units, step.nested).sql()

    # ------------------------------------------------------------------ set operations

    def _set_operation(self, step: SetStep) -> Ordered:
        left, right = self.tables[step.left], self.tables[step.right]
        worth = {
            name: Worth(tainted=left.of(ours).tainted or right.of(theirs).tainted)
            for name, ours, theirs in zip(step.columns, left.columns, right.columns, strict=True)
        }
        sides = [_side(held, step.columns, worth) for held in (left, right)]
        if step.operation == "UNION":
            rows = f"{sides[0]} UNION ALL {sides[1]}"
        else:
            rows = _compared(step, worth, *sides)
        if step.distinct:
            rows = distinct(rows, step.columns, worth)
        made = self.keep(step, rows, worth, maybe=True)
        rough = left.rough or right.rough
        if step.distinct or step.operation != "UNION":
            # by their values rows are compared
            rough = rough or any(holds_approximate(self.connection, held) for held in (left, right))
        return replace(made, held=replace(made.held, rough=rough))

    # ------------------------------------------------------------------ what is not followed value by value

    def _unknown(self, step: Step) -> Ordered:
        """A step that reads something unknown in a way that is not followed: all of it may be otherwise."""
        columns = ", ".join(map(identifier, step.columns))
        levels = ", ".join(f"{PARTIAL}::TINYINT AS {level_of(name)}" for name in step.columns)
        rows = f"SELECT *, {levels}, {UNDECIDED}::TINYINT AS {MAYBE} FROM ({step.sql()}) AS t({columns})"
        made = self.keep(step, rows, dict.fromkeys(step.columns, Worth(tainted=True)), maybe=True)
        # no row says nothing either
        store = identifier(made.held.store)
        nothing = ", ".join(
            ["NULL" for _ in step.columns] + [str(PARTIAL) for _ in step.columns] + [str(UNDECIDED)]
        )
        self.connection.execute(f"INSERT INTO {store} VALUES ({nothing})")
        worth = dict.fromkeys(step.columns, Worth(tainted=True))
        held = Held(step.name, made.held.store, step.columns, worth, maybe=True)
        return Ordered(held, made.sql, partial=True)

    def keep(self, step: Step, rows: str, worth: Mapping[str, Worth], *, maybe: bool) -> Ordered:
        """Store *rows*, which have every companion that *worth* and *maybe* name."""
        store = f"{step.name}$all"
        self.connection.execute(f"CREATE TEMP TABLE {identifier(store)} AS {rows}")
        kept, is_maybe = looked_at(self.connection, store, worth, maybe=maybe)
        there = f" WHERE {MAYBE} = 0" if maybe else ""
        columns = ", ".join(map(identifier, step.columns))
        self.connection.execute(
            f"CREATE TEMP VIEW {step.name} AS SELECT {columns} FROM {identifier(store)}{there}"
        )
        held = Held(step.name, store, step.columns, kept, is_maybe)
        return Ordered(held, f"SELECT * FROM {identifier(store)}{there}", partial=is_maybe)

    # ------------------------------------------------------------------ nested queries

    def nested(self, marks: Mapping[str, Nested]) -> dict[str, Callable[[Traced | None], Traced]]:
        """How each nested query is read in an expression."""
        return {mark: self._reader(use) for mark, use in marks.items()}

    def _reader(self, use: Nested) -> Callable[[Traced | None], Traced]:
        held = self.tables[use.step]
        column = held.column(use.column)
        if use.use is Use.SCALAR:
            return lambda _: self._scalar(held, column)
        if use.use is Use.EXISTS:
            return lambda _: self._exists(held)
        return lambda value: self._in(held, column, value or Traced("NULL"))

    def _scalar(self, held: Held, column: str) -> Traced:
        name, store = identifier(column), identifier(held.store)
        if held.maybe:
            return Traced(f"(SELECT {name} FROM {held.name})", str(PARTIAL))
        value = f"(SELECT {name} FROM {store})"
        worth, least = held.of(column), APPROX if held.rough else OK
        if not worth.tainted:
            return Traced(value, str(least) if least else None)
        level = f"coalesce((SELECT greatest(max({level_of(column)}), {least}) FROM {store}), {least})"
        if not worth.bounded:
            return Traced(value, level)
        lower, upper = (f"(SELECT {side(column)} FROM {store})" for side in (lower_of, upper_of))
        return Traced(value, level, lower, upper, whole=not worth.real)

    def _exists(self, held: Held) -> Traced:
        value, least = f"EXISTS (SELECT 1 FROM {held.name})", APPROX if held.rough else OK
        if not held.maybe:
            return Traced(value, str(least) if least else None)
        return Traced(value, f"CASE WHEN {value} THEN {least} ELSE {PARTIAL} END")

    def _in(self, held: Held, column: str, value: Traced) -> Traced:
        """A value is in a list where a sure row equals it; that it is not takes every row to be known."""
        name = identifier(column)
        worth = held.of(column)
        found = f"(({value.value}) IN (SELECT {name} FROM {held.name}))"
        least = APPROX if held.rough or worth.tainted else OK
        there = worst([value.level, str(least) if least else None])
        levels = [level_of(column)] if worth.tainted else []
        if not held.maybe and not any_level(self.connection, held.store, levels):
            return Traced(found, there)
        level = f"CASE WHEN coalesce({found}, FALSE) THEN {there or 0} ELSE {PARTIAL} END"
        return Traced(
            found, f"CASE WHEN {value.level or 0} > {APPROX} THEN {value.level or 0} ELSE {level} END"
        )


def _side(held: Held, columns: Sequence[str], worth: Mapping[str, Worth]) -> str:
    """One side of a set operation under the names of its result, with every companion."""
    parts = []
    for name, own in zip(columns, held.columns, strict=True):
        parts.append(f"{identifier(own)} AS {identifier(name)}")
        if worth[name].tainted:
            level = level_of(own) if held.of(own).tainted else "0::TINYINT"
            parts.append(f"{level} AS {level_of(name)}")
    parts.append(f"{MAYBE if held.maybe else '0::TINYINT'} AS {MAYBE}")
    return f"SELECT {', '.join(parts)} FROM {identifier(held.store)}"


def _compared(step: SetStep, worth: Mapping[str, Worth], left: str, right: str) -> str:
    """INTERSECT and EXCEPT: a row that may equal one of the other side may be there, or not."""
    tests, sure = [f"r.{MAYBE} >= 0"], [f"r.{MAYBE} = 0"]
    for name in step.columns:
        equal = f"l.{identifier(name)} IS NOT DISTINCT FROM r.{identifier(name)}"
        if worth[name].tainted:
            unknown = f"l.{level_of(name)} > {APPROX} OR r.{level_of(name)} > {APPROX}"
            tests.append(f"({unknown} OR {equal})")
            sure.append(f"NOT ({unknown}) AND {equal}")
        else:
            tests.append(equal)
            sure.append(equal)
    may = f"EXISTS (SELECT 1 FROM ({right}) r WHERE {' AND '.join(tests)})"
    does = f"EXISTS (SELECT 1 FROM ({right}) r WHERE {' AND '.join(sure)})"
    kept, certain = (may, does) if step.operation == "INTERSECT" else (f"NOT {does}", f"NOT {may}")
    maybe = f"CASE WHEN l.{MAYBE} > 0 THEN l.{MAYBE} WHEN {certain} THEN 0 ELSE {UNDECIDED} END"
    return f"SELECT * REPLACE (({maybe})::TINYINT AS {MAYBE}) FROM ({left}) l WHERE {kept}"


def _opaque(select: exp.Select) -> bool:
    """Whether a SELECT does something that is not followed value by value."""
    group, clause = select.args.get("group"), select.args.get("distinct")
    return (group is not None and group.find(exp.Rollup, exp.Cube, exp.GroupingSets) is not None) or (
        clause is not None and clause.args.get("on") is not None
    )


def _finishes(step: Step) -> bool:
    return isinstance(step, SelectStep) and step.cells is not None


def _reads(step: Step) -> list[str]:
    if isinstance(step, SetStep):
        return [step.left, step.right]
    if isinstance(step, PlainStep):
        return list(step.reads)
    return [table.name for table in step.select.find_all(exp.Table)] + [
        use.step for use in step.nested.values()
    ]


def _add_key_order(select: exp.Select, step: SelectStep) -> None:
    """After what is asked for, key order: the same cells give the same rows in the same order."""
    if select.args.get("distinct") is not None or not step.keys:
        return
    order = select.args.get("order")
    items = list(order.expressions) if order is not None else []
    items += [exp.Ordered(this=exp.column(key), nulls_first=False) for key in step.keys]
    select.set("order", exp.Order(expressions=items))
