"""A report asked of a federation: every query of it, through the gateway, as a named project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from goe_lake.errors import GoeError, QueryRefused
from goe_lake.federation import Answer
from goe_lake.federation.gateway import Completeness
from goe_lake.products.reports.definition import Query, Report
from goe_lake.products.reports.parameters import chosen, filled
from goe_lake.release import NodeReport

ANSWERED: Final = "answered"
#: A query of public tables alone asks no node for a release.
NOT_ASKED: Final = "not_asked"


class SnapshotsChanged(GoeError):
    """A node published a snapshot while a report was being asked."""

    def __init__(self, node_id: str) -> None:
        super().__init__(
            f"{node_id} published a new snapshot while the report ran. Run the report again: "
            "its numbers must all be about one state"
        )


class Asked(Protocol):
    """A federation, in this process or behind a gateway."""

    def sql(self, text: str, *, completeness: Completeness = "all", domain_rows: bool = False) -> Answer:
        """Answer the query *text*."""


@dataclass(frozen=True)
class Part:
    """One query of a report, the SQL that was asked, and its answer."""

    query: Query
    sql: str
    answer: Answer


@dataclass(frozen=True)
class Result:
    """A report with its answers; *values* are the parameters it was run with."""

    report: Report
    values: Mapping[str, str]
    parts: tuple[Part, ...]

    @property
    def nodes(self) -> tuple[NodeReport, ...]:
        """Every node of the federation; `failed` where it was missing from any of the answers."""
        worst: dict[str, NodeReport] = {}
        for part in self.parts:
            for node in part.answer.envelope.nodes:
                before = worst.get(node.node_id)
                if before is None or _badness(node) > _badness(before):
                    worst[node.node_id] = node
        return tuple(worst[node_id] for node_id in sorted(worst))

    @property
    def missing(self) -> tuple[str, ...]:
        """The nodes that were asked and did not answer every query."""
        return tuple(node.node_id for node in self.nodes if node.status not in (NOT_ASKED, ANSWERED))


def _badness(node: NodeReport) -> int:
    """How far from an answer: a query of public tables asks no node, which is no fault of the node."""
    return {NOT_ASKED: 0, ANSWERED: 1}.get(node.status, 2)


def run_report(
    report: Report,
    federation: Asked,
    given: Mapping[str, str],
    progress: Callable[[str], None] = lambda name: None,
) -> Result:
    """Ask *federation* every query of *report*, with the parameters *given*.

    *progress* is called with each query's name before it is asked. Raises ConfigError about a
    parameter; QueryRefused naming the query; Incomplete where a node is missing that the report needs;
    SnapshotsChanged where a node published between two of its queries.
    """
    values = chosen(report.parameters, given, report.file)
    texts = [filled(query.sql, report.parameters, values, report.file) for query in report.queries]
    parts = []
    for query, text in zip(report.queries, texts, strict=True):
        progress(query.name)
        parts.append(Part(query, text, _ask(report, query, text, federation)))
    _check_snapshots(parts)
    return Result(report, values, tuple(parts))


def _ask(report: Report, query: Query, text: str, federation: Asked) -> Answer:
    try:
        return federation.sql(text, completeness=report.completeness)
    except QueryRefused as refused:
        # the place is one of the query's own lines; the reader wants that of the file
        line = refused.line + query.line - 1 if refused.line is not None else None
        message = f"{report.name}, query {query.name}: {refused.message}"
        raise QueryRefused(refused.code, message, line, refused.column, refused.hint) from None


def _check_snapshots(parts: list[Part]) -> None:
    """A report is about one state of each lake."""
    seen: dict[str, str] = {}
    for part in parts:
        for node in part.answer.envelope.nodes:
            if node.status != "answered" or node.snapshot_id is None:
                continue
            if seen.setdefault(node.node_id, node.snapshot_id) != node.snapshot_id:
                raise SnapshotsChanged(node.node_id)
