"""The gateway: an analyst's SQL in, a pooled answer out. It never holds a row about a person."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

import duckdb
import pyarrow as pa
import structlog
from sqlglot import exp

from goe_lake.catalog import Catalog, merge_catalogs, with_public_tables
from goe_lake.engine.genotypes import Column
from goe_lake.engine.node import NodeAnswer, digest_of_cells
from goe_lake.engine.second_parse import BoundColumn, SecondParser
from goe_lake.engine.sites import SiteList, unite
from goe_lake.errors import ConfigError, Declined, Incomplete, NodeFailed, QueryRefused, ReleaseRefused
from goe_lake.federation.answer import Answer
from goe_lake.federation.askable import check_askable
from goe_lake.federation.asker import ANONYMOUS, Asker
from goe_lake.federation.declined import as_refusal, least_left
from goe_lake.federation.domains import node_domain, not_shown
from goe_lake.federation.estimate import Estimate, estimated, reads_sites
from goe_lake.federation.explain import explained
from goe_lake.federation.finish import Finished, finish
from goe_lake.federation.frequencies import Progress, frequencies, make_releases
from goe_lake.federation.listing.search import Found, search
from goe_lake.federation.merge import Part
from goe_lake.federation.node import EmbeddedNode, FrequencyRelease, Node, NodeDescription
from goe_lake.federation.public_zeros import with_public_zeros
from goe_lake.federation.rounds import Rounds
from goe_lake.federation.sealed_rounds import SealedSums
from goe_lake.federation.sealed_sums import Circle
from goe_lake.federation.sealing import LEAST_NODES
from goe_lake.federation.spread import left_out, margins_of
from goe_lake.federation.steps import Runner
from goe_lake.federation.tables import FederationTables, PublicTables, hold_public
from goe_lake.federation.workspace import DEFAULT_LIMITS, Limits, Workspaces
from goe_lake.lake.progress import Progress as LongProgress
from goe_lake.query import Plan, as_select, prepare
from goe_lake.query.steps import SelectStep
from goe_lake.release import (
    BudgetLeft,
    ColumnReport,
    Envelope,
    NodeReport,
    Release,
    Scan,
    Status,
    columns_in,
)

log = structlog.get_logger("goe_lake.gateway")

Completeness = Literal["all", "any"]
MOST_THREADS: Final = 64
WORST_FIRST: Final = (Status.WITHHELD, Status.PARTIAL, Status.BOUNDED, Status.APPROX, Status.OK)


@dataclass(frozen=True)
class Member:
    """One node of the federation and its public facts, pinned when the federation was opened."""

    node: Node
    description: NodeDescription


AskMembers = Callable[
    [Sequence[Member], Sequence[Release], str],
    tuple[list[tuple[Member, list[NodeAnswer]]], list[str], dict[str, Declined]],
]


class Federation:
    """Several nodes under one site list, asked as if all persons were in one database.

    *project* and *analyst* are who asks: each node answers, counts and notes by them.
    Nodes that seal together are a *circle*: cells whose keys can be listed are then sealed
    (`federation.sealable`). *public_sites* are listed whoever carries them.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        project: str = "demo",
        limits: Limits = DEFAULT_LIMITS,
        analyst: str = ANONYMOUS,
        circle: Circle | None = None,
        public_sites: pa.Table | None = None,
    ) -> None:
        self.asker, self._circle = Asker(project, analyst), circle
        self._members = tuple(Member(node, node.describe()) for node in nodes)
        _check_members(self._members)
        self.catalog: Catalog = with_public_tables(
            merge_catalogs({m.description.node_id: m.description.catalog for m in self._members})
        )
        self.site_list = self._lay_site_list(public_sites)
        self.workspaces = Workspaces(limits)
        self.tables: PublicTables = self._public_tables()
        self._second = SecondParser(self.catalog)

    def _lay_site_list(self, public_sites: pa.Table | None) -> SiteList:
        """The union of what the nodes may list and of *public_sites*, laid over each node."""
        further = [public_sites] if public_sites is not None else []
        with ThreadPoolExecutor(max_workers=len(self._members)) as pool:
            offers = list(pool.map(lambda member: member.node.offer_sites(), self._members))
            site_list = unite([*offers, *further])
            list(pool.map(lambda member: member.node.lay(site_list), self._members))
        return site_list

    def _public_tables(self) -> FederationTables:
        return FederationTables(self.catalog, self.nodes, self.site_list, self.frequencies)

    def keep_listed(self, sites: pa.Table) -> None:
        """List *sites* (`SITE_SCHEMA`) too: what an earlier release lists stays listed."""
        self.site_list = unite([self.site_list.sites, sites])
        with ThreadPoolExecutor(max_workers=len(self._members)) as pool:
            list(pool.map(lambda member: member.node.lay(self.site_list), self._members))
        self.tables = self._public_tables()

    @property
    def list_digest(self) -> str:
        """The digest of the site list as it travels, which `site_list_digest` in federation.toml names."""
        return self.site_list.digest

    def list_sites(self, progress: LongProgress | None = None) -> Found:
        """List the sites whose carriers reach the threshold in all nodes together, and keep them listed.

        Raises ConfigError where these nodes cannot seal together, and RoundNotFinished naming the nodes
        that did not do their part.
        """
        if self._circle is None or len(self._members) < LEAST_NODES:
            problem = f"a round takes at least {LEAST_NODES} nodes, each with a sealing key"
            raise ConfigError("federation", "nodes", problem, "goe node sealing-key makes a key")
        nodes = {member.description.node_id: member.node for member in self._members}
        found = search(nodes, self._circle, self.list_digest, progress)
        with ThreadPoolExecutor(max_workers=len(self._members)) as pool:
            offers = list(pool.map(lambda member: member.node.offer_sites(), self._members))
        self.keep_listed(unite(offers).sites)
        return found

    def for_asker(self, asker: Asker) -> Federation:
        """The same nodes under the same site list, asked by *asker*."""
        other = copy(self)
        other.asker = asker
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
        """Answer the query *text*; no node is asked for what public tables alone tell.

        With *domain_rows*, groups of public labels that have too few persons, or none, have a row too:
        every value in it is withheld. Raises QueryRefused before any node is asked, and Incomplete
        where nodes do not answer that *completeness* requires.
        """
        query_id = uuid.uuid4().hex
        with self.workspaces.one() as opened:
            plan, bound = self._plan(text)
            types, connection = {plan.last.name: [column.type for column in bound]}, opened()
            runner = Runner(connection, {}, types, told=plan.single is not None)
            for name, contigs in plan.tables.items():
                runner.tables[name] = hold_public(name, self._public(name, contigs, query_id), connection)
            asked = Asked(self._members, self._ask, query_id, completeness)
            ask = partial(self._parts, asked, connection)
            rounds = Rounds(plan, runner, self.catalog, ask, self._second.bind, domain_rows)
            finished = finish(rounds.run(), bound, connection)
        plan, failed = rounds.plan, asked.failed
        log.info(
            "query_answered",
            query_id=query_id,
            releases=[release.digest() for release in plan.releases],
            rows=finished.table.num_rows,
        )
        hidden = () if domain_rows else _not_shown(plan, rounds.parts)
        notices = (*self._notices(plan, failed), *rounds.notices, *left_out(plan, rounds.parts))
        envelope = self._envelope(query_id, plan, bound, finished, hidden, failed, notices)
        margins = tuple(margins_of(plan, rounds.parts))
        envelope = replace(envelope, budget_left=asked.left, margins=margins)
        return Answer(finished.table, finished.status, envelope)

    def explain(self, text: str) -> str:
        """What the query *text* would ask of each node, and what is made of it; asks nothing."""
        plan, _ = self._plan(text)
        return explained(plan, self.nodes, [self._sums().why_open(release) for release in plan.releases])

    def estimate(self, text: str) -> Estimate:
        """The most that the query *text* can cost of each node's budget, by public facts; asks nothing."""
        plan, _ = self._plan(text)
        sites = self.tables.table("variants", None) if reads_sites(plan) else None
        return estimated(plan, self.nodes, sites)

    def _plan(self, text: str) -> tuple[Plan, tuple[BoundColumn, ...]]:
        try:
            text = as_select(text, self.catalog)
            plan = prepare(text, self.catalog)
            self._second.check(text, plan.source)
            # the text itself, so that columns are called as DuckDB calls them
            bound = self._second.bind(text)
        except RecursionError:
            raise QueryRefused("G104", "the query nests too deeply", hint="flatten it") from None
        if len(bound) != len(plan.last.columns):
            raise QueryRefused(
                "G105", "two parsers count the output columns differently", hint="name each column"
            )
        for name in plan.tables:
            if not self.tables.has(name):
                hint = "ask the nodes' operators for a release, or count with sum(dosage) over genotypes"
                raise QueryRefused("G503", f"no {name} were released yet", hint=hint)
        check_askable(plan.releases, text, protects=self._protects)
        return plan, bound

    @property
    def _protects(self) -> bool:
        return any(member.description.protects for member in self._members)

    def _public(self, name: str, contigs: tuple[str, ...] | None, query_id: str) -> pa.Table:
        """A public table; nodes tell what they released, and one that does not answer is missing."""
        try:
            return self.tables.table(name, contigs)
        except NodeFailed as error:
            raise Incomplete((error.node_id,), query_id) from None
        except ReleaseRefused:
            raise Incomplete(tuple(node.node_id for node in self.nodes), query_id) from None

    def _parts(
        self, asked: Asked, connection: duckdb.DuckDBPyConnection, releases: Sequence[Release]
    ) -> list[list[Part]]:
        """What each node contributed to each of *releases*, or all nodes together where cells are sealed."""
        check_askable(releases, protects=self._protects)
        pooled: dict[int, Part] = {}
        if len(asked.members) == len(self._members):
            pooled = asked.sealed(self._sums(), releases, connection)
        rest = [release for place, release in enumerate(releases) if place not in pooled]
        answers = asked.answers(rest) if rest else []
        asked.begun = True
        opened = iter(
            [
                Part(
                    member.description,
                    node_domain(release, member.description.catalog, connection),
                    with_public_zeros(given[place], release, member.description.country),
                )
                for member, given in answers
            ]
            for place, release in enumerate(rest)
        )
        return [[pooled[place]] if place in pooled else next(opened) for place in range(len(releases))]

    def _sums(self) -> SealedSums:
        return SealedSums(self._members, self._circle, self.asker, self.catalog, self.site_list)

    def _ask(
        self, members: Sequence[Member], releases: Sequence[Release], query_id: str
    ) -> tuple[list[tuple[Member, list[NodeAnswer]]], list[str], dict[str, Declined]]:
        """The answers of *members* to all *releases*, in their order; the nodes that lack one; and why."""
        declined: dict[str, Declined] = {}

        def ask(pair: tuple[Member, Release]) -> NodeAnswer | None:
            member, release = pair
            try:
                return _checked(member, release, member.node.answer(release, self.asker, query_id), query_id)
            except Declined as reason:
                declined[member.description.node_id] = reason
                return None
            except (NodeFailed, ReleaseRefused) as error:
                log.warning(
                    "node_failed",
                    node=member.description.node_id,
                    query_id=query_id,
                    error=type(error).__name__,
                )
                return None

        # in one order, whatever the query's: a node holds each to those before it
        order = sorted(range(len(releases)), key=lambda place: _order(releases[place]))

        def ask_all(member: Member) -> list[NodeAnswer]:
            answers: dict[int, NodeAnswer] = {}
            for place in order:
                answer = ask((member, releases[place]))
                if answer is None:
                    break
                answers[place] = answer
            return [answers[place] for place in sorted(answers)]

        with ThreadPoolExecutor(max_workers=_at_once(members)) as pool:
            answered = list(zip(members, pool.map(ask_all, members), strict=True))
        given = [(member, answers) for member, answers in answered if len(answers) == len(releases)]
        failed = [member.description.node_id for member, answers in answered if len(answers) < len(releases)]
        return given, failed, declined

    def _envelope(
        self,
        query_id: str,
        plan: Plan,
        bound: Sequence[BoundColumn],
        finished: Finished,
        hidden: tuple[dict[str, str | bool | None], ...],
        failed: Sequence[str],
        notices: tuple[str, ...],
    ) -> Envelope:
        return Envelope(
            query_id=query_id,
            nodes=tuple(
                _node_report(member.description, failed, asked=bool(plan.releases))
                for member in self._members
            ),
            columns=tuple(
                ColumnReport(name, column.type, unit, worst(finished.status.column(place)))
                for place, (name, column, unit) in enumerate(
                    zip(finished.table.column_names, bound, plan.last.units, strict=True)
                )
            ),
            rows=finished.rows,
            bounds=finished.bounds,
            not_shown=hidden,
            notices=notices,
        )

    def _notices(self, plan: Plan, failed: Sequence[str]) -> Iterable[str]:
        if failed:
            yield f"without {', '.join(failed)}"
        for member in self._members if plan.releases else ():
            if not member.description.protects:
                yield f"{member.description.node_id}: protection is off; nothing is withheld there"
        if plan.by_place:
            yield (
                "a place that is joined by contig and pos is read at its one listed allele: carriers of "
                "alleles that are not listed would add rows. Name ref and alt for the exact answer"
            )
        tables = {scan.table for release in plan.releases for scan in _scans(release)}
        spellings = {member.description.node_id: member.description.indels for member in self._members}
        if len(set(spellings.values())) > 1 and (
            tables & {"genotypes", "variants"} or "allele_frequencies" in plan.tables
        ):
            trimmed = ", ".join(node for node, spelling in spellings.items() if spelling != "left-aligned")
            yield f"indels are not left-aligned at {trimmed}: one may count as two variants"
        # what a site is does not depend on who added a column about it
        for table in sorted(tables - {"variants"}):
            for column in self.catalog.tables[table].columns:
                lacking = [
                    member.description.node_id
                    for member in self._members
                    if column.name not in member.description.catalog.tables[table].by_name
                ]
                if lacking and any(_reads(release, table, column.name) for release in plan.releases):
                    yield f"{table}.{column.name} is NULL at {', '.join(lacking)}, which do not have it"


