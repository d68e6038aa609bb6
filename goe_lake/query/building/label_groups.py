"""Aggregates of labels: mode, entropy, histogram and distinct values, made of counts by label."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from goe_lake.catalog import ColumnType, is_public
from goe_lake.query.building.asked import ask_persons
from goe_lake.query.building.draft import Draft
from goe_lake.query.building.merged import described, merged
from goe_lake.query.building.released import over_released
from goe_lake.query.checks import group_keys
from goe_lake.query.gateway import output_names, unique
from goe_lake.query.labels import (
    counts_by_label,
    labels_in,
    made_of,
    margins_by_label,
    may_aggregate_labels,
    other_aggregates,
    plain_part,
    read_back,
    whole_part,
)
from goe_lake.query.presence import groups_by_person
from goe_lake.query.relation import SITE_TABLES
from goe_lake.query.rows import Rows
from goe_lake.query.steps import named_table


def ask_with_labels(
    draft: Draft, node: exp.Select, sources: Mapping[str, Rows], margins: tuple[tuple[str, ...], ...] = ()
) -> Rows:
    """A SELECT over persons, perhaps with aggregates of labels."""
    if may_aggregate_labels(node) and not groups_by_person(node):
        rows = _label_groups(draft, node, sources, margins)
        if rows is not None:
            return rows
    return ask_persons(draft, node, sources, margins)


def _label_groups(
    draft: Draft, node: exp.Select, sources: Mapping[str, Rows], margins: tuple[tuple[str, ...], ...]
) -> Rows | None:
    """Aggregates of labels: of counts by label, joined with all else; None where there are none."""
    names = unique(output_names(node))
    query, sources = merged(draft, node, sources)
    describe = described(draft, sources)

    def is_label(column: exp.Column) -> bool:
        known = describe(column)
        if known is None:
            return False
        return known[1].type in (ColumnType.LABEL, ColumnType.BOOLEAN) or (
            known[0] in SITE_TABLES and is_public(known[0], column.name)
        )

    labels = labels_in(query, is_label)
    if not labels:
        return None
    keys = group_keys(query)
    others = other_aggregates(query, labels)
    tables = {"_m": ask_persons(draft, plain_part(query, keys, others), sources, margins)}
    read = {key: exp.column(f"k{place}", table="_m") for place, key in enumerate(keys)}
    by: dict[exp.Expr, exp.Expr] = {**read}
    by |= {item: exp.column(f"a{place}", table="_m") for place, item in enumerate(others)}
    for number, (item, asked) in enumerate(labels.items(), 1):
        by_label = counts_by_label(query, keys, asked)
        counts = ask_persons(draft, by_label, sources, margins_by_label(keys, asked, margins))
        assert counts.step is not None
        made = made_of(counts.step, len(keys), asked)
        tables[f"_v{number}"] = over_released(draft, made, {"_v": counts})
        by[item] = read_back(asked, f"_v{number}")
    steps = {alias: named_table(str(rows.step), alias) for alias, rows in tables.items()}
    return over_released(draft, whole_part(query, names, by, steps, len(keys)), tables)
