"""A federation that stays open while nodes come and go, and publish new snapshots."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa
import structlog

from goe_lake.catalog import Catalog
from goe_lake.errors import ConfigError, Incomplete, NodeFailed, ReleaseRefused
from goe_lake.federation.answer import Answer
from goe_lake.federation.asker import Asker
from goe_lake.federation.estimate import Estimate
from goe_lake.federation.gateway import Completeness, Federation
from goe_lake.federation.membership import Membership, NodeMember
from goe_lake.federation.public_sites import read_public_sites
from goe_lake.federation.remote_node import Channel, RemoteNode
from goe_lake.federation.sealing_keys import circle_of
from goe_lake.release import NodeReport

log = structlog.get_logger("goe_lake.gateway")

DEMO: Final = Asker("demo")
RETRY: Final = 10.0  # seconds between looks for nodes that were absent


@dataclass(frozen=True)
class Opened:
    """A federation as it was opened: its members in their order, and those of them that take part."""

    federation: Federation
    members: tuple[NodeMember, ...]
    nodes: tuple[RemoteNode, ...]

    @property
    def absent(self) -> tuple[NodeMember, ...]:
        """The members that could not be reached."""
        present = {node.member.node_id for node in self.nodes}
        return tuple(member for member in self.members if member.node_id not in present)

    @property
    def moved(self) -> bool:
        """Whether a node has published another snapshot, or changed its rules, since."""
        return any(node.moved for node in self.nodes)


class StandingFederation:
    """The federation of a federation.toml, over *channels* in its order.

    It opens with the nodes that can be reached. One that cannot is missing from every answer, by
    name, until it can.
    """

    def __init__(self, membership: Membership, channels: Sequence[Channel]) -> None:
        self._membership, self._channels = membership, tuple(channels)
        self._opened: Opened | None = None
        self._lock = threading.Lock()

    def open(self) -> tuple[str, ...]:
        """Open the federation, again if it is open, and return the ids of the nodes that are absent.

        Raises Incomplete where no node can be reached, and ConfigError where nodes do not fit together.
        """
        with self._lock:
            self._opened = self._open()
        return tuple(member.node_id for member in self._opened.absent)

    def sql(
        self,
        text: str,
        *,
        completeness: Completeness = "all",
        domain_rows: bool = False,
        asker: Asker = DEMO,
    ) -> Answer:
        """Answer the query *text* as `Federation.sql` does; Incomplete names the absent nodes too."""
        question = Question(text, completeness, domain_rows, asker)
        opened = self._current()
        try:
            answer = _answer(opened, question)
        except Incomplete:
            if not opened.moved:
                raise
        else:
            if not opened.moved:
                return answer
        # a node that moved has computed nothing of the question
        return _answer(self._renewed(opened), question)

    def explain(self, text: str) -> str:
        """What the query *text* would ask of each node, and what is made of it; asks nothing."""
        return self._current().federation.explain(text)

    def estimate(self, text: str) -> Estimate:
        """The most that the query *text* can cost of each node's budget, by public facts; asks nothing."""
        return self._current().federation.estimate(text)

    @property
    def catalog(self) -> Catalog:
        """The tables of the federation."""
        return self._current().federation.catalog

    def watch(self, stop: threading.Event) -> None:
        """Take absent nodes in as they come back, until *stop* is set."""
        while not stop.wait(RETRY):
            try:
                if self._somebody_is_back():
                    self.open()
            except (ConfigError, Incomplete) as error:
                log.error("federation_not_opened", error=str(error))

    def close(self) -> None:
        """Close the connections to the nodes."""
        for channel in self._channels:
            channel.close()

    def _current(self) -> Opened:
        if self._opened is None:
            self.open()
        assert self._opened is not None
        return self._opened

    def _renewed(self, before: Opened) -> Opened:
        """The federation opened after *before*, by this thread or by another that came first."""
        with self._lock:
            if self._opened is before:
                self._opened = self._open()
            assert self._opened is not None
            return self._opened

    def _somebody_is_back(self) -> bool:
        absent = self._opened.absent if self._opened else self._membership.nodes
        channels = [channel for channel in self._channels if channel.member in absent]
        return bool(channels) and bool(self._reachable(channels))

    def _open(self) -> Opened:
        nodes = self._reachable(self._channels)
        while nodes:
            try:
                federation = Federation(
                    nodes.values(), circle=circle_of(self._membership), public_sites=self._public_sites()
                )
            except NodeFailed as error:
                log.warning("node_absent", node=error.node_id, reason=error.reason)
                del nodes[error.node_id]
                continue
            opened = Opened(federation, self._membership.nodes, tuple(nodes.values()))
            log.info(
                "federation_opened",
                nodes=list(nodes),
                absent=[member.node_id for member in opened.absent],
                site_list_digest=federation.site_list.digest,
                sites=federation.site_list.sites.num_rows,
            )
            return opened
        raise Incomplete(tuple(member.node_id for member in self._membership.nodes), uuid.uuid4().hex)

    def _public_sites(self) -> pa.Table | None:
        path = self._membership.public_sites
        return read_public_sites(path) if path is not None else None

    def _reachable(self, channels: Sequence[Channel]) -> dict[str, RemoteNode]:
        """The nodes that describe themselves as federation.toml says, by id, in order."""
        nodes = [RemoteNode(channel, self._membership) for channel in channels]
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            present = list(pool.map(_describes_itself, nodes))
        return {node.member.node_id: node for node, there in zip(nodes, present, strict=True) if there}


def _describes_itself(node: RemoteNode) -> bool:
    try:
        node.describe()
    except (NodeFailed, ReleaseRefused, ConfigError) as error:
        log.warning("node_absent", node=node.member.node_id, reason=str(error))
        return False
    return True


@dataclass(frozen=True)
class Question:
    """What an analyst asks: a query, which answer will do, and for which project, by whom."""

    text: str
    completeness: Completeness
    domain_rows: bool
    asker: Asker


def _answer(opened: Opened, question: Question) -> Answer:
    federation = opened.federation.for_asker(question.asker)
    absent = tuple(member.node_id for member in opened.absent)
    if absent and question.completeness == "all":
        federation.explain(question.text)  # a query that is refused is refused, whoever is absent
        raise Incomplete(absent, uuid.uuid4().hex)
    answer = federation.sql(
        question.text, completeness=question.completeness, domain_rows=question.domain_rows
    )
    return _naming_absent(answer, opened) if absent else answer


def _naming_absent(answer: Answer, opened: Opened) -> Answer:
    """*answer* with the absent nodes in its envelope, as nodes that failed."""
    envelope = answer.envelope
    reports = {report.node_id: report for report in envelope.nodes}
    for member in opened.absent:
        reports[member.node_id] = NodeReport(member.node_id, member.country, "failed", None, None)
    named = replace(
        envelope,
        nodes=tuple(reports[member.node_id] for member in opened.members),
        notices=(*envelope.notices, f"without {', '.join(member.node_id for member in opened.absent)}"),
    )
    return replace(answer, envelope=named)