@dataclass
class Asked:
    """Asks nodes for one query, round after round: a later round asks those that answered the earlier."""

    members: Sequence[Member]
    ask: AskMembers
    query_id: str
    completeness: Completeness
    failed: list[str] = field(default_factory=list)
    begun: bool = False
    left: BudgetLeft | None = None

    def sealed(
        self, sums: SealedSums, releases: Sequence[Release], connection: duckdb.DuckDBPyConnection
    ) -> dict[int, Part]:
        """The sums of those of *releases* that are sealed; where fewer nodes may answer, others are open."""
        pooled: dict[int, Part] = {}
        for place, release in enumerate(releases):
            try:
                part = sums.ask(release, self.query_id, connection)
            except Incomplete:
                if self.completeness == "all" or self.begun:
                    raise
                continue
            if part is not None:
                pooled[place] = part
                self.left = least_left([[part.answer]]) or self.left
        return pooled

    def answers(self, releases: Sequence[Release]) -> list[tuple[Member, list[NodeAnswer]]]:
        """Every node's answers to *releases*; Incomplete, or QueryRefused, where one fails that must answer.

        Once a round was answered its values are in the next one's question, so that a node which is
        lost then would leave an answer of two different unions.
        """
        given, failed, declined = self.ask(self.members, releases, self.query_id)
        self.failed += failed
        if failed and (self.completeness == "all" or self.begun or not given):
            raise as_refusal(declined) if declined else Incomplete(tuple(self.failed), self.query_id)
        self.left = least_left(answers for _, answers in given) or self.left
        self.members, self.begun = [member for member, _ in given], True
        return given


