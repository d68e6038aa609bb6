"""A SELECT that reads queries of one row a person, as one over tables alone: such a query adds columns.

Whoever has no row in it is left out by a condition on its column `present`; an outer join asks for none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.checks import is_person, is_person_equality
from goe_lake.query.clauses import set_where
from goe_lake.query.refusals import Code, called, refusal
from goe_lake.query.relation import and_parts, reached_by
from goe_lake.query.steps import named_table
from goe_lake.query.sub_aggregates import OWN, PersonQuery
from goe_lake.release import PRESENT, PerPerson

#: The scan of persons where a query reads none itself.
PERSONS = "_persons"


@dataclass(frozen=True)
class Lowered:
    """*query* reads tables of *catalog* and *derived* alone; *typed*, if any, has its types."""

    query: exp.Select
    derived: tuple[PerPerson, ...]
    typed: exp.Select | None
    catalog: Catalog


def lowered(
    query: exp.Select, persons: Mapping[str, PersonQuery], present: frozenset[str], catalog: Catalog
) -> Lowered:
    """*query*, in full names, with each table of *persons* as columns of the person.

    Tables in *present* are read for their column `present` only, which says whether a person has a row.
    """
    typed = _typed(query, persons)
    work = _Lowering(query.copy(), persons, present)
    work.run()
    known = catalog.with_tables(query.table for query in persons.values())
    return Lowered(work.query, work.derived(), typed, known)


def _typed(query: exp.Select, persons: Mapping[str, PersonQuery]) -> exp.Select:
    query = query.copy()
    for table in list(query.find_all(exp.Table)):
        if table.name in persons:
            alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name))
            table.replace(exp.Subquery(this=persons[table.name].raw.copy(), alias=alias))
    return query


@dataclass
class _Lowering:
    query: exp.Select
    persons: Mapping[str, PersonQuery]
    present: frozenset[str]

    def run(self) -> None:
        """Rewrite `query`."""
        holders = [self.query.args["from_"], *(self.query.args.get("joins") or ())]
        self.aliases = {holder.this.alias_or_name: holder.this.name for holder in holders}
        self.mine = {alias: name for alias, name in self.aliases.items() if name in self.persons}
        self.outer = {join.this.alias_or_name for join in holders[1:] if join.args.get("side")}
        parts = list(self._parts(holders[1:]))
        linked = [part for part in parts if is_person_equality(part)]
        scans = [alias for alias in self.aliases if alias not in self.mine]
        anchor = next((alias for alias in scans if self.aliases[alias] != "variants"), PERSONS)
        self._check_linked(linked, holders)
        joined = [holder.this for holder in holders if holder.this.alias_or_name not in (anchor, *self.mine)]
        self._replace_columns(anchor)
        self.query.set("from_", exp.From(this=self._scan(anchor, holders)))
        cross = [*joined, *(self._table(alias) for alias in self.mine)]
        self.query.set("joins", [exp.Join(this=table, kind="CROSS") for table in cross])
        rest = [part for part in self._replaced(parts) if not is_person_equality(part)]
        rest += [
            exp.EQ(this=_person(anchor), expression=_person(alias))
            for alias in scans
            if alias != anchor and self.aliases[alias] != "variants" and self._is_linked(alias, linked)
        ]
        for alias, name in self.mine.items():
            if alias not in self.outer and name not in self.present:
                rest += and_parts(self._there(alias))
        set_where(self.query, rest)

    def derived(self) -> tuple[PerPerson, ...]:
        """The sub-aggregates, with the columns that are read."""
        found = []
        for alias, name in self.mine.items():
            part = self.persons[name].part
            read = {column.name for column in self.query.find_all(exp.Column) if column.table == alias}
            outputs = tuple(output for output in part.outputs if output.name in read)
            found.append(replace(part, alias=alias, outputs=outputs))
        return tuple(found)

    def _scan(self, anchor: str, holders: list[exp.Expr]) -> exp.Expr:
        found = next((h.this for h in holders if h.this.alias_or_name == anchor), None)
        return found if found is not None else named_table("samples", PERSONS)

    def _table(self, alias: str) -> exp.Expr:
        return named_table(self.persons[self.mine[alias]].table.name, alias)

    def _parts(self, joins: list[exp.Expr]) -> Iterator[exp.Expr]:
        """Every part of ON and WHERE, with those of outer joins but for the person's checked away."""
        for join in joins:
            on = join.args.get("on")
            for part in and_parts(on) if on is not None else ():
                if join.args.get("side") and not is_person_equality(part):
                    hint = "put the condition into the nested query, or into WHERE"
                    raise refusal(Code.JOIN_KIND, part, "an outer join has a further condition", hint)
                yield part
        where = self.query.args.get("where")
        yield from and_parts(where.this) if where is not None else ()

    def _replaced(self, parts: list[exp.Expr]) -> list[exp.Expr]:
        """*parts* as they stand after the columns in them were replaced."""
        holder = exp.Tuple(expressions=[part.copy() for part in parts])
        self._rewrite(holder)
        return list(holder.expressions)

    def _check_linked(self, linked: list[exp.Expr], holders: list[exp.Expr]) -> None:
        """Each of them joins on sample_id with what else is about persons."""
        if len(self.aliases) < 2:
            return
        for holder in holders:
            alias = holder.this.alias_or_name
            if alias in self.mine and not self._is_linked(alias, linked):
                hint = f"write JOIN {alias} USING (sample_id)"
                raise refusal(Code.PERSON_JOIN, holder, f"{alias} is not joined on sample_id", hint)

    def _is_linked(self, alias: str, linked: list[exp.Expr]) -> bool:
        """Whether equalities lead from *alias* to every other name about persons."""
        about = {name for name, table in self.aliases.items() if table != "variants"}
        return about <= reached_by(alias, linked)

    def _there(self, alias: str) -> exp.Expr:
        """Whether the person has a row."""
        column: exp.Expr = exp.column(PRESENT, table=alias)
        having = self.persons[self.mine[alias]].having
        return column if having is None else exp.and_(column, _named(having, alias))

    def _replace_columns(self, anchor: str) -> None:
        self.anchor = anchor
        names = ("group", "having", "qualify", "order", "distinct")
        for clause in (*self.query.expressions, *(self.query.args.get(name) for name in names)):
            if clause is not None:
                self._rewrite(clause)

    def _rewrite(self, node: exp.Expr) -> None:
        """Replace the columns of `mine` beneath *node*."""
        for column in list(node.find_all(exp.Column)):
            if column.table not in self.mine or is_person_equality(column.parent):
                continue
            if is_person(column):
                self._count(column)
            else:
                column.replace(self._value(column))

    def _value(self, column: exp.Column) -> exp.Expr:
        alias = column.table
        query = self.persons[self.mine[alias]]
        if column.name == PRESENT and self.mine[alias] in self.present:
            there = self._there(alias)
            return there if isinstance(there, exp.Column) else exp.Paren(this=there)
        value = query.columns[column.name]
        assert value is not None
        value = _named(value, alias)
        called(value, column)
        if alias in self.outer and (query.having is not None or not isinstance(value, exp.Column)):
            return called(exp.Case(ifs=[exp.If(this=self._there(alias), true=value)]), column)
        return value if isinstance(value, exp.Column) else exp.Paren(this=value)

    def _count(self, column: exp.Column) -> None:
        """`count(b.sample_id)`, `b.sample_id IS NULL`: of an outer join only who has a row is there."""
        alias, parent = column.table, column.parent
        if alias not in self.outer:
            column.replace(_person(self.anchor))
        elif isinstance(parent, exp.Is) and isinstance(parent.expression, exp.Null):
            parent.replace(
                exp.Not(this=exp.Is(this=exp.Paren(this=self._there(alias)), expression=exp.true()))
            )
        elif isinstance(parent, exp.Count):
            column.replace(exp.Case(ifs=[exp.If(this=self._there(alias), true=exp.Literal.number(1))]))
        elif isinstance(parent, exp.Distinct) and isinstance(parent.parent, exp.Count):
            counted = parent.parent
            if isinstance(counted.parent, exp.Filter):
                hint = "write count(DISTINCT sample_id) FILTER over the nested query's own columns"
                raise refusal(
                    Code.SAMPLE_ID, column, "persons of an outer join are counted with FILTER", hint
                )
            column.replace(_person(self.anchor))
            counted.replace(exp.Filter(this=counted.copy(), expression=exp.Where(this=self._there(alias))))
        else:
            hint = "count persons with count(DISTINCT sample_id)"
            raise refusal(Code.SAMPLE_ID, column, "sample_id is used as a value", hint)


def _named(value: exp.Expr, alias: str) -> exp.Expr:
    """*value* over the columns of *alias*."""
    value = value.copy()
    for column in value.find_all(exp.Column):
        if column.table == OWN:
            column.set("table", exp.to_identifier(alias))
    return value


def _person(alias: str) -> exp.Column:
    return exp.column("sample_id", table=alias)
