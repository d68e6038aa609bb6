"""Whether a person has a row: SEMI and ANTI joins, EXISTS, and sample_id IN (SELECT sample_id …)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.checks import is_person
from goe_lake.query.clauses import set_where
from goe_lake.query.qualify import qualify_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import and_parts
from goe_lake.query.rows import Rows, merge_rows
from goe_lake.query.steps import named_table
from goe_lake.release import PRESENT


@dataclass(frozen=True)
class Presence:
    """Whether *person*, a column sample_id, has a row in the query of one row a person called *query*."""

    query: str
    person: exp.Expr


def groups_by_person(node: exp.Select) -> bool:
    """Whether *node*, not yet in full names, may group by the person."""
    group = node.args.get("group")
    keys = group.expressions if group is not None else []
    places = [int(key.name) for key in keys if isinstance(key, exp.Literal) and key.name.isdigit()]
    shown = [node.expressions[place - 1].unalias() for place in places if 0 < place <= len(node.expressions)]
    return any(is_person(key) for key in (*keys, *shown))


def grouped_by_person(select: exp.Select, at: exp.Expr | None) -> exp.Select:
    """The persons of the row-wise *select*, in full names, whose first column is the person."""
    only = select.expressions[0].unalias() if len(select.expressions) == 1 else None
    if only is None or not is_person(only):
        hint = "write sample_id IN (SELECT sample_id FROM …)"
        raise refusal(Code.SAMPLE_ID, at, "sample_id is compared with something else", hint)
    select = select.copy()
    select.set("group", exp.Group(expressions=[only.copy()]))
    return select


def uncorrelated(query: exp.Expr, sources: Mapping[str, Rows]) -> tuple[exp.Expr | None, exp.Expr]:
    """The outer person of `EXISTS (… WHERE inner.sample_id = outer.sample_id)`, and the inner persons.

    The person is None where *query* is of another form.
    """
    select = query.this if isinstance(query, exp.Subquery) else query
    if not isinstance(select, exp.Select) or select.args.get("where") is None:
        return None, query
    own = {table.alias_or_name.lower() for table in select.find_all(exp.Table, exp.Subquery)}
    parts = and_parts(select.args["where"].this)
    for part in parts:
        sides = (part.left.unnest(), part.right.unnest()) if isinstance(part, exp.EQ) else ()
        for outer, inner in (sides, sides[::-1]) if sides else ():
            if not (is_person(outer) and is_person(inner)):
                continue
            if _is_outer(outer, own, sources) and not _is_outer(inner, own, sources):
                return outer.copy(), _persons_of(select, inner, [p for p in parts if p is not part])
    return None, query


def _is_outer(column: exp.Expr, own: set[str], sources: Mapping[str, Rows]) -> bool:
    name = column.text("table").lower()
    return name in sources and name not in own


def _persons_of(select: exp.Select, person: exp.Expr, parts: list[exp.Expr]) -> exp.Select:
    select = select.copy()
    for name in ("group", "having", "order", "limit", "distinct"):
        clause = select.args.get(name)
        if clause is not None and name != "distinct":
            hint = "write sample_id IN (SELECT sample_id FROM … GROUP BY sample_id HAVING …)"
            raise refusal(Code.NESTED_QUERY, clause, f"{name.upper()} stands in EXISTS", hint)
    select.set("distinct", None)
    select.set("expressions", [exp.alias_(person.copy(), "sample_id")])
    set_where(select, parts)
    return select


def semi_condition(
    join: exp.Join, alias: str, rows: Rows, sources: Mapping[str, Rows], catalog: Catalog
) -> tuple[exp.Expr, Rows]:
    """The person whom a SEMI or ANTI JOIN looks up, and the persons among *rows* that it looks for."""
    first = next((name for name, source in sources.items() if "sample_id" in source.columns), None)
    parts = and_parts(join.args["on"]) if join.args.get("on") is not None else []
    using = [name.name for name in join.args.get("using") or ()]
    if join.args.get("method") == "NATURAL":
        using = [name for name in rows.columns if any(name in source.columns for source in sources.values())]
    person: exp.Expr | None = None
    if first is not None and using == ["sample_id"]:
        person = exp.column("sample_id", table=first)
    rest = []
    for part in parts:
        sides = (part.left.unnest(), part.right.unnest()) if isinstance(part, exp.EQ) else ()
        mine = [side for side in sides if is_person(side) and side.text("table").lower() == alias]
        others = [side for side in sides if is_person(side) and side.text("table").lower() in sources]
        if len(mine) == len(others) == 1:
            person = others[0].copy()
        else:
            rest.append(part)
    if person is None:
        hint = f"write {join.args['kind']} JOIN {alias} USING (sample_id)"
        raise refusal(Code.PERSON_JOIN, join, f"{alias} is not joined on sample_id", hint)
    return person, _of_persons(alias, rows, rest, catalog)


def _of_persons(alias: str, rows: Rows, conditions: list[exp.Expr], catalog: Catalog) -> Rows:
    """The persons of *rows* who fulfil *conditions*."""
    if rows.by_person is not None:
        for condition in conditions:
            hint = "put it into the nested query, as HAVING"
            raise refusal(Code.JOIN_KIND, condition, "the join has a further condition", hint)
        return rows
    select = exp.select(exp.alias_(exp.column("sample_id", table=alias), "sample_id"))
    select = select.from_(named_table(rows.name_in_from(alias), alias))
    if conditions:
        select.set("where", exp.Where(this=exp.and_(*conditions, copy=True)))
    select = qualify_in(select, {rows.name_in_from(alias): rows.schema()})
    if rows.persons is not None:
        select = merge_rows(select, {alias: rows.persons})
    return Rows(("sample_id",), ("",), persons=select)


def with_presence(node: exp.Select, present: Mapping[str, Presence]) -> exp.Select:
    """*node* in full names, with each mark of *present* as the column of a query that is joined."""
    marks = [mark for mark in node.find_all(exp.Placeholder) if mark.name in present]
    for mark in marks:
        found = present[mark.name]
        alias = f"_{mark.name}"
        column = exp.column(PRESENT, table=alias)
        mark.replace(column if _is_condition(mark) else exp.Is(this=column, expression=exp.true()))
        _join(node, found, alias)
    return node


def _is_condition(mark: exp.Expr) -> bool:
    """Whether *mark* is a plain part of WHERE."""
    holder = mark.parent
    while isinstance(holder, exp.And | exp.Paren):
        holder = holder.parent
    return isinstance(holder, exp.Where)


def _join(node: exp.Select, found: Presence, alias: str) -> None:
    person = found.person.copy()
    if not person.text("table"):
        first = next(table for table in node.find_all(exp.Table))
        person.set("table", exp.to_identifier(first.alias_or_name))
    node.append("joins", exp.Join(this=named_table(found.query, alias), kind="CROSS"))
    same = exp.EQ(this=person, expression=exp.column("sample_id", table=alias))
    where = node.args.get("where")
    parts = [*([where.this] if where is not None else []), same]
    node.set("where", exp.Where(this=exp.and_(*parts, copy=False)))
