"""From a checked tree to releases and steps: every SELECT, at any depth, becomes one or the other.

A SELECT whose FROM reads a table about persons is a *release select*: it is a release, and a step over
the release's cells. One that merely projects and filters rows about persons is merged into the SELECT
that reads it. Everything else is a step over released and public rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.query.branches import check_branches
from goe_lake.query.building.draft import Draft, Scope, as_queries, schema_of
from goe_lake.query.building.finer import added_up, added_up_or_apart, check_finer
from goe_lake.query.building.joined import cut_points, group_values, take_constants, take_lists, take_lookups
from goe_lake.query.building.merged import written_out
from goe_lake.query.building.nested import mark_nested, values_of_rows
from goe_lake.query.building.person_branches import in_branches
from goe_lake.query.building.person_joins import outer_joins, semi_joins
from goe_lake.query.building.released import over_released, set_operation
from goe_lake.query.building.set_groups import ask_with_sets
from goe_lake.query.building.sources import sources_of, with_queries
from goe_lake.query.checks import check_joins, check_limit
from goe_lake.query.chosen_columns import with_columns
from goe_lake.query.gateway import output_names, with_names
from goe_lake.query.kept_lists import GROUPS, kept_list, kept_rows, split_at_list
from goe_lake.query.outer import right_as_left
from goe_lake.query.personal import is_row_wise
from goe_lake.query.qualify import expand_all, joined_columns, qualify_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rows import Rows
from goe_lake.query.subset import select_first

MODIFIERS = ("order", "limit", "offset")


@dataclass
class Builder(Draft):
    """Plans one query, by asking for each of its parts what it is."""

    def answer(self, query: exp.Query) -> None:
        """Plan the whole query; its rows are those of the last step."""
        rows = self.query(query, {})
        if rows.personal:
            at = next(iter(query.expressions), query)
            if rows.by_person is not None:
                hint = "aggregate over them: SELECT … FROM (this query) AS b JOIN samples USING (sample_id)"
                raise refusal(Code.SAMPLE_ID, at, "the query asks for a row a person", hint)
            hint = "use count, sum or avg"
            raise refusal(Code.ROWS_OF_PERSONS, at, "the query asks for rows about persons", hint)

    def query(self, node: exp.Expr, scope: Scope) -> Rows:
        """The rows of a query."""
        scope = with_queries(node, scope)
        if isinstance(node, exp.Select):
            return self.select(node, scope)
        if any(node.args.get(name) is not None for name in MODIFIERS):
            return self.select(_wrapped(node), scope)
        if isinstance(node, exp.Subquery):
            return self.query(node.this, scope)
        if isinstance(node, exp.SetOperation):
            return set_operation(self, node, scope)
        raise refusal(Code.NOT_IN_SUBSET, node, f"{node.key} is not understood here", "write a SELECT")

    def select(self, node: exp.Select, scope: Scope) -> Rows:
        """The rows of one SELECT."""
        node = select_first(node.copy())
        node.set("with_", None)
        check_limit(node, self.catalog)
        node = right_as_left(node)
        written = node.copy()
        sources = sources_of(self, node, scope)
        node = with_columns(node, {alias: rows.columns for alias, rows in sources.items()})
        sources = added_up_or_apart(self, node, sources)
        check_finer(node, sources)
        for alias in [alias for alias, rows in sources.items() if rows.several]:
            check_branches(node, alias, sources)
        if kept_list(node, sources) is None:
            outer_joins(self, node, sources)
        semi_joins(self, node, sources)
        about_persons = any(rows.personal for rows in sources.values())
        if about_persons and is_row_wise(node):
            sources |= cut_points(self, node, written, scope)
            sources |= group_values(self, node, written, scope)
        grouped = about_persons and not is_row_wise(node)
        sources |= values_of_rows(self, node, scope, sources, grouped=grouped)
        mark_nested(self, node, scope, sources)
        if any(rows.several for rows in sources.values()):
            return in_branches(self, node, sources)
        return self._over_persons(node, sources) if about_persons else over_released(self, node, sources)

    def _over_persons(self, node: exp.Select, sources: dict[str, Rows]) -> Rows:
        """A SELECT that reads persons, without the tables beside them that are no persons."""
        kept = kept_list(node, sources)
        if kept is not None:
            return self._beside_kept_list(node, kept, sources)
        node, sources = added_up(self, node, sources)
        node, sources = take_lookups(self, node, sources)
        node, sources = take_lists(self, node, sources)
        node, sources = take_constants(self, node, sources)
        return ask_with_sets(self, *written_out(self, node, sources))

    def _beside_kept_list(self, node: exp.Select, kept: str, sources: Mapping[str, Rows]) -> Rows:
        """A SELECT whose outer join keeps every row of a public table: that joined with groups of persons."""
        persons = frozenset(alias for alias, rows in sources.items() if rows.personal)
        check_joins(node, self.catalog, persons)
        names = output_names(node)
        node = joined_columns(qualify_in(expand_all(node), schema_of(sources)))
        with_names(node, names)
        inner, outer = split_at_list(node, kept, sources)
        built = as_queries(sources)
        groups = self.select(inner, built)
        rows = sources[kept]
        if not rows.listed:
            rows = over_released(self, kept_rows(node, kept, rows.name_in_from(kept)), {kept: rows})
            built |= as_queries({kept: rows})
        return self.select(outer, {**built, **as_queries({GROUPS: groups})})


def _wrapped(node: exp.Expr) -> exp.Select:
    """A set operation or nested query with ORDER BY or LIMIT as a SELECT of it."""
    inner = node.copy()
    inner.set("with_", None)
    outer = exp.select("*")
    for name in MODIFIERS:
        if inner.args.get(name) is not None:
            outer.set(name, inner.args[name].copy())
            inner.set(name, None)
    body = inner.this if isinstance(inner, exp.Subquery) else inner
    return outer.from_(exp.Subquery(this=body, alias=exp.TableAlias(this=exp.to_identifier("_u"))))
