"""SELECTs about persons in full names over tables, with aggregates that are short for others written out."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from goe_lake.catalog import Column
from goe_lake.query.building.draft import Draft, names_by_person, schema_of
from goe_lake.query.building.sources import read_source
from goe_lake.query.checks import check_joins
from goe_lake.query.gateway import output_names, with_names
from goe_lake.query.grouping_sets import has_sets
from goe_lake.query.label_texts import reads_label_texts, with_label_texts
from goe_lake.query.personal import distinct_as_groups
from goe_lake.query.presence import groups_by_person
from goe_lake.query.qualify import expand_all, joined_columns, qualify_in
from goe_lake.query.rows import Rows, merge_rows
from goe_lake.query.same_person import samples_once
from goe_lake.query.shorthand import tuples_apart
from goe_lake.query.sub_aggregates import PersonQuery
from goe_lake.query.written_aggregates import (
    Describe,
    has_computed_sites,
    may_be_written_out,
    with_site_facts,
    without_shorthand,
)
from goe_lake.release import OutputFunction


def written_out(
    draft: Draft, node: exp.Select, sources: Mapping[str, Rows]
) -> tuple[exp.Select, Mapping[str, Rows]]:
    """*node* with aggregates that are short for others written out."""
    node = tuples_apart(node)
    texts = reads_label_texts(node)
    if (
        not (texts or may_be_written_out(node) or has_computed_sites(node))
        or groups_by_person(node)
        or has_sets(node)
    ):
        return node, sources
    names = output_names(node)
    query, sources = merged(draft, node, sources)
    describe = described(draft, sources)
    query = with_site_facts(query, describe)
    query = without_shorthand(with_label_texts(query, describe) if texts else query, describe)
    with_names(query, names)
    return query, sources


def merged(
    draft: Draft, node: exp.Select, sources: Mapping[str, Rows]
) -> tuple[exp.Select, Mapping[str, Rows]]:
    """*node* in full names over tables and queries of one row a person, and what stands behind these."""
    check_joins(node, draft.catalog, names_by_person(sources))
    query = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), schema_of(sources)))
    derived = {alias: rows.persons for alias, rows in sources.items() if rows.persons is not None}
    query = samples_once(merge_rows(query, derived))
    tables = {table.alias_or_name: table for table in query.find_all(exp.Table)}
    return query, {
        alias: sources[alias] if alias in sources else read_source(draft, table, {})
        for alias, table in tables.items()
    }


def described(draft: Draft, sources: Mapping[str, Rows]) -> Describe:
    """How a column in full names is found in the catalogue; a person's one value is as its column."""

    def describe(column: exp.Column) -> tuple[str, Column] | None:
        rows = sources.get(column.table)
        if rows is not None and rows.by_person is not None:
            return _one_value(draft.persons[rows.by_person], column.name)
        table = rows.table if rows is not None else None
        described = draft.catalog.tables[table].by_name.get(column.name) if table else None
        return (str(table), described) if described is not None else None

    return describe


def _one_value(query: PersonQuery, name: str) -> tuple[str, Column] | None:
    """The description of column *name* of *query* where it is the person's largest value of a column."""
    shown = query.columns.get(name)
    largest = {its.name for its in query.part.outputs if its.function is OutputFunction.MAX}
    if not isinstance(shown, exp.Column) or shown.name not in largest:
        return None
    return query.table.name, query.table.by_name[shown.name]
