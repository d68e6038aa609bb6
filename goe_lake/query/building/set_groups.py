"""ROLLUP, CUBE and GROUPING SETS over persons: a release for each set."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from goe_lake.catalog import SQL_TYPES
from goe_lake.query.building.draft import Draft, names_by_person, schema_of
from goe_lake.query.building.label_groups import ask_with_labels
from goe_lake.query.building.merged import written_out
from goe_lake.query.checks import check_joins
from goe_lake.query.gateway import output_names, unique
from goe_lake.query.grouping_sets import check_above, has_sets, select_of, sets_of, with_order
from goe_lake.query.qualify import expand_all, qualify_in
from goe_lake.query.rows import Rows
from goe_lake.query.steps import SelectStep, named_table


def ask_with_sets(draft: Draft, node: exp.Select, sources: Mapping[str, Rows]) -> Rows:
    """A SELECT over persons, perhaps with ROLLUP, CUBE or GROUPING SETS."""
    return _set_groups(draft, node, sources) if has_sets(node) else ask_with_labels(draft, node, sources)


def _set_groups(draft: Draft, node: exp.Select, sources: Mapping[str, Rows]) -> Rows:
    """ROLLUP, CUBE and GROUPING SETS over persons: a release for each set, and the union of them."""
    check_above(node)
    check_joins(node, draft.catalog, names_by_person(sources))
    names = output_names(node)
    query, order, further = with_order(qualify_in(expand_all(node), schema_of(sources)))
    for item, name in zip(query.expressions, unique(names), strict=False):
        item.set("alias", exp.to_identifier(name, quoted=True))
    sets = sets_of(query)
    every = tuple(dict.fromkeys(key for keys in sets for key in keys))

    def type_of(column: exp.Column) -> str | None:
        table = sources[column.table].table if column.table in sources else None
        described = draft.catalog.tables[table].by_name.get(column.name) if table else None
        return SQL_TYPES[described.type] if described is not None else None

    rows: Rows | None = None
    for keys in sets:
        finer = [other for other in sets if set(other) < set(keys)]
        margins = tuple(dict.fromkeys(tuple(f"k{keys.index(key)}" for key in other) for other in finer))
        grouped, read = written_out(draft, select_of(query, keys, every, type_of), sources)
        made = ask_with_labels(draft, grouped, read, margins)
        if rows is None:
            rows = made
            continue
        rows = draft.under(rows, made)
    assert rows is not None
    return _above_sets(draft, node, rows, order, further)


def _above_sets(draft: Draft, node: exp.Select, rows: Rows, order: list[exp.Ordered], further: int) -> Rows:
    """ORDER BY and LIMIT over the union of all sets."""
    if not order and node.args.get("limit") is None and node.args.get("offset") is None:
        return rows
    assert rows.step is not None
    shown = [exp.column(exp.to_identifier(name, quoted=True), table="_g") for name in rows.columns]
    columns = rows.columns[: len(shown) - further]
    select = exp.select(*(exp.alias_(item, item.name, quoted=True) for item in shown[: len(columns)]))
    select = select.from_(named_table(rows.step, "_g"))
    for item in order:
        item.set("this", shown[int(item.this.name) - 1].copy())
    if order:
        select.set("order", exp.Order(expressions=order))
    for name in ("limit", "offset"):
        select.set(name, node.args.get(name))
    return draft.add(SelectStep(draft.name(), select, columns, rows.units[: len(columns)], {}))
