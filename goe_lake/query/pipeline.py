"""The gateway at a glance: what happens to a query before any node is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.errors import QueryRefused
from goe_lake.query.checks import (
    check_aggregates,
    check_joins,
    check_limit,
    check_projections,
    check_sample_id,
    check_tables,
)
from goe_lake.query.parse import DIALECT, parse
from goe_lake.query.plan import Plan, plan
from goe_lake.query.qualify import expand_all, qualify
from goe_lake.query.refusals import Code
from goe_lake.query.subset import check_cast_types, check_subset, select_first, spell

Pass = Callable[[exp.Select, Catalog], exp.Select]

# On the text as written: what it may hold at all.
SYNTAX_PASSES: Final[tuple[Pass, ...]] = (
    select_first,
    spell,
    expand_all,
    check_subset,
    check_cast_types,
    check_tables,
    check_joins,
    check_limit,
)
# On full names: what it means, and whether only aggregates are asked.
MEANING_PASSES: Final[tuple[Pass, ...]] = (
    qualify,
    check_sample_id,
    check_aggregates,
    check_projections,
)


def prepare(text: str, catalog: Catalog) -> Plan:
    """The plan for the query *text*; QueryRefused for everything that is not understood and allowed."""
    query = parse(text)
    source = query.sql(DIALECT)
    try:
        for run_pass in SYNTAX_PASSES:
            query = run_pass(query, catalog)
        names = output_names(query)
        for run_pass in MEANING_PASSES:
            query = run_pass(query, catalog)
        if len(names) != len(query.expressions):  # a star was expanded
            names = tuple(item.alias_or_name for item in query.expressions)
        return plan(query, catalog, names, source)
    except QueryRefused:
        raise
    except Exception:  # noqa: BLE001 - fail closed: what cannot be planned is not asked
        raise QueryRefused(
            Code.INTERNAL, "the query could not be planned", hint="write it another way, and report it"
        ) from None


def output_names(query: exp.Select) -> tuple[str, ...]:
    """The names of the output columns: as given, else the expression's text as DuckDB would name it."""
    return tuple(
        item.alias_or_name if isinstance(item, exp.Alias | exp.Column) else item.sql(DIALECT).lower()
        for item in query.expressions
    )
