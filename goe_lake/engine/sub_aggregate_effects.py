"""Sub-aggregates without what changes too few persons of a cell.

Whether a person has a row in a sub-aggregate, and what it says of the person, follows from conditions of
its own. Each part of these is tried as a part of an outer condition is: it stays only where leaving it out
changes what the release counts or sums of enough persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa

from goe_lake.engine.derived import derive, rows_beneath
from goe_lake.engine.relation import Reading, is_bin
from goe_lake.engine.sql import identifier, safe_sql
from goe_lake.engine.sub_aggregate_parts import NOTHING, Parts, State, Step
from goe_lake.release import (
    PRESENT,
    Call,
    ColumnRef,
    Expr,
    Measure,
    PerPerson,
    Release,
    columns_in,
    stored_in,
)

#: What is left out of each sub-aggregate, in the order of the release.
States = tuple[State, ...]
Cells = frozenset[int]
#: How a second form of a sub-aggregate is called beside the first.
OTHER = "$"


@dataclass(frozen=True, eq=False)
class Variant:
    """*release* with parts of its sub-aggregates left out, for the cells whose keys are in *own* (None: all).

    *approximate* says of each measure whether any of them reads what was left out.
    """

    release: Release
    own: pa.Table | None
    approximate: tuple[bool, ...]


def variants(asked: Reading, least: int) -> list[Variant]:
    """*asked* without the parts of sub-aggregates that change fewer than *least* persons of a cell."""
    nothing = [Variant(asked.release, None, (False,) * len(asked.release.measures))]
    if least <= 1 or not asked.release.relation.derived:
        return nothing
    work = _Work(asked, least)
    return work.variants() if any(True for _ in work.steps) else nothing


@dataclass(frozen=True, eq=False)
class _Work:
    asked: Reading
    least: int

    @cached_property
    def parts(self) -> tuple[Parts, ...]:
        """The parts of each sub-aggregate."""
        return tuple(self._parts_of(part) for part in self.asked.release.relation.derived)

    @property
    def steps(self) -> Iterator[tuple[int, Step]]:
        """Every part, with the place of its sub-aggregate."""
        for place, parts in enumerate(self.parts):
            yield from ((place, step) for step in parts.steps())

    def _parts_of(self, part: PerPerson) -> Parts:
        session = self.asked.session
        release = self.asked.release
        deciding = [
            *release.conditions,
            *(key.expression for key in release.keys),
            *(measure.where for measure in release.measures if measure.where is not None),
        ]
        named = {c for e in deciding for c in columns_in(e) if c.table == part.alias}
        read = {stored.column for column in named for stored in stored_in(column)} - {PRESENT}
        columns = tuple(output.name for output in part.outputs if output.name in read)
        return Parts(part, rows_beneath(part, session), columns, self._few_weights(part))

    def _few_weights(self, part: PerPerson) -> Mapping[str, frozenset[Decimal]]:
        """The weights of each column that fewer than `least` persons carry together with all such."""
        session = self.asked.session
        known = session.derived[self.asked.tables[part.alias]].columns
        found = {}
        for output in part.outputs:
            factors = list(dict.fromkeys(weight.factor for weight in output.weights))
            carriers = known[output.name].carriers
            if len(factors) < 2 or carriers is None:
                continue
            counted = (
                f"SELECT c // 2, count(DISTINCT person), list(DISTINCT person) FROM {identifier(carriers)} "
                "WHERE c % 2 = 0 GROUP BY ALL"
            )
            rows = session.connection.execute(counted).fetchall()
            many = {factors[weight] for weight, persons, _ in rows if persons >= self.least}
            few = frozenset(factor for factor in factors if factor and factor not in many)
            everybody = {p for weight, _, persons in rows if factors[weight] in few for p in persons}
            if few and len(everybody) < self.least:
                found[output.name] = few
        return found

    # cells --------------------------------------------------------------------------------------------

    @cached_property
    def by(self) -> list[tuple[str, Expr]]:
        """The keys by which it is judged: those of the cells that no sub-aggregate decides."""
        if self.on_genotypes:
            return []
        release = self.asked.release
        # beside margins that of the coarsest, as of any condition (`low_effect.judged_by`)
        names = set.intersection({key.name for key in release.keys}, *map(set, release.margins))
        return [
            (key.name, key.expression)
            for key in release.keys
            if key.name in names
            and not is_bin(key.expression)
            and not self.asked.derived_in((key.expression,))
        ]

    @cached_property
    def on_genotypes(self) -> bool:
        """Whether the release reads genotypes beside: then it is judged by what is said of each person."""
        return self.asked.scans("genotypes")

    @cached_property
    def _keys(self) -> pa.Table | None:
        """The keys of each cell; None where there is one only."""
        if not self.by:
            return None
        shown = ", ".join(f"{safe_sql(key, self.asked.resolve)} AS {name}" for name, key in self.by)
        sql = f"SELECT DISTINCT {shown} FROM {self.asked.source()}"
        table: pa.Table = self.asked.session.connection.sql(sql).to_arrow_table()
        return table

    @cached_property
    def _places(self) -> dict[tuple[Any, ...], int]:
        if self._keys is None:
            return {(): 0}
        columns = [column.to_pylist() for column in self._keys.columns]
        return {_row(row): place for place, row in enumerate(zip(*columns, strict=True))}

    # states -------------------------------------------------------------------------------------------

    def variants(self) -> list[Variant]:
        """The states of the cells, and the release in each."""
        settled: dict[States, Cells] = {}
        waiting: list[tuple[States, Cells]] = [
            ((NOTHING,) * len(self.parts), frozenset(self._places.values()))
        ]
        while waiting:
            before, some = waiting.pop()
            for state, cells in self._pass(before, some):
                if state == before:
                    settled[state] = settled.get(state, frozenset()) | cells
                else:
                    waiting.append((state, cells))
        return [self._variant(state, cells, len(settled)) for state, cells in settled.items()]

    def _pass(self, before: States, some: Cells) -> list[tuple[States, Cells]]:
        """Every part tried once, in order, against what is left."""
        states = [(before, some)]
        for place, step in self.steps:
            found = []
            for state, cells in states:
                if any(outer.covers(step) for outer in state[place]):
                    found.append((state, cells))
                    continue
                less = frozenset(inner for inner in state[place] if not step.covers(inner)) | {step}
                then = (*state[:place], less, *state[place + 1 :])
                changed = self._changed(place, state, then)
                few = frozenset(cell for cell in cells if changed.get(cell, 0) < self.least)
                found += [(then, few), (state, cells - few)]
            states = [(state, cells) for state, cells in found if cells]
        return states

    def _variant(self, state: States, cells: Cells, states: int) -> Variant:
        own = None
        if states > 1:
            assert self._keys is not None
            own = self._keys.take(pa.array(sorted(cells)))
        less = {part.part.alias for part, left_out in zip(self.parts, state, strict=True) if left_out}
        release = self.asked.release
        whole = _reads((*release.conditions, *(key.expression for key in release.keys)), less)
        approximate = tuple(whole or _reads(_read_by(measure), less) for measure in release.measures)
        return Variant(self._release(state), own, approximate)

    def _derived(self, state: States) -> tuple[PerPerson, ...]:
        return tuple(part.without(left_out) for part, left_out in zip(self.parts, state, strict=True))

    def _release(self, state: States) -> Release:
        release = self.asked.release
        return replace(release, relation=replace(release.relation, derived=self._derived(state)))

    # how many are changed -----------------------------------------------------------------------------

    def _changed(self, place: int, now: States, then: States) -> dict[int, int]:
        """How many persons of each cell count otherwise in *then* than in *now*, which differ at *place*."""
        alias = self.parts[place].part.alias
        release = self._release(now)
        other = replace(self._derived(then)[place], alias=alias + OTHER)
        both = replace(release.relation, derived=(*release.relation.derived, other))
        reading = derive(replace(release, relation=both), self.asked.session)
        differs = self._differs(reading, alias)
        source = reading.source()
        if self.on_genotypes:
            source = " ".join(["samples p", *reading.derived_joins()])
        # DuckDB plans distinct values for longer than it counts rows
        persons = "count(*)" if reading.has_row_a_person() else "count(DISTINCT p.person)"
        shown = "".join(f"{safe_sql(key, reading.resolve)} AS {name}, " for name, key in self.by)
        counted = (
            f"SELECT {shown}{persons} FILTER ({differs}) AS n FROM {source}"
            f"{' GROUP BY ALL' if self.by else ''}"
        )
        rows = reading.session.connection.execute(counted).fetchall()
        return {self._places[_row(keys)]: n for *keys, n in rows}

    def _differs(self, reading: Reading, alias: str) -> str:
        """SQL of whether a row of *reading* counts otherwise by the other form of *alias*."""

        def apart(expression: Expr) -> str:
            forms = (expression, _other(expression, alias))
            return " IS DISTINCT FROM ".join(safe_sql(form, reading.resolve) for form in forms)

        if self.on_genotypes:
            columns = self._columns_of(alias)
            return " OR ".join(apart(ColumnRef(alias, column)) for column in columns) or "FALSE"
        release = self.asked.release
        now = _all_hold(reading, release.conditions)
        then = _all_hold(reading, [_other(part, alias) for part in release.conditions])
        # an interval is of the values themselves
        keys = [_of_interval(key.expression) for key in release.keys]
        inside = [apart(key) for key in keys if _reads((key,), {alias})]
        for measure in release.measures:
            if not _reads(_read_by(measure), {alias}):
                continue
            told = [apart(factor) for factor in measure.values if factor.table == alias]
            if measure.where is None:
                inside += told
                continue
            kept, other = (_holds(reading, form) for form in (measure.where, _other(measure.where, alias)))
            # one that reads nothing of it says the same
            inside += [f"{kept} <> {other}"] if kept != other else []
            inside += [f"({kept} AND {one})" for one in told]
        # many measures share their filters and arguments, and DuckDB plans each text
        changed = f"(({now}) AND ({' OR '.join(dict.fromkeys(inside)) or 'FALSE'}))"
        return changed if now == then else f"(({now}) <> ({then}) OR {changed})"

    def _columns_of(self, alias: str) -> list[str]:
        release = self.asked.release
        read = [column for e in release.expressions() for column in columns_in(e) if column.table == alias]
        return list(dict.fromkeys(stored.column for column in read for stored in stored_in(column)))


def _row(values: Sequence[Any]) -> tuple[Any, ...]:
    """*values* as they are looked up: what is not a number is equal to itself here."""
    return tuple("NaN" if value != value else value for value in values)


def _of_interval(key: Expr) -> Expr:
    """The column whose intervals *key* is; any other key itself."""
    return key.args[0] if isinstance(key, Call) and is_bin(key) else key


def _read_by(measure: Measure) -> tuple[Expr, ...]:
    return (*measure.values, *((measure.where,) if measure.where is not None else ()))


def _reads(expressions: Sequence[Expr], aliases: set[str]) -> bool:
    """Whether any of *expressions* reads a column of *aliases*."""
    return any(column.table in aliases for expression in expressions for column in columns_in(expression))


def _other(expression: Expr, alias: str) -> Expr:
    """*expression* with the other form of *alias*."""
    if isinstance(expression, ColumnRef):
        return replace(expression, table=alias + OTHER) if expression.table == alias else expression
    if isinstance(expression, Call):
        return Call(expression.op, tuple(_other(argument, alias) for argument in expression.args))
    return expression


def _holds(reading: Reading, condition: Expr) -> str:
    return f"coalesce({safe_sql(condition, reading.resolve)}, FALSE)"


def _all_hold(reading: Reading, conditions: Sequence[Expr]) -> str:
    return " AND ".join(_holds(reading, condition) for condition in conditions) or "TRUE"
