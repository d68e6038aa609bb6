"""What every node would turn down is refused before any node is asked."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from goe_lake.engine.filters import MOST_LEAVES, least_parts
from goe_lake.engine.relation import MOST_KEYS, MOST_MEASURES
from goe_lake.query import Code
from goe_lake.query.parse import parse
from goe_lake.query.refusals import refusal
from goe_lake.release import Release

_CLAUSES = (exp.Where, exp.Join)


def check_askable(releases: Iterable[Release], text: str | None = None, *, protects: bool) -> None:
    """No release has more keys, measures or parts of conditions than a node looks at; QueryRefused else.

    *text* is the query where its conditions stand in it; *protects* tells that a node tries their parts.
    """
    for release in releases:
        if len(release.keys) > MOST_KEYS or len(release.measures) > MOST_MEASURES:
            message = (
                f"one SELECT asks for {len(release.keys)} keys and {len(release.measures)} numbers, "
                f"beyond {MOST_KEYS} or {MOST_MEASURES}"
            )
            hint = "ask for fewer aggregates at once; where they differ by FILTER, GROUP BY what it reads"
            raise refusal(Code.TOO_MUCH_WORK, None, message, hint)
        parts = least_parts(release) if protects else 0
        if parts > MOST_LEAVES:
            message = f"conditions and filters have {parts} parts together, beyond {MOST_LEAVES}"
            hint = "write ranges, BETWEEN or GROUP BY for long lists, or ask in several queries"
            raise refusal(Code.TOO_MUCH_WORK, _longest(text), message, hint)


def _longest(text: str | None) -> exp.Expr | None:
    """The clause of *text* with the most conditions; None where there is none."""
    if text is None:
        return None
    query = parse(text)
    clauses = [*query.find_all(*_CLAUSES), *query.find_all(exp.Filter)]
    return max(clauses, key=_size, default=None)


def _size(clause: exp.Expr) -> int:
    told = clause.args.get("on") or clause if isinstance(clause, exp.Join) else clause
    return sum(1 for node in told.walk() if isinstance(node, exp.Predicate | exp.Literal))
