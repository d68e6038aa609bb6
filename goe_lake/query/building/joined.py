"""Tables that stand beside persons: values of groups, released and public rows, lists and constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from goe_lake.query.beside import joined_to, keys_and_values, windows_by_group
from goe_lake.query.building.draft import Draft, Scope, names_by_person, schema_of
from goe_lake.query.building.released import over_released
from goe_lake.query.checks import check_joins
from goe_lake.query.gateway import output_names, with_names
from goe_lake.query.lists import without_list
from goe_lake.query.lookups import Lookup, as_listed, taken_apart
from goe_lake.query.parts import equal_parts
from goe_lake.query.personal import distinct_as_groups
from goe_lake.query.qualify import expand_all, joined_columns, qualify_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import conditions_of
from goe_lake.query.rounds import without_sources
from goe_lake.query.rows import Rows
from goe_lake.query.steps import Use, named_table


def cut_points(draft: Draft, node: exp.Select, written: exp.Select, scope: Scope) -> dict[str, Rows]:
    """Let each ntile() of *node* read cut points: one row of quantiles of the same persons."""
    found: dict[str, Rows] = {}
    for window in list(node.find_all(exp.Window)):
        if not isinstance(window.this, exp.Ntile):
            continue
        parts = equal_parts(window, node, draft.catalog)
        alias = f"_cuts{len(found) + 1}"
        found[alias] = join_groups(draft, node, parts.cut_points(written), parts.partition, alias, scope)
        window.replace(parts.as_case(alias))
    return found


def group_values(draft: Draft, node: exp.Select, written: exp.Select, scope: Scope) -> dict[str, Rows]:
    """Let windows of *node* over whole groups read these, as tables that are joined."""
    found: dict[str, Rows] = {}
    for partition, windows in windows_by_group(node).items():
        alias = f"_groups{len(found) + 1}"
        heads = list(dict.fromkeys(window.this for window in windows))
        made = keys_and_values(partition, heads, written)
        found[alias] = join_groups(draft, node, made, partition, alias, scope)
        for window in windows:
            window.replace(exp.column(f"_v{heads.index(window.this)}", table=alias))
    return found


def join_groups(
    draft: Draft,
    node: exp.Select,
    groups: exp.Select,
    keys: Sequence[exp.Expr],
    alias: str,
    scope: Scope,
    equal: type[exp.Binary] = exp.NullSafeEQ,
) -> Rows:
    """Join the rows of *groups* to *node* by their *keys*, as *alias*."""
    rows = draft.select(groups, scope)
    named = rows.step or rows.by_person
    if named is None:
        hint = "aggregate by person in a nested query, and join that"
        raise refusal(
            Code.NESTED_QUERY, groups, "a nested query of the row asks for rows about persons", hint
        )
    node.append("joins", joined_to(keys, named, alias, equal=equal))
    return rows


def take_lookups(
    draft: Draft, node: exp.Select, sources: dict[str, Rows]
) -> tuple[exp.Select, dict[str, Rows]]:
    """*node* with the released and public tables in it as lists, which are known in a later round."""
    found = [alias for alias, rows in sources.items() if _is_lookup(rows)]
    if not found:
        return node, sources
    check_joins(node, draft.catalog, names_by_person(sources) | frozenset(found))
    names = output_names(node)
    node = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), schema_of(sources)))
    sources = dict(sources)
    for alias in found:
        rows = sources[alias]
        node, query = taken_apart(node, alias, rows.name_in_from(alias))
        sources[alias] = made = _looked_up(draft, query, rows, alias)
        holder = next(
            holder
            for holder in (node.args["from_"], *(node.args.get("joins") or ()))
            if holder.this.alias_or_name == alias
        )
        holder.set("this", named_table(str(made.step), alias))
    with_names(node, names)
    return node, sources


def _looked_up(draft: Draft, query: exp.Select, rows: Rows, alias: str) -> Rows:
    """The rows that *query* makes of *rows*: constants where they are known, marks where they are not."""
    made = over_released(draft, query, {alias: rows})
    names = [draft.mark(made, Use.SCALAR, name) for name in made.columns]
    draft.listed |= set(names)
    marks = tuple(exp.Placeholder(this=name) for name in names)
    number = len(draft.lookups)
    draft.lookups.append(Lookup(str(made.step), made.columns))
    known = draft.known.get(number)
    listed = (marks,) if known is None else as_listed(known, query)
    return replace(made, single=False, listed=listed, looked_up=True)


def take_lists(
    draft: Draft, node: exp.Select, sources: dict[str, Rows]
) -> tuple[exp.Select, dict[str, Rows]]:
    """*node* and its *sources* without VALUES and ranges: their columns are choices of constants."""
    lists = {alias: rows for alias, rows in sources.items() if rows.listed or rows.looked_up}
    if not lists:
        return node, sources
    check_joins(node, draft.catalog, names_by_person(sources) | frozenset(lists))
    names = output_names(node)
    node = joined_columns(qualify_in(expand_all(distinct_as_groups(node)), schema_of(sources)))
    for alias, rows in lists.items():
        if rows.single and not _compared(node, alias):
            continue
        node = without_list(node, alias, rows.columns, rows.listed)
        sources = {name: its for name, its in sources.items() if name != alias}
    with_names(node, names)
    return node, sources


def take_constants(
    draft: Draft, node: exp.Select, sources: dict[str, Rows]
) -> tuple[exp.Select, dict[str, Rows]]:
    """*node* and its *sources* without tables of one released row: each column is one value for all."""
    taken = {alias: rows for alias, rows in sources.items() if rows.single and not rows.personal}
    if not taken:
        return node, sources
    check_joins(node, draft.catalog, names_by_person(sources))
    node = joined_columns(qualify_in(expand_all(node), schema_of(sources)))
    read = {(column.table, column.name.lower()) for column in node.find_all(exp.Column)}
    marks = {
        alias: {
            name.lower(): draft.mark(rows, Use.SCALAR, name)
            for name in rows.columns
            if (alias, name.lower()) in read
        }
        for alias, rows in taken.items()
    }
    left = {alias: rows for alias, rows in sources.items() if alias not in taken}
    return without_sources(node, marks), left


def _is_lookup(rows: Rows) -> bool:
    """Whether *rows*, beside rows about persons, are known only when a query is asked."""
    return not (rows.personal or rows.single or rows.listed or rows.table == "variants")


def _compared(node: exp.Select, alias: str) -> bool:
    """Whether a condition of *node* reads *alias*."""
    return any(column.table == alias for part in conditions_of(node) for column in part.find_all(exp.Column))
