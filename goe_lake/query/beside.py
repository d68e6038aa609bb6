"""What a row about a person reads of the group that it is in: windows, and nested queries of its row.

`avg(ldl) OVER (PARTITION BY country)` and `(SELECT avg(ldl) FROM samples x WHERE x.country = s.country)` are
values of groups. Both become a table of the groups, which is joined on what makes them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from goe_lake.query.clauses import is_given, set_where, take_clauses
from goe_lake.query.language import aggregates_in, is_aggregate
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import and_parts
from goe_lake.query.shorthand import NEVER_NULL
from goe_lake.query.steps import named_table

#: Clauses after which a nested query has other rows than its FROM and WHERE say.
NARROWING: Final = ("group", "having", "qualify", "limit", "offset")


def keys_and_values(keys: Sequence[exp.Expr], values: Sequence[exp.Expr], written: exp.Select) -> exp.Select:
    """The *values* of the groups by *keys* among the rows of *written*: columns _k0, …, _v0, …"""
    shown = [exp.alias_(key.copy(), _named(key, place)) for place, key in enumerate(keys)]
    shown += [exp.alias_(value.copy(), f"_v{place}") for place, value in enumerate(values)]
    select = exp.select(*shown)
    take_clauses(select, written, ("from_", "joins", "where"))
    if keys:
        select.set("group", exp.Group(expressions=[key.copy() for key in keys]))
    return select


def joined_to(keys: Sequence[exp.Expr], step: str, alias: str, *, equal: type[exp.Binary]) -> exp.Join:
    """The groups of *step* as a further table of a SELECT whose rows have *keys*."""
    table = named_table(step, alias)
    if not keys:
        return exp.Join(this=table, kind="CROSS")
    parts = [
        equal(this=key.copy(), expression=exp.column(_named(key, place), table=alias))
        for place, key in enumerate(keys)
    ]
    return exp.Join(this=table, side="LEFT", on=exp.and_(*parts))


def _named(key: exp.Expr, place: int) -> str:
    """What the key number *place* is called: the person by her own name, by which persons are joined."""
    person = isinstance(key, exp.Column) and key.name.lower() == "sample_id"
    return "sample_id" if person else f"_k{place}"


def windows_by_group(node: exp.Select) -> dict[tuple[exp.Expr, ...], list[exp.Window]]:
    """The windows of the row-wise *node* that are aggregates of whole groups, by what makes these."""
    found: dict[tuple[exp.Expr, ...], list[exp.Window]] = {}
    for window in node.find_all(exp.Window):
        head = window.this.this if isinstance(window.this, exp.Filter) else window.this
        if is_aggregate(head) and window.args.get("order") is None and window.args.get("spec") is None:
            found.setdefault(tuple(window.args.get("partition_by") or ()), []).append(window)
    return found


@dataclass(frozen=True)
class OfTheRow:
    """A nested query for one value of the row around it: *inner* gives it for the groups by *outer* columns.

    *counts* tells that it is 0, and not NULL, where there is no such group.
    """

    outer: tuple[exp.Expr, ...]
    inner: exp.Select
    counts: bool


def of_the_row(query: exp.Expr, around: Collection[str]) -> OfTheRow | None:
    """*query* as a value by groups, where it reads tables *around* it in equalities alone; None otherwise."""
    select = _plain(query, (*NARROWING, "distinct", "order"))
    if select is None or len(select.expressions) != 1:
        return None
    own = _tables(select)
    pairs: list[tuple[exp.Column, exp.Column]] = []
    rest: list[exp.Expr] = []
    for part in and_parts(select.args["where"].this):
        found = list(_pairs(part, own, around))
        pairs += found[:1]
        rest += [] if found else [part]
    value = select.expressions[0].unalias()
    heads = [item.this if isinstance(item, exp.Filter) else item for item in aggregates_in(value)]
    counting = [head for head in heads if isinstance(head, exp.Count | exp.CountIf)]
    if not pairs or not heads or (counting and aggregates_in(value) != [value]):
        return None
    written = select.copy()
    set_where(written, rest)
    inner = keys_and_values([inside for _, inside in pairs], [value], written)
    return OfTheRow(tuple(outside for outside, _ in pairs), inner, bool(counting))


def in_of_the_row(query: exp.Expr, around: Collection[str]) -> exp.Expr | None:
    """`EXISTS (… WHERE inner = outer)` of one equality as `outer IN (SELECT inner …)`; None for others.

    Persons are looked for elsewhere (`query.presence`).
    """
    select = _plain(query, NARROWING)
    if select is None:
        return None
    own = _tables(select)
    parts = and_parts(select.args["where"].this)
    pairs = {place: its for place, part in enumerate(parts) for its in list(_pairs(part, own, around))[:1]}
    if len(pairs) != 1:
        return None
    ((place, (outside, inside)),) = pairs.items()
    if "sample_id" in (outside.name.lower(), inside.name.lower()):
        return None
    rest = [part for number, part in enumerate(parts) if number != place]
    inner = exp.select(inside.copy()).distinct()
    take_clauses(inner, select, ("from_", "joins"))
    rest += [is_given(inside)] if inside.name.lower() not in NEVER_NULL else []
    set_where(inner, rest)
    found: exp.Expr = exp.In(this=outside.copy(), query=exp.Subquery(this=inner))
    if outside.name.lower() not in NEVER_NULL:
        found = exp.and_(is_given(outside), found)
    return exp.Paren(this=found)


def _plain(query: exp.Expr, without: Sequence[str]) -> exp.Select | None:
    """The SELECT of a nested *query*, if it has conditions and none of the clauses *without*."""
    select = query.this if isinstance(query, exp.Subquery) else query
    if not isinstance(select, exp.Select) or select.args.get("where") is None:
        return None
    return None if any(select.args.get(name) for name in without) else select


def _tables(select: exp.Select) -> set[str]:
    return {table.alias_or_name.lower() for table in select.find_all(exp.Table, exp.Subquery)}


def _pairs(part: exp.Expr, own: set[str], around: Collection[str]) -> Iterator[tuple[exp.Column, exp.Column]]:
    """The column of the row around and the own one that *part* makes equal."""
    sides = (part.left.unnest(), part.right.unnest()) if isinstance(part, exp.EQ) else ()
    for outside, inside in (sides, sides[::-1]) if sides else ():
        if not (isinstance(outside, exp.Column) and isinstance(inside, exp.Column)):
            continue
        name = outside.table.lower()
        if name in around and name not in own and (not inside.table or inside.table.lower() in own):
            yield outside, inside


def check_place(holder: exp.Expr, grouped: bool) -> None:
    """A value of the row stands where rows are read: if they are grouped, in an aggregate or WHERE."""
    around = holder.parent
    while grouped and around is not None and not isinstance(around, exp.Select):
        if is_aggregate(around) or isinstance(around, exp.Where):
            return
        around = around.parent
    if grouped:
        hint = "join a nested query with GROUP BY, and compare with its column"
        message = "a nested query reads the row around it, which is one of a group"
        raise refusal(Code.NESTED_QUERY, holder, message, hint)


def value_of(found: OfTheRow, alias: str) -> exp.Expr:
    """The value in the table of the groups that is called *alias*."""
    column = exp.column("_v0", table=alias)
    if not found.counts:
        return column
    return exp.Coalesce(this=column, expressions=[exp.Literal.number(0)])
