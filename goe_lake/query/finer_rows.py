"""Groups of a person's rows, `GROUP BY sample_id, gene`, that are summed, averaged or counted by gene.

What is summed of sums is a sum of the rows themselves, and what is counted are persons. So such a query is
read as rows about persons, and the SELECT around it as one over these: a release like any other.

All else (a spread, a regression, who has two in one gene) is of one row a person for each gene. Where the
query names the genes, it is such a query for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from goe_lake.query.checks import group_keys, is_person
from goe_lake.query.clauses import is_given, set_where, take_clauses
from goe_lake.query.language import aggregates_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import and_parts

#: As many values as are asked for by one query each.
MOST_NAMED: Final = 20
_NUMBER = exp.Literal.number


@dataclass(frozen=True)
class Finer:
    """Of rows by person and *keys*: the columns that stand for *sums*, and which one is the *person*."""

    keys: tuple[str, ...]
    sums: frozenset[str]
    person: str

    def renamed(self, names: Mapping[str, str]) -> Finer:
        """The same where columns are called otherwise."""
        sums = frozenset(names[name] for name in self.sums)
        return Finer(tuple(names[name] for name in self.keys), sums, names[self.person])


def finer_rows(query: exp.Select) -> tuple[exp.Select, Finer] | None:
    """The rows that *query*, in full names, groups by person and further columns than the person's own.

    None where it groups by the person alone, or asks for more than sums and counts.
    """
    tables = {table.alias_or_name: table.name for table in query.find_all(exp.Table)}
    keys = group_keys(query)
    further = [key for key in keys if not is_person(key) and not _of_person(key, tables)]
    if not further or query.args.get("having") is not None:
        return None
    shown, sums, names = [], set(), {}
    for item in query.expressions:
        value = item.unalias()
        if value not in keys:
            summed = _summed(value)
            if summed is None:
                return None
            sums.add(item.alias)
            value = summed
        names[value] = item.alias
        shown.append(exp.alias_(value.copy(), item.alias, quoted=True))
    person = next((alias for value, alias in names.items() if is_person(value)), None)
    if person is None or not all(key in names for key in further):
        return None
    rows = exp.select(*shown)
    take_clauses(rows, query, ("from_", "joins", "where"))
    return rows, Finer(tuple(names[key] for key in further), frozenset(sums), person)


@dataclass(frozen=True)
class Named:
    """The query of one row a person for each value of one column that conditions name; *key* shows it."""

    key: str
    parts: tuple[tuple[exp.Expr, exp.Select], ...]


def by_name(query: exp.Select) -> Named | None:
    """*query*, in full names, for each value of its one further key; None where conditions name no values."""
    tables = {table.alias_or_name: table.name for table in query.find_all(exp.Table)}
    further = [key for key in group_keys(query) if not is_person(key) and not _of_person(key, tables)]
    shown = [item for item in query.expressions if item.unalias() in further]
    where = query.args.get("where")
    if len(further) != 1 or not isinstance(further[0], exp.Column) or len(shown) > 1 or where is None:
        return None
    found = [(part, _values(part, further[0])) for part in and_parts(where.this)]
    named = next(((part, values) for part, values in found if values), None)
    if named is None or len(named[1]) > MOST_NAMED:
        return None
    made = []
    for value in dict.fromkeys(named[1]):
        part = query.copy()
        part.set("expressions", [item for item in part.expressions if item.unalias() != further[0]])
        keys = [key.copy() for key in part.args["group"].expressions if key != further[0]]
        part.set("group", exp.Group(expressions=keys))
        one = exp.EQ(this=further[0].copy(), expression=value.copy())
        set_where(part, [its for its, _ in found if its is not named[0]] + [one])
        made.append((value, part))
    return Named(shown[0].alias if shown else "", tuple(made))


def _values(part: exp.Expr, key: exp.Column) -> list[exp.Expr]:
    """The texts that the condition *part* says *key* is one of; none where it does not."""
    listed: list[exp.Expr] = []
    if isinstance(part, exp.EQ) and key in (part.left, part.right):
        listed = [part.right if part.left == key else part.left]
    elif isinstance(part, exp.In) and part.this == key:
        listed = part.expressions
    return listed if all(isinstance(value, exp.Literal) and value.is_string for value in listed) else []


def _of_person(key: exp.Expr, tables: dict[str, str]) -> bool:
    return all(tables.get(column.table) == "samples" for column in key.find_all(exp.Column))


def _summed(value: exp.Expr) -> exp.Expr | None:
    """What a row adds to the aggregate *value*; None where that is no sum or count."""
    where = value.expression.this if isinstance(value, exp.Filter) else None
    inner = value.this if isinstance(value, exp.Filter) else value
    if isinstance(inner, exp.Sum):
        return inner.this if where is None else _case(where, inner.this, None)
    if isinstance(inner, exp.CountIf):
        condition = inner.this if where is None else exp.and_(where, inner.this, copy=True)
        return _case(condition, _NUMBER(1), _NUMBER(0))
    if isinstance(inner, exp.Count) and not isinstance(inner.this, exp.Distinct):
        whole = isinstance(inner.this, exp.Star | exp.Literal)
        parts = [part for part in (where, None if whole else is_given(inner.this)) if part is not None]
        return _case(exp.and_(*parts, copy=True), _NUMBER(1), _NUMBER(0)) if parts else _NUMBER(1)
    return None


def _case(condition: exp.Expr, value: exp.Expr, other: exp.Expr | None) -> exp.Case:
    return exp.Case(ifs=[exp.If(this=condition.copy(), true=value.copy())], default=other)


def over_rows(node: exp.Select, alias: str, finer: Finer) -> None:
    """Let *node*, in full names, which reads groups of rows as *alias*, read the rows themselves."""
    keys = {key.name for key in group_keys(node) if isinstance(key, exp.Column) and key.table == alias}
    missing = [name for name in finer.keys if name not in keys]
    if missing:
        raise unfit(node, finer, f"rows by person and {missing[0]} are not grouped by {missing[0]}")
    for item in [part for clause in node.iter_expressions() for part in aggregates_in(clause)]:
        _of_rows(item, alias, finer)
    for column in node.find_all(exp.Column):
        summed = column.find_ancestor(exp.Sum, exp.Filter, exp.Select)
        if column.table == alias and column.name in finer.sums and isinstance(summed, exp.Select):
            raise unfit(column, finer, f"{column.name} is a value of a person and {', '.join(finer.keys)}")


def _of_rows(item: exp.Expr, alias: str, finer: Finer) -> None:
    """Replace one aggregate over groups by what it is over their rows."""
    where = item.expression.this if isinstance(item, exp.Filter) else None
    inner = item.this if isinstance(item, exp.Filter) else item
    for column in where.find_all(exp.Column) if where is not None else ():
        if column.table == alias and column.name in finer.sums:
            raise unfit(column, finer, f"{column.name} is a value of a person and {', '.join(finer.keys)}")
    value = inner.this.unnest() if isinstance(inner.this, exp.Expr) else None
    of_sum = isinstance(value, exp.Column) and value.table == alias and value.name in finer.sums
    if isinstance(inner, exp.Count) and not isinstance(value, exp.Distinct):
        whole = value is None or is_person(value) or isinstance(value, exp.Star | exp.Literal)
        own = isinstance(value, exp.Column) and (value.table, value.name) == (alias, finer.person)
        counted = None if whole or own else value
        item.replace(_persons(alias, finer, where, counted))
    elif isinstance(inner, exp.Avg) and of_sum and value is not None:
        total: exp.Expr = exp.Sum(this=value.copy())
        if where is not None:
            total = exp.Filter(this=total, expression=exp.Where(this=where.copy()))
        persons = exp.Nullif(this=_persons(alias, finer, where, value), expression=_NUMBER(0))
        item.replace(exp.Paren(this=exp.Div(this=total, expression=persons)))
    elif not isinstance(inner, exp.Sum | exp.Count) or (isinstance(inner, exp.Sum) and not of_sum):
        raise unfit(item, finer, "over rows by person and more, only sums, means and counts are answered")


def _persons(alias: str, finer: Finer, where: exp.Expr | None, value: exp.Expr | None) -> exp.Expr:
    """How many persons have a group, or a *value* in it: in each group of the keys a person has one."""
    person = exp.column(exp.to_identifier(finer.person, quoted=True), table=alias)
    counted: exp.Expr = exp.Count(this=exp.Distinct(expressions=[person]), big_int=True)
    parts = [part for part in (where, None if value is None else is_given(value)) if part is not None]
    if parts:
        counted = exp.Filter(this=counted, expression=exp.Where(this=exp.and_(*parts, copy=True)))
    return counted


def unfit(at: exp.Expr, finer: Finer, message: str) -> Exception:
    """The refusal of what is no sum, mean or count by the further keys."""
    names = ", ".join(finer.keys)
    hint = (
        f"take sum, avg or count of it GROUP BY {names}, or name at most {MOST_NAMED}: "
        f"WHERE {finer.keys[0]} IN ('…', '…')"
    )
    return refusal(Code.NESTED_QUERY, at, message, hint)
