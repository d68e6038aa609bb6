"""What a gateway makes of nodes that decline, and of what they say is left of a project's day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from goe_lake.engine.node import NodeAnswer
from goe_lake.errors import Declined, QueryRefused
from goe_lake.release import BudgetLeft


def as_refusal(declined: Mapping[str, Declined]) -> QueryRefused:
    """The refusal of a query that the nodes of *declined* do not answer; it names each and what it says."""
    # one that must be mended by people comes before one that time mends
    first = min(declined.values(), key=lambda reason: reason.code)
    told = "; ".join(f"{node}: {reason.message}" for node, reason in sorted(declined.items()))
    return QueryRefused(first.code, told, hint=first.mend)


def least_left(answers: Iterable[Sequence[NodeAnswer]]) -> BudgetLeft | None:
    """What is left at the node with the least; None where no node counts."""
    left = [answer.budget_left for given in answers for answer in given if answer.budget_left is not None]
    return reduce(BudgetLeft.least, left) if left else None
