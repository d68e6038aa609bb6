"""A query round by round: what an earlier round released stands as a constant in the next one's releases.

Most queries have one round. Where persons are compared with released values (`ldl > (SELECT avg(ldl) …)`)
those are asked first. A value that is not known as a whole is no constant: a query that needs it is
refused after the round that did not release it, and no node is asked further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from goe_lake.catalog import Catalog
from goe_lake.engine.duck import one_row
from goe_lake.engine.second_parse import BoundColumn
from goe_lake.engine.sql import identifier
from goe_lake.errors import QueryRefused
from goe_lake.federation.cells import hold_cells
from goe_lake.federation.held import Held, Ordered, level_of
from goe_lake.federation.merge import Part
from goe_lake.federation.quantiles import add_quantiles
from goe_lake.federation.spread import mark_spread, of_functions, rounded_functions
from goe_lake.federation.steps import Runner
from goe_lake.federation.workspace import final_step
from goe_lake.query import Code, Plan
from goe_lake.query.lists import MOST_LISTED
from goe_lake.query.lookups import Lookup
from goe_lake.query.plan import cells_name
from goe_lake.query.quantiles import Quantile
from goe_lake.query.rounds import MOST_VALUES, Value
from goe_lake.query.steps import Nested, SelectStep, Step, Use
from goe_lake.query.taint import APPROX, OK, PARTIAL
from goe_lake.release import Release

Ask = Callable[[Sequence[Release]], list[list[Part]]]


@dataclass(frozen=True)
class Constant:
    """What an earlier round released for one mark: its values (several in a set), and their level."""

    values: tuple[Value, ...]
    level: int


@dataclass
class Rounds:
    """One query in the workspace of *runner*.

    *ask* gives the parts of all nodes for several releases, *bind* the types of columns of SQL over the
    logical tables. *plan* and *parts* hold what was asked, once `run` is over.
    """

    plan: Plan
    runner: Runner
    catalog: Catalog
    ask: Ask
    bind: Callable[[str], Sequence[BoundColumn]]
    domain_rows: bool = False
    parts: dict[int, list[Part]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    known: dict[int, list[tuple[Value, ...]]] = field(default_factory=dict)
    least: int = OK  # the worst level of the rows that were looked up

    def run(self) -> Ordered:
        """Ask round after round, and take every step as soon as what it reads is there."""
        self.runner.expect(self.plan.steps)
        for number in range(self.plan.last_round + 1):
            self._look_up(number)
            self._ask_round(number)
            # a constant may make a step anew, but not its name
            for place, step in enumerate(self.plan.steps[:-1]):
                if self.plan.rounds[step.name] == number:
                    with final_step():
                        self.runner.take(self._typed(place))
        with final_step():
            return self.runner.take_last(self.plan.last)

    def _look_up(self, number: int) -> None:
        """Plan with the rows of the lookups that earlier rounds made; nothing that was asked may change."""
        plan = self.plan
        waiting = [place for place in range(len(plan.lookups)) if place not in self.known]
        ready = [place for place in waiting if plan.rounds[plan.lookups[place].step] < number]
        if not ready or plan.again is None:
            return
        for place in ready:
            self.known[place] = self._rows(plan.lookups[place])
        made = plan.again(self.known)
        taken = [place for place, step in enumerate(plan.steps) if plan.rounds[step.name] < number]
        if (
            any(made.releases[place] != plan.releases[place] for place in self.parts)
            or any(made.steps[place].sql() != plan.steps[place].sql() for place in taken)
            or made.rounds != plan.rounds
        ):
            hint = "write the values of the joined table as VALUES"
            raise QueryRefused(Code.INTERNAL, "the query came out otherwise with released rows", hint=hint)
        self.plan = made

    def _rows(self, lookup: Lookup) -> list[tuple[Value, ...]]:
        """The rows of *lookup*; QueryRefused (G504) where they are not known as a whole."""
        held = self.runner.tables[lookup.step]
        for column in lookup.columns:
            self.least = max(self.least, _known(self._level(held, held.column(column)), column))
        shown = ", ".join(identifier(column) for column in lookup.columns)
        most = MOST_LISTED + 1
        rows = self.runner.connection.execute(
            f"SELECT {shown} FROM {held.name} ORDER BY ALL LIMIT {most}"
        ).fetchall()
        if len(rows) == most:
            message = f"a table that is joined with persons has more than {MOST_LISTED:,} rows"
            raise QueryRefused(Code.TOO_MUCH_WORK, message, hint="narrow it with WHERE, or aggregate it")
        return [tuple(map(_value, row, lookup.columns)) for row in rows]

    def _ask_round(self, number: int) -> None:
        places = self.plan.asked_in(number)
        levels = {place: self._resolve(place) for place in places if place in self.plan.waiting}
        if not places:
            return
        # those of a lookup's rows may turn out to be alike
        asked = list(dict.fromkeys(self.plan.releases[place] for place in places))
        answered = dict(zip(asked, self.ask(asked), strict=True))
        self.parts.update({place: answered[self.plan.releases[place]] for place in places})
        for place in places:
            if place not in self.plan.bins:
                self._hold(place, max(levels.get(place, OK), self.least))

    def _resolve(self, place: int) -> int:
        """Put the constants into release number *place*; the worst level of them."""
        waiting = self.plan.waiting[place]
        found = {mark: self._constant(use) for mark, use in waiting.constants.items()}
        values = {mark: constant.values for mark, constant in found.items()}
        self.plan = self.plan.resolved(place, values)
        return max(constant.level for constant in found.values())

    def _hold(self, place: int, level: int) -> None:
        """Keep the cells of release number *place*; none is worth more than the constants in it."""
        name, release, parts = cells_name(place), self.plan.releases[place], self.parts[place]
        shown = self.domain_rows and self.plan.single is not None
        held = hold_cells(name, release, parts, self.catalog, self.runner.connection, domain_rows=shown)
        asked = [(its, self.parts[bins]) for its, bins in self.plan.quantiles.get(place, ())]
        if asked:
            held, errors = add_quantiles(held, release, asked, self.runner.connection)
            self._note_errors([its for its, _ in asked], errors)
        held = self._at_best(held, level) if level else held
        if any(part.answer.spread is not None for part in parts):
            held = mark_spread(held, release.measures, self.runner.connection)
        elif rounded := of_functions(release):
            held = mark_spread(held, rounded, self.runner.connection)
            said = rounded_functions(release, self.catalog.tables["samples"].by_name)
            self.notices += [text for text in said if text not in self.notices]
        self.runner.tables[name] = held

    def _note_errors(self, quantiles: list[Quantile], errors: dict[str, float]) -> None:
        """Say once of each column how far its approximate quantiles may be from the pooled ones."""
        columns = dict.fromkeys((its.column, its.unit) for its in quantiles)
        for column, unit in columns:
            own = [its for its in quantiles if its.column == column and errors[its.name]]
            if not own:
                continue
            texts = dict.fromkeys(its.text for its in own)
            what = next(iter(texts)) if len(texts) == 1 else f"quantiles of {column.table}.{column.column}"
            error = max(errors[its.name] for its in own)
            near = f"{error:.4g}{f' {unit}' if unit else ''}"
            self.notices.append(
                f"≈: {what} within {near} of the pooled value; bounds of each value are given"
            )

    def _at_best(self, held: Held, level: int) -> Held:
        store = identifier(held.store)
        sets = ", ".join(f"{level_of(name)} = greatest({level_of(name)}, {level})" for name in held.columns)
        self.runner.connection.execute(f"UPDATE {store} SET {sets}")
        return replace(held, worth={name: replace(held.of(name), tainted=True) for name in held.columns})

    def _typed(self, place: int) -> Step:
        """The step number *place*; one over cells is given the types that its columns must have."""
        step = self.plan.steps[place]
        if isinstance(step, SelectStep) and step.typed_as is not None:
            types = [column.type for column in self.bind(step.typed_as)]
            self.runner.types = {**self.runner.types, step.name: types}
        return step

    def _constant(self, use: Nested) -> Constant:
        """The released value of *use*; QueryRefused (G504) where it is not known as a whole."""
        held = self.runner.tables[use.step]
        column = held.column(use.column)
        if use.use is Use.EXISTS:
            (there,) = one_row(self.runner.connection, f"SELECT EXISTS (SELECT 1 FROM {held.name})")
            level = (APPROX if held.rough else OK) if there or not held.maybe else PARTIAL
            return Constant((bool(there),), _known(level, column))
        level = _known(self._level(held, column), column)
        most = MOST_VALUES + 1 if use.use is Use.IN else 2
        rows = self.runner.connection.execute(
            f"SELECT DISTINCT {identifier(column)} FROM {held.name} ORDER BY 1 LIMIT {most}"
            if use.use is Use.IN
            else f"SELECT {identifier(column)} FROM {held.name} LIMIT {most}"
        ).fetchall()
        values = tuple(_value(value, column) for (value,) in rows)
        if use.use is Use.IN:
            return Constant(values, level)
        if use.use is Use.ALLELE:
            # alleles that are not listed, of fewer than k carriers, would add rows of these
            return Constant(values or (None,), max(level, APPROX))
        if len(values) > 1:
            hint = "let it give one row, e.g. by an aggregate without GROUP BY"
            raise QueryRefused("G602", f"the nested query for {column} gives several rows", hint=hint)
        return Constant(values or (None,), level)

    def _level(self, held: Held, column: str) -> int:
        if held.maybe:
            return PARTIAL
        least = APPROX if held.rough else OK
        if not held.of(column).tainted:
            return least
        asked = f"SELECT coalesce(max({level_of(column)}), 0) FROM {identifier(held.store)}"
        (level,) = one_row(self.runner.connection, asked)
        return max(int(level), least)


def _known(level: int, column: str) -> int:
    if level > APPROX:
        raise QueryRefused(
            Code.CONSTANT_NOT_KNOWN,
            f"{column} of an earlier round is withheld in whole or in part, and persons are compared with it",
            hint="take it over more persons, keep to released rows (WHERE status = 'ok'), or write a number",
        )
    return level


def _value(value: Any, column: str) -> Value:
    if value is None or isinstance(value, bool | int | float | Decimal | str):
        return value
    kind = "a date" if isinstance(value, date) else "no number, text or truth"
    raise QueryRefused(
        Code.CONSTANT, f"{column} of an earlier round is {kind}", hint="cast it, or write it out"
    )
