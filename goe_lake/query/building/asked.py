"""From a SELECT over persons to the release that nodes are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from goe_lake.catalog import is_public
from goe_lake.errors import QueryRefused
from goe_lake.query.building.draft import MOST_RELEASES, Draft, names_by_person, schema_of
from goe_lake.query.checks import check_joins
from goe_lake.query.finer_rows import Named, by_name, finer_rows
from goe_lake.query.gateway import output_names, with_names
from goe_lake.query.lowering import Lowered, lowered
from goe_lake.query.personal import distinct_as_groups, is_row_wise
from goe_lake.query.plan import cells_name
from goe_lake.query.presence import groups_by_person, with_presence
from goe_lake.query.qualify import expand_all, joined_columns, qualify_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rounds import MOST_ROUNDS, Finishing, Waiting, finishing, gives_one_row
from goe_lake.query.rows import Apart, Rows, check_row_wise, merge_rows
from goe_lake.query.same_person import SAMPLES, samples_once
from goe_lake.query.self_joins import GENOTYPES, SCORES, has_quantiles, site_uses, without_uses
from goe_lake.query.steps import Nested, Use, marks_of
from goe_lake.query.sub_aggregates import is_per_person, person_query
from goe_lake.release import KeyDomain, Release, columns_in


def ask_persons(
    draft: Draft, node: exp.Select, sources: Mapping[str, Rows], margins: tuple[tuple[str, ...], ...] = ()
) -> Rows:
    """A SELECT over persons: rows of persons or of one row a person, or a release and what finishes it.

    *margins* are the coarser groupings, by the names of its keys, that are asked for beside it.
    """
    names = output_names(node)
    distinct = node.args.get("distinct")
    node = expand_all(distinct_as_groups(node))
    derived = {alias: rows.persons for alias, rows in sources.items() if rows.persons is not None}
    row_wise, by_person = is_row_wise(node), groups_by_person(node)
    if row_wise:
        check_row_wise(node)
    beside = (
        any(rows.by_person for rows in sources.values())
        or any(mark in draft.present for mark in marks_of(node))
        or any(
            sum(rows.table == name for rows in sources.values()) > 1 for name in (GENOTYPES, SCORES, SAMPLES)
        )
        or (has_quantiles(node) and any(rows.table == GENOTYPES for rows in sources.values()))
    )
    if derived or row_wise or by_person or beside:
        check_joins(node, draft.catalog, names_by_person(sources))
        node = qualify_in(node, schema_of(sources))
        node = merge_rows(joined_columns(node), derived)
        node = samples_once(with_presence(node, draft.present))
    units = tuple("" for _ in node.expressions)
    if row_wise:
        columns = with_names(node, names)
        return Rows(columns, units, persons=node)
    if by_person and is_per_person(node):
        columns = with_names(node, names)
        finer, named = finer_rows(node), by_name(node)
        apart = _apart(draft, named) if named is not None else None
        if finer is not None:
            rows, facts = finer
            return Rows(columns, units, persons=rows, finer=facts, apart=apart)
        if apart is not None:
            return Rows(columns, units, apart=apart)
        _check_unnested(draft, node)
        query = person_query(node, draft.catalog, draft.listed)
        return Rows(columns, units, by_person=draft.named_query(query))
    made = _ask(draft, node, names, margins, distinct)
    return replace(made, single=gives_one_row(node, []))


def _ask(
    draft: Draft,
    node: exp.Select,
    names: tuple[str, ...],
    margins: tuple[tuple[str, ...], ...],
    distinct: exp.Expr | None,
) -> Rows:
    """Ask nodes for a release, or read the one that is asked for already, and finish it as *names*.

    *distinct* is the clause of that name, where the SELECT was written with one.
    """
    low = _lowered(draft, _at_sites(draft, node))
    if len(draft.releases) >= MOST_RELEASES:
        hint = "group by a column instead of asking for each group by itself"
        raise refusal(Code.TOO_MUCH_WORK, node, f"the query has more than {MOST_RELEASES} releases", hint)
    place = len(draft.releases)
    cells = cells_name(place)
    made = _with_margins(finishing(low, cells, draft.name(), names), margins, node)
    release, step = made.release, made.step
    if distinct is not None and step.select.args.get("distinct") is None:
        _check_labels(release, distinct)
    constants = {mark: draft.nested[mark] for mark in made.marks}
    # after a lookup a plan must not depend on what its rows are
    asked = release in draft.releases and not draft.lookups
    if asked and not constants and not made.quantiles:
        cells = cells_name(draft.releases.index(release))
        step.select.args["from_"].set("this", exp.to_table(cells))
        step = replace(step, cells=cells)
    else:
        _note(draft, made, constants, node)
    if constants:
        draft.waiting[place] = Waiting(low, constants, cells, step.name, names)
    return draft.add(replace(step, nested=draft.marks(step.select)))


def _note(draft: Draft, made: Finishing, constants: Mapping[str, Nested], at: exp.Select) -> None:
    """Note the releases of *made*: in the round after those that release its *constants*."""
    waits = [use.step for use in constants.values()] + [lookup.step for lookup in draft.lookups]
    number = 1 + max((draft.rounds.get(step, 0) for step in waits), default=0)
    if number > MOST_ROUNDS:
        hint = "ask for the first values by themselves, and write them here"
        raise refusal(Code.TOO_MUCH_WORK, at, f"the query takes more than {MOST_ROUNDS} rounds", hint)
    place = len(draft.releases)
    bins = made.bins
    for release in (made.release, *bins.values()):
        draft.rounds[cells_name(len(draft.releases))] = number
        draft.releases.append(release)
    if made.quantiles:
        places = dict(zip(bins, range(place + 1, place + 1 + len(bins)), strict=True))
        draft.quantiles[place] = tuple((its, places[its.binned]) for its in made.quantiles)


def _at_sites(draft: Draft, node: exp.Select) -> exp.Select:
    """*node* with each use of genotypes, where there are several, as a query of one row a person."""
    uses, names = site_uses(node), {}
    for use in uses:
        mark = draft.mark(draft.select(use.alleles, {}), Use.ALLELE) if use.alleles is not None else None
        names[use.alias] = draft.named_query(use.query(draft.catalog, mark))
    return without_uses(node, names, uses) if uses else node


def _lowered(draft: Draft, node: exp.Select) -> Lowered:
    """*node* over tables and sub-aggregates alone."""
    names = {table.name for table in node.find_all(exp.Table)} & set(draft.persons)
    if not names:
        return Lowered(node, (), None, draft.catalog)
    queries = {name: draft.persons[name] for name in names}
    known = frozenset(presence.query for presence in draft.present.values())
    return lowered(node, queries, known, draft.catalog)


def _apart(draft: Draft, named: Named) -> Apart | None:
    """The queries of one row a person that *named* stands for; None where one of them is not answered."""
    parts = []
    for value, part in named.parts:
        try:
            _check_unnested(draft, part)
            query = person_query(part, draft.catalog, draft.listed)
        except QueryRefused:
            return None
        columns = tuple(item.alias for item in part.expressions)
        parts.append((value, Rows(columns, tuple("" for _ in columns), by_person=draft.named_query(query))))
    return Apart(named.key, tuple(parts))


def _check_unnested(draft: Draft, node: exp.Select) -> None:
    """A query of one row a person reads tables, and no other such query."""
    for table in node.find_all(exp.Table):
        if table.name in draft.persons:
            hint = "join the nested queries beside each other: … FROM a JOIN b USING (sample_id)"
            message = "a query of one row a person stands in another one"
            raise refusal(Code.NESTED_QUERY, node, message, hint)


def _check_labels(release: Release, distinct: exp.Expr) -> None:
    """SELECT DISTINCT lists labels and sites; other values of persons are rows about them."""
    if any(key.domain is KeyDomain.OPEN for key in release.keys):
        hint = "use GROUP BY with count(*), which shows the values that enough persons share"
        raise refusal(Code.ROWS_OF_PERSONS, distinct, "DISTINCT lists values of persons", hint)


def _with_margins(made: Finishing, margins: tuple[tuple[str, ...], ...], at: exp.Select) -> Finishing:
    """*made*, whose release is asked for coarser groupings as well."""
    if margins and made.quantiles:
        hint = "ask for each grouping by itself, and UNION ALL them"
        raise refusal(Code.AGGREGATE, at, "no quantile of margins (ROLLUP, CUBE) is answered", hint)
    tables = {scan.alias: scan.table for scan in made.release.relation.scans}
    read = [column for key in made.release.keys for column in columns_in(key.expression)]
    about_sites = (column for column in read if tables.get(column.table) in ("genotypes", "variants"))
    if margins and any(is_public(tables[column.table], column.column) for column in about_sites):
        message = "no margins (ROLLUP, CUBE) of groups of sites are answered"
        raise refusal(Code.NOT_IN_SUBSET, at, message, "ask for each grouping by itself, and UNION ALL them")
    return replace(made, release=replace(made.release, margins=margins))
