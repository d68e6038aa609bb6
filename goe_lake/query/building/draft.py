"""What is collected while a query is planned: its releases, its steps, and the tables that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.lookups import Known, Lookup
from goe_lake.query.presence import Presence
from goe_lake.query.quantiles import Quantile
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rounds import Waiting
from goe_lake.query.rows import Rows
from goe_lake.query.steps import Nested, SetStep, Step, Use, marks_of
from goe_lake.query.sub_aggregates import PersonQuery
from goe_lake.release import Release

MOST_STEPS: Final = 60
MOST_RELEASES: Final = 20


@dataclass
class Cte:
    """A WITH query, built when it is first read, in the scope where it stands."""

    node: exp.CTE
    scope: Mapping[str, Cte]
    recursive: bool
    built: Rows | None = None


#: The WITH queries that a SELECT may read, by their names.
Scope: TypeAlias = Mapping[str, Cte]


@dataclass
class Draft(ABC):
    """The releases, steps and public tables of one query, as far as they are known.

    *nested* holds the nested queries by their marks, *present* those about persons; *persons* the queries of
    one row a person; *waiting*, by the place of a release, what must be known before it; *rounds*, by the
    name of a step or of cells, the round that makes them; *lookups* the tables whose rows stand in later
    rounds, which *known* has as far as they were released, and *listed* their marks.
    """

    catalog: Catalog
    releases: list[Release] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    tables: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    nested: dict[str, Nested] = field(default_factory=dict)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    persons: dict[str, PersonQuery] = field(default_factory=dict)
    present: dict[str, Presence] = field(default_factory=dict)
    quantiles: dict[int, tuple[tuple[Quantile, int], ...]] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    lookups: list[Lookup] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)

    @abstractmethod
    def query(self, node: exp.Expr, scope: Scope) -> Rows:
        """The rows of a query."""

    @abstractmethod
    def select(self, node: exp.Select, scope: Scope) -> Rows:
        """The rows of one SELECT."""

    def add(self, step: Step) -> Rows:
        """Take *step*, and return its rows."""
        if len(self.steps) >= MOST_STEPS:
            hint = "ask for it in parts"
            raise refusal(Code.TOO_MUCH_WORK, None, f"the query has more than {MOST_STEPS} steps", hint)
        self.steps.append(step)
        self.rounds[step.name] = max((self.rounds.get(table, 0) for table in step.reads), default=0)
        return Rows(step.columns, step.units, step.name)

    def name(self) -> str:
        """The name of the next step."""
        return f"s{len(self.steps) + 1}"

    def under(self, upper: Rows, lower: Rows) -> Rows:
        """The rows of *lower* under those of *upper*."""
        assert upper.step is not None
        assert lower.step is not None
        return self.add(
            SetStep(self.name(), "UNION", False, upper.step, lower.step, upper.columns, upper.units)
        )

    def mark(self, rows: Rows, use: Use, column: str | None = None) -> str:
        """A new mark for a nested use of *rows*."""
        assert rows.step is not None
        if rows.table is not None:
            self.note_table(rows.table, None)
        mark = f"n{len(self.nested) + 1}"
        self.nested[mark] = Nested(rows.step, use, column)
        return mark

    def marks(self, select: exp.Select) -> dict[str, Nested]:
        """The nested queries that *select* has marks of."""
        return {mark: self.nested[mark] for mark in marks_of(select) if mark in self.nested}

    def note_table(self, table: str, contigs: tuple[str, ...] | None) -> None:
        """Note that a step reads the public *table*, at *contigs* only where that is known."""
        known = self.tables.get(table, ())
        both = None if known is None or contigs is None else tuple(dict.fromkeys((*known, *contigs)))
        self.tables[table] = both

    def named_query(self, query: PersonQuery) -> str:
        """The name by which a SELECT reads *query*."""
        name = f"persons_{len(self.persons) + 1}"
        self.persons[name] = query
        return name


def as_queries(sources: Mapping[str, Rows]) -> dict[str, Cte]:
    """*sources* as WITH queries that are there already."""
    return {alias: Cte(exp.CTE(), {}, recursive=False, built=rows) for alias, rows in sources.items()}


def schema_of(sources: Mapping[str, Rows]) -> dict[str, dict[str, str]]:
    """The columns of every source, by the name of the table that stands for it."""
    return {rows.name_in_from(alias): rows.schema() for alias, rows in sources.items()}


def names_by_person(sources: Mapping[str, Rows]) -> frozenset[str]:
    """The names of what has one row a person."""
    return frozenset(alias for alias, rows in sources.items() if rows.by_person)
