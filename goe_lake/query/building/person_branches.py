"""A SELECT over several rows of a person under each other: one for each branch, and the union."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from goe_lake.query.branches import (
    Branch,
    groups_apart,
    in_own_names,
    in_scope,
    literals,
    literals_of,
    of_branch,
)
from goe_lake.query.building.draft import Draft, as_queries, names_by_person, schema_of
from goe_lake.query.building.released import over_released
from goe_lake.query.checks import check_joins
from goe_lake.query.gateway import output_names, unique, with_names
from goe_lake.query.grouping_sets import has_sets
from goe_lake.query.personal import distinct_as_groups, is_row_wise
from goe_lake.query.presence import groups_by_person
from goe_lake.query.qualify import expand_all, joined_columns, qualify_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rows import Rows
from goe_lake.query.steps import named_table


def in_branches(draft: Draft, node: exp.Select, sources: Mapping[str, Rows]) -> Rows:
    """A SELECT over rows of persons in several branches: one for each, and the union of their groups."""
    alias = next(alias for alias, rows in sources.items() if rows.several)
    if groups_by_person(node) or has_sets(node):
        hint = "aggregate in each part by itself, and join or UNION ALL the groups"
        message = "rows of persons in branches are grouped by a label or constant"
        raise refusal(Code.ROWS_OF_PERSONS, next(iter(node.expressions)), message, hint)
    names = unique(output_names(node))
    check_joins(node, draft.catalog, names_by_person(sources))
    node = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), schema_of(sources)))
    with_names(node, names)
    branches = _branches(draft, node, alias, sources)
    if is_row_wise(node):
        made = [_of_branch(draft, branch.of(node), branch) for branch in branches]
        return replace(made[0], persons=None, branches=tuple(part for its in made for part in its.parts))
    groups = groups_apart(node, alias, [branch.known for branch in branches])
    rows: Rows | None = None
    for branch in branches:
        of_one = _of_branch(draft, branch.of(of_branch(groups, alias, branch.known)), branch)
        rows = of_one if rows is None else draft.under(rows, of_one)
    assert rows is not None
    node.set("from_", exp.From(this=named_table(str(rows.step), "_g")))
    return over_released(draft, node, {"_g": rows})


def _branches(draft: Draft, node: exp.Select, alias: str, sources: Mapping[str, Rows]) -> list[Branch]:
    """What the rows of *alias* are in each branch."""
    rows = sources[alias]
    rest = {name: its for name, its in sources.items() if name != alias}
    if rows.apart is not None:
        key = rows.apart.key
        return [Branch({key: value}, {**rest, alias: part}, alone=alias) for value, part in rows.apart.parts]
    if not rows.choices:
        parts = [replace(rows, branches=(), persons=part) for part in rows.branches]
        return [
            Branch(literals(part), {**rest, alias: its})
            for part, its in zip(rows.branches, parts, strict=True)
        ]
    found = []
    for row in rows.choices:
        own = qualify_in(in_own_names(row, node, alias), schema_of(rest))
        values = tuple(item.unalias() for item in own.expressions)
        found.append(Branch(literals_of(rows.columns, values), rest, (alias, rows.columns, values)))
    return found


def _of_branch(draft: Draft, select: exp.Select, branch: Branch) -> Rows:
    tables = {name: rows.table for name, rows in branch.sources.items() if rows.table is not None}
    return draft.select(in_scope(select, tables), as_queries(branch.sources))
