"""What a project may ask of a node in a day, and how much of it is spent."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from goe_lake.disclosure.policy import Budget
from goe_lake.errors import Declined
from goe_lake.federation.ledger.entries import Kind
from goe_lake.release import BudgetLeft

#: So many releases under one query id count as one query.
RELEASES_A_QUERY: Final = 16


@dataclass(frozen=True)
class Spending:
    """Queries, cells and rare sites."""

    queries: int
    cells: int
    rare_sites: int


def day_of(now: datetime) -> str:
    """The day of *now* in UTC, as entries write it."""
    return now.astimezone(UTC).date().isoformat()


def renewal(now: datetime) -> str:
    """When the day after *now* begins, in UTC."""
    return f"{(now.astimezone(UTC) + timedelta(days=1)).date().isoformat()}T00:00:00Z"


def spent(connection: sqlite3.Connection, account: str, now: datetime) -> Spending:
    """What *account* has spent on the day of *now*."""
    day = day_of(now)
    by_query = (
        "SELECT count(*) AS n, sum(cells) AS cells, sum(rare_sites) AS rare_sites FROM log "
        "WHERE account = ? AND at >= ? AND at < ? AND kind = ? GROUP BY query_id"
    )
    row = connection.execute(
        f"SELECT coalesce(sum((n + {RELEASES_A_QUERY - 1}) / {RELEASES_A_QUERY}), 0), "
        f"coalesce(sum(cells), 0), coalesce(sum(rare_sites), 0) FROM ({by_query})",
        # every time of the day begins with the day and a T
        (account, day, f"{day}U", Kind.ANSWER),
    ).fetchone()
    return Spending(*row)


def left(budget: Budget, spending: Spending, now: datetime) -> BudgetLeft:
    """What *spending* leaves of *budget*."""
    return BudgetLeft(
        max(budget.queries_per_day - spending.queries, 0),
        max(budget.cells_per_day - spending.cells, 0),
        max(budget.rare_sites_per_day - spending.rare_sites, 0),
        renewal(now),
    )


def check(budget: Budget, spending: Spending, now: datetime) -> None:
    """Raise Declined where *spending*, which includes the question, is more than *budget*."""
    for name, used, most in (
        ("queries", spending.queries, budget.queries_per_day),
        ("cells", spending.cells, budget.cells_per_day),
        ("rare sites", spending.rare_sites, budget.rare_sites_per_day),
    ):
        if used > most:
            mend = f"ask less, or again after {renewal(now)}"
            raise Declined("G802", f"the project may have {most:,} {name} a day of this node", mend)
