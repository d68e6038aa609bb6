"""Budgets: so many queries and cells a project and day, over all its analysts, whatever they name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import goe_lake
from goe_lake.disclosure.policy import Budget
from goe_lake.errors import Declined, QueryRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger import Kind, Ledger, Record, Spending, budgets
from goe_lake.federation.ledger.budgets import RELEASES_A_QUERY
from tests.ledger.conftest import COUNTS, World, make_world

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def spend(ledger: Ledger, account: str, query_id: str, cells: int = 0, kind: Kind = Kind.ANSWER) -> None:
    """One answer to *account*."""
    ledger.append(Record(kind, Asker(account), account, query_id=query_id, cells=cells))


def test_a_budget_is_told_and_refused_when_it_is_spent(world: World) -> None:
    """Each answer says what is left; the refusal says when it renews; another analyst has no other budget."""
    world.policy("[budget]\nqueries_per_day = 2\n")
    federation = world.federation("demo", "anna")
    left = [federation.sql(COUNTS).envelope.budget_left for _ in range(2)]
    assert [(item.queries, item.cells) for item in left] == [(1, 999_998), (0, 999_996)]
    for project, analyst in (("demo", "anna"), ("demo", "bob"), ("another name", "anna")):
        with pytest.raises(QueryRefused) as refused:
            world.federation(project, analyst).sql(COUNTS)
        assert (refused.value.code, refused.value.hint[:23]) == ("G802", "ask less, or again afte")
        assert left[0].renews in refused.value.hint
    assert world.kinds() == ["begun", "answer", "answer", "declined", "declined", "declined"]


def test_an_answer_of_more_cells_than_are_left_does_not_leave(world: World) -> None:
    """It was computed, and neither told nor counted."""
    world.policy("[budget]\ncells_per_day = 3\n")
    federation = world.federation()
    assert federation.sql(COUNTS).envelope.budget_left.cells == 1
    with pytest.raises(QueryRefused, match="3 cells a day"):
        federation.sql(COUNTS)
    assert federation.sql("SELECT count(*) AS n FROM samples").envelope.budget_left.cells == 0
    assert world.kinds() == ["begun", "answer", "declined", "answer"]


def test_the_envelope_tells_the_smallest_left(world: World, tmp_path: Path) -> None:
    """Of the nodes that answered."""
    other = make_world(tmp_path / "fi", "FI")
    other.policy("[budget]\nqueries_per_day = 7\ncells_per_day = 2000000\n")
    federation = goe_lake.open_federation([world.node, other.node])
    left = federation.sql(COUNTS).envelope.budget_left
    assert (left.queries, left.cells) == (6, 999_998)


def test_a_day_ends_at_midnight_in_utc(world: World) -> None:
    """What was spent yesterday is not counted today."""
    now = [NOON.replace(hour=23, minute=59, second=59)]
    ledger = Ledger.open(world.folder, world.lake, "GOE-EE-NODE-1", lambda: now[0])
    spend(ledger, "p", "q1", cells=5)
    assert ledger.spent("p") == Spending(1, 5, 0)
    now[0] += timedelta(seconds=1)
    assert ledger.spent("p") == Spending(0, 0, 0)
    assert budgets.renewal(now[0]) == "2026-05-03T00:00:00Z"
    ledger.close()


def test_each_project_has_a_budget_of_its_own(world: World) -> None:
    """What was refused, or answered without protection, spends nothing."""
    ledger = Ledger.open(world.folder, world.lake, "GOE-EE-NODE-1", lambda: NOON)
    spend(ledger, "p", "q1", cells=5)
    spend(ledger, "r", "q2", cells=7)
    spend(ledger, "p", "q3", cells=9, kind=Kind.DECLINED)
    spend(ledger, "p", "q4", cells=9, kind=Kind.UNPROTECTED)
    assert (ledger.spent("p"), ledger.spent("r")) == (Spending(1, 5, 0), Spending(1, 7, 0))
    ledger.close()


def test_one_query_id_does_not_stretch_to_any_number_of_questions(world: World) -> None:
    """The releases of one query count once; a gateway that reuses an id is counted by what it asks."""
    ledger = Ledger.open(world.folder, world.lake, "GOE-EE-NODE-1", lambda: NOON)
    for _ in range(RELEASES_A_QUERY):
        spend(ledger, "p", "q1")
    assert ledger.spent("p").queries == 1
    spend(ledger, "p", "q1")
    assert ledger.spent("p").queries == 2
    ledger.close()


@pytest.mark.parametrize(
    ("spending", "name"),
    [(Spending(3, 0, 0), "2 queries"), (Spending(0, 11, 0), "10 cells"), (Spending(0, 0, 6), "5 rare sites")],
)
def test_each_part_of_a_budget_is_checked(spending: Spending, name: str) -> None:
    """All that is allowed may be spent, and no more."""
    budget = Budget(queries_per_day=2, cells_per_day=10, rare_sites_per_day=5)
    budgets.check(budget, Spending(2, 10, 5), NOON)
    with pytest.raises(Declined, match=name):
        budgets.check(budget, spending, NOON)
