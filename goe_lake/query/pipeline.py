"""The gateway at a glance: what happens to a query before any node is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.errors import QueryRefused
from goe_lake.query.builder import Builder
from goe_lake.query.dates import on_the_day
from goe_lake.query.lookups import Known
from goe_lake.query.parse import DIALECT, parse
from goe_lake.query.plan import Plan
from goe_lake.query.refusals import Code, within_limits
from goe_lake.query.shorthand import with_arguments, written_out
from goe_lake.query.statements import as_select
from goe_lake.query.steps import Use
from goe_lake.query.subset import check_syntax, spell

# On the text as written: what it may hold at all. They change the tree that they are given.
SYNTAX_PASSES: Final = (written_out, check_syntax, spell)


def prepare(text: str, catalog: Catalog, today: date | None = None) -> Plan:
    """The plan for the query *text*; QueryRefused for everything that is not understood and allowed.

    *today* is the date that `current_date` stands for: the day in UTC, if not given.
    """
    query = parse(as_select(text, catalog))
    source = as_written(query).sql(DIALECT, copy=False)
    try:
        query = on_the_day(query, today or datetime.now(UTC).date())
        for run_pass in SYNTAX_PASSES:
            query = run_pass(query)
        return plan(query, catalog, source)
    except QueryRefused:
        raise
    except Exception:  # noqa: BLE001 - fail closed: what cannot be planned is not asked
        raise QueryRefused(
            Code.INTERNAL, "the query could not be planned", hint="write it another way, and report it"
        ) from None


def as_written(query: exp.Query) -> exp.Query:
    """*query* as it stands in the text where the parser makes something else of it.

    Of `WITH w AS (VALUES …)` it makes a SELECT of the rows, and of WITHIN GROUP what nothing reads.
    """
    query = query.copy()
    for cte in query.find_all(exp.CTE):
        first = cte.this.args.get("from_")
        if first is not None and isinstance(first.this, exp.Values) and first.this.alias == "_values":
            values = first.this.copy()
            values.set("alias", None)
            cte.set("this", values)
    return with_arguments(query)


def plan(query: exp.Query, catalog: Catalog, source: str, known: Known | None = None) -> Plan:
    """The plan of *query*, whose syntax was checked: every release in it, and the steps above them.

    *known* are the rows of its lookups, as far as earlier rounds released them.
    """
    builder = Builder(catalog, known=known or {})
    with within_limits():
        builder.answer(query)
    return Plan(
        tuple(builder.releases),
        tuple(builder.steps),
        builder.tables,
        source,
        builder.waiting,
        builder.rounds,
        builder.quantiles,
        any(use.use is Use.ALLELE for use in builder.nested.values()),
        tuple(builder.lookups),
        lambda rows: plan(query, catalog, source, rows),
    )
