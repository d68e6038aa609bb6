"""The steps that the gateway takes above the releases; each makes one table of earlier ones.

Table names: `cells`, `cells2`, … hold the merged cells of the releases (keys k0, k1, … and measures
m0, m1, …); `s1`, `s2`, … what earlier steps made; the rest are public tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlglot import exp

DIALECT = "duckdb"


class Use(StrEnum):
    """How an expression uses a nested query."""

    SCALAR = "scalar"
    EXISTS = "exists"
    IN = "in"
    ALLELE = "allele"  # the one value that the rows have; persons are read at that allele


@dataclass(frozen=True)
class Nested:
    """A nested query in an expression: the step that makes its rows, and how they are used.

    *column* is the one that is read where the rows have several (None: they have one).
    """

    step: str
    use: Use
    column: str | None = None


@dataclass(frozen=True)
class SelectStep:
    """One SELECT over earlier tables, every column with its table; nested queries are `$name` in it.

    Where it finishes a release, *cells* names the table of its cells, *typed_as* is SQL over the
    logical tables whose columns have the types that the step's must have, *keys* are the key columns.
    *origin* is the SELECT before its measures were taken apart, as *typed_as* writes it.
    """

    name: str
    select: exp.Select
    columns: tuple[str, ...]
    units: tuple[str, ...]
    nested: Mapping[str, Nested]
    cells: str | None = None
    typed_as: str | None = None
    keys: tuple[str, ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """The tables that the step reads."""
        tables = {table.name for table in self.select.find_all(exp.Table)}
        return frozenset(tables | {nested.step for nested in self.nested.values()})

    def sql(self) -> str:
        """The step as SQL over earlier tables."""
        return with_nested(self.select, self.nested).sql(DIALECT)


@dataclass(frozen=True)
class SetStep:
    """UNION, INTERSECT or EXCEPT of two earlier tables."""

    name: str
    operation: str
    distinct: bool
    left: str
    right: str
    columns: tuple[str, ...]
    units: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        """The tables that the step reads."""
        return frozenset({self.left, self.right})

    def sql(self) -> str:
        """The step as SQL over earlier tables."""
        every = "" if self.distinct else " ALL"
        return f"SELECT * FROM {self.left} {self.operation}{every} SELECT * FROM {self.right}"


@dataclass(frozen=True)
class PlainStep:
    """SQL that is run as it is: constants, number ranges, and recursion over released and public rows."""

    name: str
    text: str
    reads: frozenset[str]
    columns: tuple[str, ...]
    units: tuple[str, ...]

    def sql(self) -> str:
        """The step as SQL over earlier tables."""
        return self.text


Step = SelectStep | SetStep | PlainStep


def with_nested(select: exp.Select, nested: Mapping[str, Nested]) -> exp.Select:
    """*select* with its nested queries written out as queries of their steps' tables."""
    if not nested:
        return select
    select = select.copy()
    for mark in list(select.find_all(exp.Placeholder)):
        use = nested[mark.name]
        shown = exp.column(exp.to_identifier(use.column, quoted=True)) if use.column else exp.Star()
        rows = exp.select(shown).from_(use.step)
        parent = mark.parent
        if use.use is Use.EXISTS:
            mark.replace(exp.Exists(this=rows))
        elif use.use is Use.IN and isinstance(parent, exp.In):
            parent.set("expressions", None)
            parent.set("query", exp.Subquery(this=rows))
        else:
            mark.replace(exp.Subquery(this=rows))
    return select


def marks_of(node: exp.Expr) -> Iterator[str]:
    """The names of the nested queries in *node*."""
    return (mark.name for mark in node.find_all(exp.Placeholder))


def named_table(name: str, alias: str) -> exp.Table:
    """The table *name*, read as *alias*."""
    return exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier(alias)))
