"""The gateway: an analyst's SQL in, a pooled answer out. It never holds a row about a person."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Final, Literal

import duckdb
import pyarrow as pa
import structlog

from goe_lake.catalog import Catalog, merge_catalogs
from goe_lake.engine.genotypes import Column
from goe_lake.engine.node import NodeAnswer, digest_of_cells
from goe_lake.engine.second_parse import BoundColumn, bind, check_second_opinion
from goe_lake.engine.sites import SiteList, unite
from goe_lake.errors import ConfigError, Incomplete, NodeFailed, QueryRefused, ReleaseRefused
from goe_lake.federation.answer import Answer
from goe_lake.federation.domains import Combination, node_domain, not_shown
from goe_lake.federation.explain import explained
from goe_lake.federation.finish import Finished, finish
from goe_lake.federation.frequencies import Progress, frequencies, make_releases
from goe_lake.federation.merge import Part, merge
from goe_lake.federation.node import FrequencyRelease, Node, NodeDescription
from goe_lake.query import Plan, prepare
from goe_lake.release import ColumnReport, Envelope, NodeReport, Release, Status, columns_in

log = structlog.get_logger("goe_lake.gateway")

Completeness = Literal["all", "any"]
WORST_FIRST: Final = (Status.WITHHELD, Status.PARTIAL, Status.BOUNDED, Status.APPROX, Status.OK)


@dataclass(frozen=True)
class Member:
    """One node of the federation and its public facts, pinned when the federation was opened."""

    node: Node
    description: NodeDescription


class Federation:
    """Several nodes under one site list, asked as if all persons were in one database.

    *project* names the purpose that consent must cover.
    """

    def __init__(self, nodes: Iterable[Node], project: str = "demo") -> None:
        self.project = project
        self._members = tuple(Member(node, node.describe()) for node in nodes)
        _check_members(self._members)
        self.catalog: Catalog = merge_catalogs(
            {m.description.node_id: m.description.catalog for m in self._members}
        )
        self.site_list = self._lay_site_list()

    def _lay_site_list(self) -> SiteList:
        """The union of what the nodes may list, laid over each of them."""
        with ThreadPoolExecutor(max_workers=len(self._members)) as pool:
            site_list = unite(pool.map(lambda member: member.node.offer_sites(), self._members))
            list(pool.map(lambda member: member.node.lay(site_list), self._members))
        return site_list

    def keep_listed(self, sites: pa.Table) -> None:
        """List *sites* (`SITE_SCHEMA`) too: what an earlier release lists stays listed."""
        self.site_list = unite([self.site_list.sites, sites])
        with ThreadPoolExecutor(max_workers=len(self._members)) as pool:
            list(pool.map(lambda member: member.node.lay(self.site_list), self._members))

    def for_project(self, project: str) -> Federation:
        """The same nodes under the same site list, asked for *project*."""
        other = copy(self)
        other.project = project
        return other

    @property
    def nodes(self) -> tuple[NodeDescription, ...]:
        """The public facts of every node."""
        return tuple(member.description for member in self._members)

    def frequencies(self, contig: str) -> pa.Table:
        """The released allele frequencies of *contig* over all nodes (`products.frequencies.schema`)."""
        return frequencies(self._members, contig)

    def release_frequencies(self, progress: Progress | None = None) -> list[FrequencyRelease]:
        """Let every node make its next release of allele frequencies; in the order of the nodes."""
        return make_releases(self._members, progress)

    def sql(self, text: str, *, completeness: Completeness = "all", domain_rows: bool = False) -> Answer:
        """Answer the query *text*.

        With *domain_rows*, groups of public labels that have too few persons, or none, have a row too:
        every value in it is withheld. Raises QueryRefused before any node is asked, and Incomplete
        where nodes do not answer that *completeness* requires.
        """
        query_id = uuid.uuid4().hex
        plan, bound = self._plan(text)
        answers, failed = self._ask(plan.release, query_id)
        if failed and (completeness == "all" or not answers):
            raise Incomplete(tuple(failed), query_id)
        with workspace() as connection:
            parts = [
                Part(
                    member.description,
                    node_domain(plan.release, member.description.catalog, connection),
                    answer,
                )
                for member, answer in answers
            ]
            domain = _domain(plan, parts) if domain_rows else ()
            merge(plan.release, parts, self.catalog, connection, domain)
            finished = finish(plan, bound, connection)
        log.info(
            "query_answered", query_id=query_id, release=plan.release.digest(), rows=finished.table.num_rows
        )
        return Answer(
            finished.table, finished.status, self._envelope(query_id, plan, bound, parts, finished, failed)
        )

    def explain(self, text: str) -> str:
        """What the query *text* would ask of each node, and what is made of it; asks nothing."""
        plan, _ = self._plan(text)
        return explained(plan, self.nodes)

    def _plan(self, text: str) -> tuple[Plan, tuple[BoundColumn, ...]]:
        plan = prepare(text, self.catalog)
        check_second_opinion(text, plan.source)
        bound = bind(plan.source, self.catalog)
        if len(bound) != len(plan.outputs):
            raise QueryRefused(
                "G105", "two parsers count the output columns differently", hint="name each column"
            )
        return plan, bound

    def _ask(self, release: Release, query_id: str) -> tuple[list[tuple[Member, NodeAnswer]], list[str]]:
        """Every node's answer, in the order of the nodes; and the nodes that gave none."""

        def ask(member: Member) -> NodeAnswer | None:
            try:
                return _checked(
                    member, release, member.node.answer(release, self.project, query_id), query_id
                )
            except (NodeFailed, ReleaseRefused) as error:
                log.warning(
                    "node_failed",
                    node=member.description.node_id,
                    query_id=query_id,
                    error=type(error).__name__,
                )
                return None

        with ThreadPoolExecutor(max_workers=len(self._members)) as pool:
            answers = list(pool.map(ask, self._members))
        paired = list(zip(self._members, answers, strict=True))
        given = [(member, answer) for member, answer in paired if answer is not None]
        return given, [member.description.node_id for member, answer in paired if answer is None]

    def _envelope(
        self,
        query_id: str,
        plan: Plan,
        bound: Sequence[BoundColumn],
        parts: Sequence[Part],
        finished: Finished,
        failed: Sequence[str],
    ) -> Envelope:
        answered = {part.description.node_id for part in parts}
        return Envelope(
            query_id=query_id,
            nodes=tuple(_node_report(member.description, answered) for member in self._members),
            columns=tuple(
                ColumnReport(name, column.type, output.unit, worst(finished.status.column(place)))
                for place, (name, column, output) in enumerate(
                    zip(finished.table.column_names, bound, plan.outputs, strict=True)
                )
            ),
            rows=finished.rows,
            bounds=finished.bounds,
            not_shown=_not_shown(plan, parts, finished),
            notices=tuple(self._notices(plan, failed)),
        )

    def _notices(self, plan: Plan, failed: Sequence[str]) -> Iterable[str]:
        if failed:
            yield f"without {', '.join(failed)}"
        for member in self._members:
            if not member.description.protects:
                yield f"{member.description.node_id}: protection is off; nothing is withheld there"
        tables = {scan.table for scan in plan.release.relation.scans}
        # what a site is does not depend on who added a column about it
        for table in sorted(tables - {"variants"}):
            for column in self.catalog.tables[table].columns:
                lacking = [
                    member.description.node_id
                    for member in self._members
                    if column.name not in member.description.catalog.tables[table].by_name
                ]
                if lacking and _reads(plan.release, table, column.name):
                    yield f"{table}.{column.name} is NULL at {', '.join(lacking)}, which do not have it"


