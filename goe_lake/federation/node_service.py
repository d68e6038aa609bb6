"""What a node does for its gateway, apart from the wire itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import structlog

from goe_lake.engine.node import NodeAnswer, digest_of_cells
from goe_lake.engine.sites import SiteList
from goe_lake.errors import ConfigError, LakeError, LedgerError, ReleaseRefused
from goe_lake.federation.deadline import interrupted_after
from goe_lake.federation.listing.messages import Kind, Piece, Step
from goe_lake.federation.membership import Membership
from goe_lake.federation.node import EmbeddedNode, FrequencyRelease, NodeDescription
from goe_lake.federation.problems import Problem
from goe_lake.federation.sealed_sums import Parcel, SealedQuestion, Seat
from goe_lake.federation.sealed_wire import Carried, read_words
from goe_lake.federation.sealing import Sealer
from goe_lake.federation.sealing_keys import circle_of
from goe_lake.federation.tokens import BadSignature, check_signed
from goe_lake.federation.wire import Question, read_table, write_table
from goe_lake.lake import current_id
from goe_lake.release import BudgetLeft, Receipt, Spread

log = structlog.get_logger("goe_lake.node")
T = TypeVar("T")


@dataclass(frozen=True)
class Standing:
    """The node at one snapshot, and the digest of the site list that was laid over it."""

    node: EmbeddedNode
    description: NodeDescription
    site_list_digest: str | None = None


@dataclass(frozen=True)
class WiredCells:
    """Cells as they travel, how many there are, the receipt for those bytes, budget left and spread."""

    body: bytes
    rows: int
    receipt: Receipt
    budget_left: BudgetLeft | None = None
    spread: Spread | None = None


class NodeService:
    """A node that answers a gateway's requests from its current snapshot.

    `lay` and `answer` are called from one thread; the others from any.
    """

    def __init__(self, node_toml: Path, membership: Membership, sealer: Sealer | None = None) -> None:
        self._node_toml, self._membership = node_toml, membership
        circle = circle_of(membership) if sealer is not None else None
        self._seat = Seat(circle, sealer) if circle is not None and sealer is not None else None
        self._standing = self._open()
        if self._seat is not None:
            # also where the clock was set back: what an earlier process sealed for is not sealed for again
            self._seat.not_before(_last_entry(self._standing.node))

    @property
    def node_id(self) -> str:
        """The id of the node."""
        return self._standing.description.node_id

    def _open(self) -> Standing:
        """The node at the snapshot that its lake publishes now, under its policy as it is now."""
        floor = self._membership.min_persons
        node = EmbeddedNode(self._node_toml, floor)
        if floor > 1 and not node.policy.protects:
            raise ConfigError(
                self._node_toml,
                "policy.protection",
                f"is off, and the federation's floor is {floor} persons",
                'set protection = "on"; test data may have min_persons = 1 in federation.toml',
            )
        if self._seat is not None:
            node.sit(self._seat)
        description = node.describe()
        self._membership.node(description.node_id)
        node.open_ledger()
        if node.policy.protects and not node.policy.projects_required:
            log.warning("any_project_is_answered", mend="set required = true in [projects] of policy.toml")
        if description.catalog.assembly != self._membership.assembly:
            raise ConfigError(
                self._node_toml,
                "node.assembly",
                f"is {description.catalog.assembly}, the federation's is {self._membership.assembly}",
                "use one assembly a federation",
            )
        return Standing(node, description)

    def describe(self) -> NodeDescription:
        """The node's public facts, at its current snapshot: from now on it answers from that one."""
        if self._moved():
            try:
                self._standing = self._open()
            except (ConfigError, LakeError, LedgerError) as error:
                # such a text names files and settings, and is for the operator alone
                log.error("snapshot_not_opened", error=str(error))
                raise Problem("failed") from None
        return self._standing.description

    def offer_sites(self) -> pa.Table:
        """The sites that the node may list."""
        return self._standing.node.offer_sites()

    def lay(self, site_list: SiteList) -> None:
        """Answer by *site_list* from now on."""
        pinned = self._membership.site_list_digest
        if pinned is not None and site_list.digest != pinned:
            raise Problem("site-list-refused", "federation.toml names another site list")
        standing = self._standing
        if site_list.digest != standing.site_list_digest:
            standing.node.lay(site_list)
            self._standing = replace(standing, site_list_digest=site_list.digest)

    def answer(self, question: Question, seconds: float) -> WiredCells:
        """The controlled cells that *question* asks for, or `late` after so many *seconds*.

        A question that relies on another snapshot, threshold or site list is not answered: a
        withdrawn person is outside every value from the moment that a snapshot is published.
        """
        node = self._relied_on(question.description_digest, question.site_list_digest)

        def computed() -> WiredCells:
            return _wired(node.answer(question.release, question.asker, question.query_id))

        return _within(seconds, node, computed)

    def seal(self, question: SealedQuestion, description_digest: str, seconds: float) -> Parcel:
        """The node's sealed numbers for *question*; `late` and `node-moved` as with `answer`."""
        node = self._relied_on(description_digest, question.site_list_digest)
        return _within(seconds, node, lambda: node.seal(question))

    def open(
        self, question: SealedQuestion, description_digest: str, carried: Sequence[Carried], seconds: float
    ) -> WiredCells:
        """The cells over all nodes, from what the others handed in under their own signatures."""
        node = self._relied_on(description_digest, question.site_list_digest)
        return _within(seconds, node, lambda: _wired(node.open(question, self._parcels(question, carried))))

    def _parcels(self, question: SealedQuestion, carried: Sequence[Carried]) -> list[Parcel]:
        """The parcels, each signed by its node for this very question."""
        parcels = []
        for piece in carried:
            member = self._membership.node(piece.node_id)
            claims = check_signed(piece.signature, member.public_key, member.node_id, piece.body)
            if claims.get("sealed") != question.digest():
                raise BadSignature(f"{member.node_id}: the parcel is for another question")
            parcels.append(Parcel(member.node_id, read_words(piece.body), dict(claims["rules"])))
        return parcels

    def list_sites(self, asked: bytes, carried: Sequence[Carried]) -> Piece:
        """The node's part in the step of a round that *asked* writes, from what the gateway carries to it.

        What the gateway itself sends with the step has no signature. Raises ReleaseRefused and Problem.
        """
        step = Step.from_bytes(asked)
        if self._moved():
            raise Problem("node-moved")
        if step.site_list_digest != self._standing.site_list_digest:
            raise Problem("site-list-unknown")
        payload = b"".join(piece.body for piece in carried if not piece.node_id)
        pieces = [self._signed_piece(piece) for piece in carried if piece.node_id]
        try:
            given = self._standing.node.list_sites(step, pieces, payload)
            if step.kind is Kind.KEEP:
                # the node's description tells of it, so that an open gateway lays the new list
                self._standing = self._open()
        except ReleaseRefused:
            raise
        except LedgerError as error:
            log.error("ledger_not_in_order", error=str(error))
            raise Problem("failed") from None
        except Exception as error:  # noqa: BLE001 - fail closed, whatever it is: error texts quote values
            log.error("site_round_failed", error=type(error).__name__)
            raise Problem("failed") from None
        return given

    def _signed_piece(self, piece: Carried) -> Piece:
        """What a member handed in, if it is signed by that member."""
        try:
            member = self._membership.node(piece.node_id)
            claims = check_signed(piece.signature, member.public_key, member.node_id, piece.body)
            return Piece(piece.node_id, str(claims["site_step"]), piece.body, dict(claims["told"]))
        except (BadSignature, ConfigError, KeyError, TypeError, ValueError):
            raise ReleaseRefused("R226", "what is carried is not signed by a node of this round") from None

    def _relied_on(self, description_digest: str, site_list_digest: str) -> EmbeddedNode:
        """The node, if it still is what a question relies on; raises Problem."""
        standing = self._standing
        if self._moved() or description_digest != standing.description.digest():
            raise Problem("node-moved")
        if site_list_digest != standing.site_list_digest:
            raise Problem("site-list-unknown")
        return standing.node

    def frequencies(self, contig: str) -> bytes:
        """The allele frequencies of *contig* that the node has released, or would release, as they travel."""
        return write_table(self._under_list(lambda node: node.frequencies(contig)))

    def release_frequencies(self) -> FrequencyRelease:
        """Make the node's next release of allele frequencies, under the laid site list."""
        return self._under_list(lambda node: node.release_frequencies())

    def _under_list(self, work: Callable[[EmbeddedNode], T]) -> T:
        standing = self._standing
        if self._moved():
            raise Problem("node-moved")
        if standing.site_list_digest is None:
            raise Problem("site-list-unknown")
        try:
            return work(standing.node)
        except Exception as error:  # noqa: BLE001 - fail closed, whatever it is: error texts quote values
            log.error("frequencies_failed", error=str(error) if isinstance(error, LakeError) else "")
            raise Problem("failed") from None

    def close(self) -> None:
        """Let go of everything that was opened to answer."""
        self._standing.node.close()

    def _moved(self) -> bool:
        return current_id(self._standing.node.lake) != self._standing.description.snapshot_id