def _at_once(members: Sequence[Member]) -> int:
    """How many of *members* are asked at a time: others wait for the wire, those here for the processors."""
    here = sum(isinstance(member.node, EmbeddedNode) for member in members)
    return min(len(members) - here + min(here, (os.cpu_count() or 1) + 1), MOST_THREADS)


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


def _node_report(description: NodeDescription, failed: Sequence[str], *, asked: bool) -> NodeReport:
    status = "failed" if description.node_id in failed else "answered" if asked else "not_asked"
    return NodeReport(
        description.node_id,
        description.country,
        status,
        description.snapshot_id,
        description.min_persons,
        description.protection,
    )


def _order(release: Release) -> tuple[int, int, str]:
    """Where *release* stands among those of one query: the coarser first."""
    return len(release.keys), len(release.conditions), release.digest()


def worst(column: Column) -> Status:
    """The worst status of a column; ok for one without rows."""
    found = set(column.unique().to_pylist())
    return next((status for status in WORST_FIRST if status.value in found), Status.OK)


def _not_shown(plan: Plan, parts: Mapping[int, Sequence[Part]]) -> tuple[dict[str, str | bool | None], ...]:
    """The groups that may exist and that no node shows, named as the output columns that show their keys."""
    step = plan.last
    if plan.single is None or not isinstance(step, SelectStep):
        return ()
    keys = [key.name for key in plan.single.keys]
    if not keys or not any(part.description.protects for part in parts[0]):
        return ()
    names = {
        item.unalias().name: name
        for item, name in zip(step.select.expressions, step.columns, strict=True)
        if isinstance(item.unalias(), exp.Column)
    }
    cells = [part.answer.cells.select(keys).to_pylist() for part in parts[0]]
    shown = {tuple(row[key] for key in keys) for rows in cells for row in rows}
    return tuple(
        {names.get(key, key): value for key, value in zip(keys, combination, strict=True)}
        for combination in not_shown([part.domain for part in parts[0]], plan.single.keys, shown)
    )


def _scans(release: Release) -> list[Scan]:
    """Every scan of a release, those of its sub-aggregates included."""
    relation = release.relation
    return [*relation.scans, *(scan for part in relation.derived for scan in part.relation.scans)]


def _reads(release: Release, table: str, column: str) -> bool:
    parts = [(release.relation, release.expressions())]
    parts += [(part.relation, part.expressions()) for part in release.relation.derived]
    return any(
        reference.column == column
        and reference.table in {scan.alias for scan in relation.scans if scan.table == table}
        for relation, expressions in parts
        for expression in expressions
        for reference in columns_in(expression)
    )
