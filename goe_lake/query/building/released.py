"""SELECTs and set operations over released and public rows: steps at the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from goe_lake.query.building.draft import Draft, Scope
from goe_lake.query.building.sources import renamed_rows
from goe_lake.query.gateway import contigs_asked, output_names, split_windows, with_names
from goe_lake.query.language import aggregates_in
from goe_lake.query.lists import Row
from goe_lake.query.qualify import expand_all, qualify_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rounds import gives_one_row
from goe_lake.query.rows import Rows
from goe_lake.query.steps import SelectStep, SetStep, named_table


def over_released(draft: Draft, node: exp.Select, sources: Mapping[str, Rows]) -> Rows:
    """A SELECT over released and public rows: a step at the gateway."""
    names = output_names(node)
    schema = {rows.step: rows.schema() for rows in sources.values() if rows.step is not None}
    query = qualify_in(expand_all(node), schema)
    for alias, rows in sources.items():
        if rows.table is not None:
            draft.note_table(rows.table, contigs_asked(query, alias))
    units = tuple(_unit(item.unalias(), sources) for item in query.expressions)
    columns = with_names(query, names)
    single = gives_one_row(query, [rows.single for rows in sources.values()])
    inner = split_windows(query) if query.find(exp.Window) and _groups(query) else None
    if inner is not None:
        name = draft.name()
        made = tuple(item.alias for item in inner.expressions)
        draft.add(SelectStep(name, inner, made, tuple("" for _ in made), draft.marks(inner)))
        query.set("from_", exp.From(this=named_table(name, "_g")))
    rows = draft.add(SelectStep(draft.name(), query, columns, units, draft.marks(query)))
    return replace(rows, single=single, listed=_listed(query, sources))


def set_operation(draft: Draft, node: exp.SetOperation, scope: Scope) -> Rows:
    """UNION, INTERSECT or EXCEPT; UNION ALL of persons are rows in branches."""
    distinct = node.args.get("distinct") is not False
    if not distinct and not isinstance(node, exp.Union):
        raise refusal(
            Code.NOT_IN_SUBSET, node, f"{node.key} ALL is not answered", f"write {node.key.upper()}"
        )
    parts = [draft.query(part, scope) for part in (node.this, node.expression)]
    left, right = parts
    for rows, part in zip(parts, (node.this, node.expression), strict=True):
        if rows.finer is not None:
            hint = "add them up in each part: SELECT gene, sum(n) … GROUP BY gene"
            message = f"{node.key} of rows by person and {', '.join(rows.finer.keys)}"
            raise refusal(Code.ROWS_OF_PERSONS, part, message, hint)
    if len(left.columns) != len(right.columns):
        message = f"the parts have {len(left.columns)} and {len(right.columns)} columns"
        raise refusal(Code.TYPES, node, message, "give both the same columns")
    if left.parts and right.parts and isinstance(node, exp.Union) and not distinct:
        lower = renamed_rows(draft, right, left.columns, node)
        return replace(left, persons=None, branches=(*left.parts, *lower.parts))
    for rows, part in zip(parts, (node.this, node.expression), strict=True):
        if rows.personal:
            hint = "aggregate in each part; UNION ALL may stand over plain columns of persons"
            raise refusal(Code.ROWS_OF_PERSONS, part, f"{node.key} of rows about persons", hint)
    assert left.step is not None
    assert right.step is not None
    for rows in parts:
        if rows.step in draft.catalog.tables:
            draft.note_table(str(rows.step), None)
    operation = node.key.upper()
    return draft.add(
        SetStep(draft.name(), operation, distinct, left.step, right.step, left.columns, left.units)
    )


def _listed(query: exp.Select, sources: Mapping[str, Rows]) -> tuple[Row, ...]:
    """The rows of *query* where it does nothing but to choose columns of constants."""
    only = next(iter(sources.values()), None)
    values = [item.unalias() for item in query.expressions]
    plain = all(isinstance(value, exp.Column) for value in values)
    clauses = ("joins", "where", "group", "having", "qualify", "limit", "offset", "distinct")
    if only is None or not only.listed or not plain or any(query.args.get(name) for name in clauses):
        return ()
    places = [only.columns.index(value.name) for value in values]
    return tuple(tuple(row[place] for place in places) for row in only.listed)


def _groups(query: exp.Select) -> bool:
    clauses = [*query.expressions, *(query.args.get(name) for name in ("having", "qualify", "order"))]
    return bool(query.args.get("group")) or any(
        aggregates_in(clause) for clause in clauses if clause is not None
    )


def _unit(node: exp.Expr, sources: Mapping[str, Rows]) -> str:
    if not isinstance(node, exp.Column) or node.table not in sources:
        return ""
    rows = sources[node.table]
    return rows.units[rows.columns.index(node.name)] if node.name in rows.columns else ""
