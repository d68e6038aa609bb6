"""Rows that were grouped by person and more beside what reads them: added up there, or turned down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from goe_lake.errors import QueryRefused
from goe_lake.query.building.draft import Draft, names_by_person, schema_of
from goe_lake.query.checks import check_joins
from goe_lake.query.finer_rows import over_rows, unfit
from goe_lake.query.gateway import output_names, unique, with_names
from goe_lake.query.personal import distinct_as_groups, is_row_wise
from goe_lake.query.presence import groups_by_person
from goe_lake.query.qualify import expand_all, joined_columns, qualify_in
from goe_lake.query.rows import Rows


def check_finer(node: exp.Select, sources: Mapping[str, Rows]) -> None:
    """Such rows are joined as they are, and with what adds no further rows of a person."""
    finer = {alias: rows for alias, rows in sources.items() if rows.finer is not None}
    for alias, rows in finer.items():
        assert rows.finer is not None
        for join in node.args.get("joins") or ():
            outer = join.args.get("side") or join.args.get("kind") in ("SEMI", "ANTI")
            if outer and join.alias_or_name == alias:
                raise unfit(join, rows.finer, f"{alias} stands in an outer, SEMI or ANTI join")
        for other, beside in sources.items():
            adds_rows = beside.personal and beside.by_person is None and beside.table != "samples"
            if other != alias and adds_rows and beside.persons is None:
                raise unfit(node, rows.finer, f"{other} has several rows of a person beside {alias}")
            if other != alias and (beside.persons is not None or beside.several):
                raise unfit(node, rows.finer, f"{other} is a nested query of rows beside {alias}")


def added_up_or_apart(draft: Draft, node: exp.Select, sources: dict[str, Rows]) -> dict[str, Rows]:
    """*sources* with such rows as one query for each named value, where *node* asks for more than sums."""
    named = {alias: rows for alias, rows in sources.items() if rows.finer is not None and rows.apart}
    if not named:
        return sources
    try:
        check_finer(node, sources)
        added_up(draft, node.copy(), sources)
    except QueryRefused:
        plain = {alias: replace(rows, persons=None, finer=None) for alias, rows in named.items()}
        return {**sources, **plain}
    return {**sources, **{alias: replace(rows, apart=None) for alias, rows in named.items()}}


def added_up(draft: Draft, node: exp.Select, sources: dict[str, Rows]) -> tuple[exp.Select, dict[str, Rows]]:
    """*node* and its *sources* over the rows that were grouped by person and more."""
    finer = {alias: rows.finer for alias, rows in sources.items() if rows.finer is not None}
    if not finer:
        return node, sources
    if is_row_wise(node) or groups_by_person(node):
        its = next(iter(finer.values()))
        raise unfit(node, its, f"rows by person and {', '.join(its.keys)} are not added up")
    check_joins(node, draft.catalog, names_by_person(sources))
    names = unique(output_names(node))
    node = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), schema_of(sources)))
    with_names(node, names)
    for alias, its in finer.items():
        over_rows(node, alias, its)
    return node, {alias: replace(rows, finer=None) for alias, rows in sources.items()}