def _checked(member: Member, release: Release, answer: NodeAnswer, query_id: str) -> NodeAnswer:
    """*answer*, if its receipt is for this release, the pinned snapshot and these very cells."""
    receipt = answer.receipt
    told = (receipt.node_id, receipt.snapshot_id, receipt.release_digest, receipt.cells_digest)
    expected = (
        member.description.node_id,
        member.description.snapshot_id,
        release.digest(),
        digest_of_cells(answer.cells),
    )
    if told != expected or tuple(answer.cells.column_names) != release.cell_columns():
        raise NodeFailed(member.description.node_id, query_id, "the receipt does not fit the question")
    return answer


def _check_members(members: Sequence[Member]) -> None:
    if not members:
        raise ConfigError("federation", "nodes", "there is no node", "name at least one node.toml")
    seen: set[str] = set()
    for member in members:
        if member.description.node_id in seen:
            raise ConfigError(
                "federation",
                "node.id",
                f"two nodes are called {member.description.node_id}",
                "give each an id of its own",
            )
        seen.add(member.description.node_id)


def _node_report(description: NodeDescription, answered: set[str]) -> NodeReport:
    status = "answered" if description.node_id in answered else "failed"
    return NodeReport(
        description.node_id,
        description.country,
        status,
        description.snapshot_id,
        description.min_persons,
        description.protection,
    )


def worst(column: Column) -> Status:
    """The worst status of a column; ok for one without rows."""
    found = set(column.to_pylist())
    return next((status for status in WORST_FIRST if status.value in found), Status.OK)


def _domain(plan: Plan, parts: Sequence[Part]) -> list[Combination]:
    """The groups that may exist, where all keys have public labels; none where nothing is withheld."""
    protects = any(part.description.protects for part in parts)
    return not_shown([part.domain for part in parts], plan.release.keys, set()) if protects else []


def _not_shown(
    plan: Plan, parts: Sequence[Part], finished: Finished
) -> tuple[dict[str, str | bool | None], ...]:
    """The groups that may exist and are not shown, named as the output columns that show their keys."""
    keys = [key.name for key in plan.release.keys]
    if not keys or not any(part.description.protects for part in parts):
        return ()
    names = {output.sql: output.name for output in plan.outputs}
    shown = {tuple(row[key] for key in keys) for row in finished.shown_keys.to_pylist()}
    return tuple(
        {names.get(key, key): value for key, value in zip(keys, combination, strict=True)}
        for combination in not_shown([part.domain for part in parts], plan.release.keys, shown)
    )


def _reads(release: Release, table: str, column: str) -> bool:
    aliases = {scan.alias for scan in release.relation.scans if scan.table == table}
    return any(
        reference.table in aliases and reference.column == column
        for expression in release.expressions()
        for reference in columns_in(expression)
    )


@contextmanager
def workspace() -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked in-memory DuckDB for the steps after the release."""
    connection = duckdb.connect(config={"memory_limit": "2GB", "threads": 2})
    try:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()
