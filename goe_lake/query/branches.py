"""Rows of persons in several branches: UNION ALL, UNPIVOT, and VALUES of a person's own columns.

`FROM samples s, (VALUES ('bmi', s.bmi), ('ldl', s.ldl)) v(name, value)` has two rows a person. Grouped by a
column that is another constant in each branch, the branches are releases of their own, each of one row a
person, and their groups are put under each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.query.checks import group_keys
from goe_lake.query.gateway import split_windows
from goe_lake.query.lists import Row
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rows import Rows
from goe_lake.query.steps import named_table

MOST_BRANCHES = 20


@dataclass(frozen=True)
class Branch:
    """One branch: the columns of it that are constants, and what else is read beside it.

    *values* are the alias, the columns and the one row of VALUES that the branch is of; *alone* is the alias
    of a query that has but the columns that are no constants.
    """

    known: Mapping[str, exp.Expr]
    sources: Mapping[str, Rows]
    values: tuple[str, Sequence[str], Row] | None = None
    alone: str | None = None

    def of(self, node: exp.Select) -> exp.Select:
        """*node* for this branch."""
        if self.alone is not None:
            return _with_constants(node, self.alone, self.known)
        return node if self.values is None else without_values(node, *self.values)


def check_branches(node: exp.Select, alias: str, sources: Mapping[str, Rows]) -> None:
    """Branches are of persons, one name of them in a FROM, and joined by inner joins."""
    at = next(iter(node.expressions))
    if sum(rows.several for rows in sources.values()) > 1:
        hint = "aggregate in each part by itself, and join or UNION ALL the groups"
        raise refusal(Code.ROWS_OF_PERSONS, at, "rows of persons in branches are joined with others", hint)
    if sources[alias].choices and not any(its.personal and not its.several for its in sources.values()):
        hint = "write FROM (…) UNPIVOT (value FOR name IN (a, b))"
        raise refusal(Code.NESTED_QUERY, at, f"VALUES of columns, {alias}, stands beside released rows", hint)
    for join in node.args.get("joins") or ():
        if join.alias_or_name == alias and (
            join.args.get("side") or join.args.get("kind") in ("SEMI", "ANTI")
        ):
            hint = "join each part by itself"
            raise refusal(Code.JOIN_KIND, join, f"{alias} has several rows of a person", hint)


def has_columns(item: exp.Expr) -> bool:
    """Whether *item* is VALUES of columns of the tables beside it."""
    return isinstance(item, exp.Values) and item.find(exp.Column) is not None


def rows_of_columns(item: exp.Values) -> tuple[Row, ...]:
    """The rows of VALUES, which are expressions over columns beside them."""
    rows = tuple(tuple(row.expressions) for row in item.expressions)
    if len({len(row) for row in rows}) > 1 or len(rows) > MOST_BRANCHES:
        hint = f"at most {MOST_BRANCHES} rows of one width"
        raise refusal(Code.TOO_MUCH_WORK, item, "VALUES of columns has too many or unlike rows", hint)
    return rows


def without_values(node: exp.Select, alias: str, names: Sequence[str], row: Row) -> exp.Select:
    """*node*, in full names, with the columns of the VALUES *alias* as what they are in one *row*."""
    node = node.copy()
    values = dict(zip(names, row, strict=True))
    joins: list[exp.Join] = [join for join in node.args.get("joins") or () if join.alias_or_name != alias]
    taken = next((join for join in node.args.get("joins") or () if join.alias_or_name == alias), None)
    if taken is None or taken.args.get("side"):
        hint = f"write FROM the table, (VALUES …) AS {alias}(…)"
        raise refusal(Code.JOIN_KIND, taken or node, "VALUES of columns stands behind their table", hint)
    node.set("joins", joins)
    on = taken.args.get("on")
    if on is not None and on != exp.true():
        where = node.args.get("where")
        parts = [on, *([where.this] if where is not None else [])]
        node.set("where", exp.Where(this=exp.and_(*parts, copy=True)))
    for column in list(node.find_all(exp.Column)):
        if column.table == alias:
            value = values[column.name].copy()
            column.replace(value if isinstance(value, exp.Column | exp.Literal) else exp.Paren(this=value))
    return node


def in_own_names(row: Row, node: exp.Select, alias: str) -> exp.Select:
    """A SELECT of the *row* of the VALUES *alias* from the tables beside it in *node*."""
    select = exp.select(*(exp.alias_(value.copy(), f"c{place}") for place, value in enumerate(row)))
    select.set("from_", node.args["from_"].copy())
    joins = [join.copy() for join in node.args.get("joins") or () if join.alias_or_name != alias]
    select.set("joins", joins)
    return select


def groups_apart(node: exp.Select, alias: str, constants: Sequence[Mapping[str, exp.Expr]]) -> exp.Select:
    """The groups of *node*, g0, … and a0, …, whose steps above them are left in it, over a table `_g`.

    QueryRefused unless a key of *alias* is another one of *constants* in each branch.
    """
    keys = [key.name for key in group_keys(node) if isinstance(key, exp.Column) and key.table == alias]
    for key in keys:
        values = [known.get(key) for known in constants]
        if None not in values and len(set(values)) == len(values):
            return split_windows(node)
    hint = "group by the column that names them, e.g. GROUP BY name; or aggregate in each part"
    name = "a nested query" if alias.startswith("_q") else alias
    message = f"a person has several rows in {name}, which the groups do not tell apart"
    raise refusal(Code.ROWS_OF_PERSONS, node.expressions[0], message, hint)


def of_branch(groups: exp.Select, alias: str, known: Mapping[str, exp.Expr]) -> exp.Select:
    """The SELECT of *groups* for one branch, in which the columns *known* of *alias* are constants.

    A branch without rows has no group, also where nothing but constants is grouped by.
    """
    groups = _with_constants(groups, alias, known)
    group = groups.args["group"]
    rest = [key for key in group.expressions if not isinstance(key, exp.Literal)]
    if rest:
        groups.set("group", exp.Group(expressions=rest))
        return groups
    groups.set("group", None)
    some = exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(0))
    having = groups.args.get("having")
    groups.set("having", exp.Having(this=exp.and_(some, having.this) if having is not None else some))
    return groups


def _with_constants(node: exp.Select, alias: str, known: Mapping[str, exp.Expr]) -> exp.Select:
    """*node* with the columns *known* of *alias* as constants."""
    node = node.copy()
    for column in list(node.find_all(exp.Column)):
        if column.table == alias and column.name in known:
            column.replace(known[column.name].copy())
    return node


def in_scope(node: exp.Select, names: Mapping[str, str]) -> exp.Select:
    """*node* reading its tables by their aliases, or by *names* where these are tables of the contract."""
    node = node.copy()
    for holder in (node.args["from_"], *(node.args.get("joins") or ())):
        alias = holder.this.alias_or_name
        holder.set("this", named_table(names.get(alias, alias), alias))
    return node


def literals(select: exp.Select) -> dict[str, exp.Expr]:
    """The columns of *select* that are constants."""
    return literals_of(
        [item.alias for item in select.expressions], [its.unalias() for its in select.expressions]
    )


def literals_of(names: Sequence[str], values: Sequence[exp.Expr]) -> dict[str, exp.Expr]:
    """Those of *values* that are constants, by their *names*."""
    return {name: value for name, value in zip(names, values, strict=True) if isinstance(value, exp.Literal)}