def _last_entry(node: EmbeddedNode) -> float:
    """When the newest entry of the node's ledger was written, in seconds since 1970."""
    (newest,) = node.open_ledger().entries("TRUE ORDER BY seq DESC LIMIT 1")
    return datetime.fromisoformat(newest.at).timestamp()


def _within(seconds: float, node: EmbeddedNode, work: Callable[[], T]) -> T:
    """What *work* makes, or Problem: `late` after so many *seconds*, and `failed` without a reason."""
    with interrupted_after(seconds, node.interrupt) as late:
        try:
            made = work()
        except ReleaseRefused:
            raise
        except LedgerError as error:
            # such a text names the ledger and the mend, and is for the operator alone
            log.error("ledger_not_in_order", error=str(error))
            raise Problem("failed") from None
        except Exception:  # noqa: BLE001 - fail closed, whatever it is: error texts quote values
            raise Problem("late" if late.is_set() else "failed") from None
    if late.is_set():
        raise Problem("late")
    return made


def _wired(answer: NodeAnswer) -> WiredCells:
    """*answer* as it travels."""
    body = write_table(answer.cells)
    # of what travels, which holds less than what was computed
    digest = digest_of_cells(read_table(body))
    receipt = replace(answer.receipt, cells_digest=digest)
    return WiredCells(body, answer.cells.num_rows, receipt, answer.budget_left, answer.spread)
