"""A SELECT over tables about persons: into one release, and the SELECT over its cells."""

from __future__ import annotations

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.checks import (
    check_aggregates,
    check_joins,
    check_projections,
    check_sample_id,
    check_tables,
    group_keys,
)
from goe_lake.query.final import Finisher
from goe_lake.query.language import aggregates_in
from goe_lake.query.qualify import qualify
from goe_lake.query.quantiles import Quantile
from goe_lake.query.relation import plan_keys, plan_relation
from goe_lake.query.subset import check_cast_types, check_subset
from goe_lake.query.sums import Measures
from goe_lake.release import CellKind, MeasureFunction, PerPerson, Release

MEANING_PASSES = (check_sample_id, check_aggregates, check_projections)
ABOVE = ("having", "qualify", "order")  # clauses over the groups


def check_persons(query: exp.Select, catalog: Catalog) -> exp.Select:
    """All that is computed from rows about persons is on the list for those."""
    check_tables(query, catalog)
    for part in beneath(query):
        check_subset(part, catalog)
        check_cast_types(part, catalog)
    return check_joins(query, catalog)


def beneath(query: exp.Select) -> list[exp.Expr]:
    """The parts of *query* that read rows about persons: relation, conditions, keys and aggregates."""
    parts = [query.args.get(name) for name in ("from_", "where", "group")]
    found: list[exp.Expr] = [part for part in parts if part is not None]
    found += query.args.get("joins") or ()
    above = [*query.expressions, *(query.args.get(name) for name in ABOVE)]
    return found + [item for part in above if part is not None for item in aggregates_in(part)]


def is_row_wise(query: exp.Select) -> bool:
    """Whether the rows of *query* are rows about persons: nothing in it aggregates."""
    clauses = [*query.expressions, *(query.args.get(name) for name in ABOVE)]
    return not (
        query.args.get("group")
        or query.args.get("distinct")
        or any(aggregates_in(clause) for clause in clauses if clause is not None)
    )


def distinct_as_groups(query: exp.Select) -> exp.Select:
    """SELECT DISTINCT of plain values as the GROUP BY that it is short for."""
    distinct = query.args.get("distinct")
    clauses = [*query.expressions, *(query.args.get(name) for name in ABOVE)]
    if (
        distinct is None
        or distinct.args.get("on")
        or query.args.get("group")
        or any(clause.find(exp.Window, exp.Star, exp.AggFunc) for clause in clauses if clause is not None)
    ):
        return query
    query = query.copy()
    query.set("distinct", None)
    query.set("group", exp.Group(expressions=[item.unalias().copy() for item in query.expressions]))
    return query


def release_of(
    query: exp.Select, catalog: Catalog, cells: str, derived: tuple[PerPerson, ...] = ()
) -> tuple[Release, exp.Select, exp.Select, tuple[str, ...], tuple[Quantile, ...]]:
    """The release of *query*, the SELECT over the table *cells*, *query* in full names, units, and quantiles.

    The quantiles are columns of *cells* that the release itself does not fill.
    """
    query = qualify(check_persons(query, catalog), catalog)
    for check in MEANING_PASSES:
        query = check(query, catalog)
    tables = {table.alias_or_name: table.name for table in query.find_all(exp.Table)}
    relation, conditions = plan_relation(query, catalog, tables, derived)
    keys = plan_keys(query, catalog, tables)
    measures = Measures(catalog, tables)
    columns = {key: exp.column(f"k{place}") for place, key in enumerate(group_keys(query))}
    finisher = Finisher(columns, measures, {item.alias: item.unalias() for item in query.expressions})
    final = _final_select(query, finisher, cells)
    units = tuple(finisher.unit(item.unalias()) for item in query.expressions)
    if not measures.asked:  # keys alone: which groups there are is itself a count of persons
        measures.column(MeasureFunction.PERSONS)
    release = Release(relation, conditions, keys, tuple(measures.asked.values()), CellKind.OPEN)
    return release, final, query, units, tuple(measures.quantiles)


def _final_select(query: exp.Select, finisher: Finisher, cells: str) -> exp.Select:
    """*query* over its cells: the groups are rows there, so HAVING is a WHERE."""
    shown = [
        exp.alias_(finisher.final(item.unalias()), item.alias, quoted=True, copy=False)
        for item in query.expressions
    ]
    select = exp.select(*shown, copy=False).from_(cells, copy=False)
    having = query.args.get("having")
    if having is not None:
        select.set("where", exp.Where(this=finisher.final(having.this)))
    for name in ("qualify", "distinct"):
        clause = query.args.get(name)
        if clause is not None:
            select.set(name, finisher.final(clause))
    order = query.args.get("order")
    if order is not None:
        select.set("order", exp.Order(expressions=[finisher.final(item) for item in order.expressions]))
    for name in ("limit", "offset"):
        if query.args.get(name) is not None:
            select.set(name, query.args[name].copy())
    return select
