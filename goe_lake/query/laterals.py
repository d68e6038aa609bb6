"""LATERAL tables, which read the row beside them, as what a plain join says as well.

`FROM samples s, LATERAL (SELECT sum(dosage) AS n FROM genotypes g WHERE g.sample_id = s.sample_id) x` is an
outer join with the sums by person, and a nested SELECT without FROM is a name for what it computes. DuckDB
takes both without the word, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.query.clauses import set_where
from goe_lake.query.gateway import output_names
from goe_lake.query.language import aggregates_in

#: What the columns are called that a table is joined by.
_KEY = "_l{}"


def without_laterals(select: exp.Select) -> None:
    """Let *select* join each nested query that reads a table before it; those of another form stay."""
    first = select.args.get("from_")
    if first is None:
        return
    joins = select.args.get("joins") or ()
    if not any(isinstance(join.this, exp.Lateral | exp.Subquery) for join in joins) or select.is_star:
        return
    around = [first.this.alias_or_name.lower()]
    written, names = select.copy(), output_names(select)
    for join in list(joins):
        item = join.this
        alias = item.alias_or_name.lower()
        inner = item.this if isinstance(item, exp.Lateral) else item
        query = inner.this if isinstance(inner, exp.Subquery) else None
        plain = not item.args.get("view") and not item.args.get("outer") and not join.args.get("method")
        if alias and plain and isinstance(query, exp.Select):
            _joined(select, join, query.copy(), around)
        around.append(alias)
    for item, name in zip(list(select.expressions), names, strict=True) if select != written else ():
        # an output is called as it was written
        if not isinstance(item, exp.Alias | exp.Column) and not item.is_star:
            item.replace(exp.alias_(item.copy(), name, quoted=True))


def _joined(select: exp.Select, join: exp.Join, query: exp.Select, around: Sequence[str]) -> None:
    """Write *join* with what the nested *query* reads of the tables *around* in ON, where that can be."""
    alias, on = join.this.alias_or_name, join.args.get("on")
    names = [column.name for column in join.this.args["alias"].args.get("columns") or ()]
    items = query.expressions
    if (on is not None and on != exp.true()) or any(item.is_star for item in items):
        return
    shown = [*names, *(item.alias_or_name for item in items[len(names) :])]
    if query.args.get("from_") is None and not query.args.get("where"):
        computed = {name.lower(): item.unalias() for name, item in zip(shown, items, strict=True)}
        _write_out(select, join, alias, computed)
        return
    read = [part for part in _parts(query) if _reads(part, around, query)]
    pairs = [_pair(part, around) for part in read]
    known = [pair for pair in pairs if pair is not None]
    outside = [column for column in query.find_all(exp.Column) if column.table.lower() in around]
    if len(known) != len(pairs) or len(outside) != len(known) or query.args.get("offset"):
        return
    if not known and not isinstance(join.this, exp.Lateral):
        return
    renamed = [exp.alias_(item.unalias().copy(), name) for item, name in zip(items, shown, strict=True)]
    keys = [_Key(outer, inner, _name_of(inner, place)) for place, (outer, inner) in enumerate(known)]
    set_where(query, [part for part in _parts(query) if part not in read])
    if not _rearranged(query, keys):
        return
    whole = bool(aggregates_in_items(items)) and not query.args.get("group")
    added = [exp.alias_(key.inner.copy(), key.name) for key in keys]
    query.set("expressions", [*added, *renamed])
    if whole and keys:
        query.set("group", exp.Group(expressions=[key.inner.copy() for key in keys]))
        join.set("side", "LEFT")
        counts = {name.lower() for name, item in zip(shown, items, strict=True) if _is_count(item.unalias())}
        _count_from_0(select, alias, counts)
    parts = [exp.EQ(this=key.outer.copy(), expression=exp.column(key.name, table=alias)) for key in keys]
    join.set("this", exp.Subquery(this=query, alias=exp.TableAlias(this=exp.to_identifier(alias))))
    join.set("kind", None if keys else "CROSS")
    join.set("on", exp.and_(*parts) if parts else None)
    _own_person(select, keys)


@dataclass(frozen=True)
class _Key:
    """The column *outer* of a table before, the own one *inner* that equals it, and what that is called."""

    outer: exp.Column
    inner: exp.Column
    name: str


def aggregates_in_items(items: Sequence[exp.Expr]) -> list[exp.Expr]:
    """The aggregates in *items*."""
    return [found for item in items for found in aggregates_in(item)]


def _parts(query: exp.Select) -> list[exp.Expr]:
    where = query.args.get("where")
    return (
        list(where.this.flatten())
        if where is not None and isinstance(where.this, exp.And)
        else ([where.this] if where is not None else [])
    )


def _reads(part: exp.Expr, around: Sequence[str], query: exp.Select) -> bool:
    own = {table.alias_or_name.lower() for table in query.find_all(exp.Table)}
    return any(
        column.table.lower() in around and column.table.lower() not in own
        for column in part.find_all(exp.Column)
    )


def _pair(part: exp.Expr, around: Sequence[str]) -> tuple[exp.Column, exp.Column] | None:
    """The column of a table *around* and the own one that *part* makes equal."""
    sides = (part.left.unnest(), part.right.unnest()) if isinstance(part, exp.EQ) else ()
    for outer, inner in (sides, sides[::-1]) if sides else ():
        if isinstance(outer, exp.Column) and isinstance(inner, exp.Column) and outer.table.lower() in around:
            return (outer, inner) if inner.table.lower() not in around else None
    return None


def _name_of(inner: exp.Column, place: int) -> str:
    # persons are joined by their own name
    return "sample_id" if inner.name.lower() == "sample_id" else _KEY.format(place)


def _rearranged(query: exp.Select, keys: Sequence[_Key]) -> bool:
    """Let the first rows of *query* be the first of each group of *keys*; whether that is known."""
    limit, order = query.args.get("limit"), query.args.get("order")
    if limit is None:
        return True
    grouped = query.args.get("group") or query.args.get("qualify") or query.args.get("distinct")
    if (
        order is None
        or grouped
        or limit.args.get("limit_options")
        or not keys
        or aggregates_in_items(query.expressions)
    ):
        return False
    number = exp.Window(
        this=exp.RowNumber(),
        partition_by=[key.inner.copy() for key in keys],
        order=order.copy(),
    )
    query.set("qualify", exp.Qualify(this=exp.LTE(this=number, expression=limit.expression.copy())))
    query.set("limit", None)
    query.set("order", None)
    return True


def _is_count(value: exp.Expr) -> bool:
    inner = value.this if isinstance(value, exp.Filter) else value
    return isinstance(inner, exp.Count)


def _count_from_0(select: exp.Select, alias: str, names: set[str]) -> None:
    """Let counts of *alias* be 0, and not NULL, where nothing is counted."""
    for column in [its for its in select.find_all(exp.Column) if its.find_ancestor(exp.Select) is select]:
        if column.name.lower() in names and column.table.lower() in ("", alias.lower()):
            own = exp.column(column.this.copy(), table=alias)
            _put(column, exp.Coalesce(this=own, expressions=[exp.Literal.number(0)]))


def _write_out(select: exp.Select, join: exp.Join, alias: str, computed: dict[str, exp.Expr]) -> None:
    """Let *select* compute what the nested SELECT without FROM gives a name."""
    for column in [its for its in select.find_all(exp.Column) if its.find_ancestor(exp.Select) is select]:
        if column.table.lower() not in ("", alias.lower()) or column.name.lower() not in computed:
            continue
        _put(column, exp.Paren(this=computed[column.name.lower()].copy()))
    select.args["joins"].remove(join)


def _put(column: exp.Column, value: exp.Expr) -> None:
    """Let *value* stand for *column*; an output keeps its name."""
    if isinstance(column.parent, exp.Select) and column.arg_key == "expressions":
        value = exp.alias_(value, column.name)
    column.replace(value)


def _own_person(select: exp.Select, keys: Sequence[_Key]) -> None:
    """Let `sample_id` be that of the table before, now that it has two."""
    person = next((key for key in keys if key.name == "sample_id"), None)
    for column in list(select.find_all(exp.Column)) if person is not None else ():
        if (
            not column.table
            and column.name.lower() == "sample_id"
            and column.find_ancestor(exp.Select) is select
        ):
            assert person is not None
            column.set("table", exp.to_identifier(person.outer.table))
