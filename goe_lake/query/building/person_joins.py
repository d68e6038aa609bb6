"""Joins of persons that are no inner ones: LEFT, SEMI and ANTI."""

from __future__ import annotations

from sqlglot import exp

from goe_lake.query.building.draft import Draft
from goe_lake.query.building.nested import mark_presence
from goe_lake.query.gateway import with_names
from goe_lake.query.outer import row_a_person
from goe_lake.query.presence import semi_condition
from goe_lake.query.qualify import qualify_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rows import Rows
from goe_lake.query.steps import named_table
from goe_lake.query.sub_aggregates import person_query


def outer_joins(draft: Draft, node: exp.Select, sources: dict[str, Rows]) -> None:
    """Read what a LEFT JOIN adds to persons as a query of one row a person."""
    if not any(rows.personal for rows in sources.values()):
        return
    first = node.args["from_"].this.alias_or_name
    about = sources[first].personal
    for join in node.args.get("joins") or ():
        alias = join.alias_or_name
        rows = sources[alias]
        if join.args.get("side") and rows.personal and not about:
            hint = f"write FROM {alias} LEFT JOIN {first}, or aggregate over persons first"
            raise refusal(Code.MIXED_TABLES, join, f"rows of {first} are kept that no person has", hint)
        about = about or rows.personal
        if not join.args.get("side") or not rows.personal or rows.by_person is not None:
            continue
        if join.args["side"] != "LEFT":
            hint = "use JOIN or LEFT JOIN"
            raise refusal(Code.JOIN_KIND, join, f"{join.args['side']} JOIN of persons is not answered", hint)
        read = {column.name.lower() for column in node.find_all(exp.Column)}
        select = row_a_person(join, alias, rows, draft.catalog, read)
        if select is None:  # every row has its person
            join.set("side", None)
            continue
        names = tuple(item.alias for item in select.expressions)
        select = qualify_in(select, draft.catalog.as_sqlglot())
        with_names(select, names)
        query = person_query(select, draft.catalog)
        name = draft.named_query(query)
        columns = tuple(query.columns)
        sources[alias] = Rows(columns, tuple("" for _ in columns), by_person=name)
        join.set("this", named_table(name, alias))


def semi_joins(draft: Draft, node: exp.Select, sources: dict[str, Rows]) -> None:
    """Read SEMI and ANTI JOIN with rows about persons as the condition that they are."""
    joins = node.args.get("joins") or []
    for join in list(joins):
        alias = join.alias_or_name
        if join.args.get("kind") not in ("SEMI", "ANTI") or not sources[alias].personal:
            continue
        person, rows = semi_condition(join, alias, sources.pop(alias), sources, draft.catalog)
        joins.remove(join)
        holder: exp.Expr = exp.Placeholder(this="_semi")
        negated = join.args["kind"] == "ANTI"
        where = node.args.get("where")
        parts = [
            *([where.this] if where is not None else []),
            exp.Not(this=holder) if negated else holder,
        ]
        node.set("where", exp.Where(this=exp.and_(*parts, copy=False)))
        holder = next(mark for mark in node.args["where"].find_all(exp.Placeholder) if mark.name == "_semi")
        mark_presence(draft, holder, person, rows, join, sources)
