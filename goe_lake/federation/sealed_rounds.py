"""The gateway's part in a sealed sum: it carries parcels that it cannot read to the node that opens them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Final

import duckdb
import structlog

from goe_lake.catalog import Catalog
from goe_lake.engine.node import NodeAnswer, digest_of_cells
from goe_lake.engine.sites import SiteList
from goe_lake.errors import Declined, Incomplete, NodeFailed, ReleaseRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.declined import as_refusal
from goe_lake.federation.domains import node_domain
from goe_lake.federation.merge import Part
from goe_lake.federation.node import NodeDescription
from goe_lake.federation.sealable import public_domain, why_open
from goe_lake.federation.sealed_sums import Circle, Parcel, SealedQuestion, new_nonce
from goe_lake.federation.sealing import SealBroken
from goe_lake.release import BudgetLeft, CellKind, Release

if TYPE_CHECKING:
    from goe_lake.federation.gateway import Member

#: Refusals of releases that are too large for sealed cells, or at sites that are not told apart.
TO_BE_ASKED_OPENLY: Final = frozenset({"R222", "R223"})
log = structlog.get_logger("goe_lake.gateway")


@dataclass(frozen=True)
class SealedSums:
    """Sums over all *members*, who form the *circle* (None: nobody seals), asked for *asker*."""

    members: Sequence[Member]
    circle: Circle | None
    asker: Asker
    catalog: Catalog
    site_list: SiteList

    def why_open(self, release: Release) -> str | None:
        """Why *release* is asked with open cells; None where its cells are sealed."""
        if self.circle is None:
            return "the nodes have no sealing keys"
        nodes = [member.description for member in self.members]
        try:
            keys = self.circle.keys_on(datetime.now(UTC).date())
        except SealBroken as error:
            return str(error)
        if {key.node_id for key in keys} != {node.node_id for node in nodes}:
            return "nodes are absent, and a sealed sum is over all of them"
        return why_open(release, nodes, self.catalog)

    def ask(self, release: Release, query_id: str, connection: duckdb.DuckDBPyConnection) -> Part | None:
        """What all members together contribute to *release*; None where it has to be asked with open cells.

        Raises Incomplete naming the nodes that did not do their part; a sum without them is not made.
        """
        if self.circle is None or self.why_open(release) is not None:
            return None
        question = SealedQuestion(
            replace(release, cells=CellKind.SEALED),
            self.asker,
            query_id,
            public_domain(release, self.catalog),
            self.site_list.digest,
            new_nonce(),
        )
        answer = ask_sealed(self.members, self.circle, question)
        if answer is None:
            return None
        nodes = [member.description for member in self.members]
        union = union_of(nodes, self.catalog, answer.receipt.min_persons)
        return Part(union, node_domain(release, self.catalog, connection), answer)


def ask_sealed(members: Sequence[Member], circle: Circle, question: SealedQuestion) -> NodeAnswer | None:
    """The pooled cells of *question*, as the opener gives them; None where nodes do not seal such a release.

    Raises Incomplete naming the nodes that did not do their part; a sum without them is not made.
    """
    query_id, opener = question.query_id, question.opener(circle)
    declined: dict[str, Declined] = {}
    others = [member for member in members if member.description.node_id != opener]
    (opening,) = [member for member in members if member.description.node_id == opener]

    def ask(member: Member) -> Parcel | Exception:
        try:
            return member.node.seal(question)
        except (NodeFailed, ReleaseRefused) as error:
            _note(member, query_id, error)
            if isinstance(error, Declined):
                declined[member.description.node_id] = error
            return error

    with ThreadPoolExecutor(max_workers=len(others)) as pool:
        given = list(pool.map(ask, others))
    parcels = [parcel for parcel in given if isinstance(parcel, Parcel)]
    if len(parcels) < len(others):
        failed = [
            member.description.node_id
            for member, parcel in zip(others, given, strict=True)
            if not isinstance(parcel, Parcel) and not _cannot_be_sealed(parcel)
        ]
        if declined:
            raise as_refusal(declined)
        if failed:
            raise Incomplete(tuple(failed), query_id)
        return None
    try:
        answer = opening.node.open(question, parcels)
        _checked(opening, question.release, answer, query_id)
        left = [part.left for part in parcels if part.left is not None]
        left += [answer.budget_left] if answer.budget_left is not None else []
        return replace(answer, budget_left=reduce(BudgetLeft.least, left) if left else None)
    except Declined as error:
        raise as_refusal({opener: error}) from None
    except (NodeFailed, ReleaseRefused) as error:
        _note(opening, query_id, error)
        if _cannot_be_sealed(error):
            return None
        raise Incomplete((opener,), query_id) from None


def _cannot_be_sealed(error: Exception) -> bool:
    return isinstance(error, ReleaseRefused) and error.code in TO_BE_ASKED_OPENLY


def _note(member: Member, query_id: str, error: Exception) -> None:
    code = error.code if isinstance(error, ReleaseRefused) else ""
    log.warning(
        "node_failed",
        node=member.description.node_id,
        query_id=query_id,
        error=type(error).__name__,
        code=code,
    )


def _checked(member: Member, release: Release, answer: NodeAnswer, query_id: str) -> NodeAnswer:
    """*answer*, if the opener's receipt is for this release, its pinned snapshot and these very cells."""
    receipt, described = answer.receipt, member.description
    told = (receipt.node_id, receipt.snapshot_id, receipt.release_digest, receipt.cells_digest)
    expected = (
        described.node_id,
        described.snapshot_id,
        release.digest(),
        digest_of_cells(answer.cells),
    )
    if told != expected or tuple(answer.cells.column_names) != release.cell_columns():
        raise NodeFailed(described.node_id, query_id, "the receipt does not fit the question")
    return answer


def union_of(nodes: Sequence[NodeDescription], catalog: Catalog, min_persons: int) -> NodeDescription:
    """All *nodes* described as the one that a sealed sum is over; its *min_persons* are the strictest."""
    return replace(
        nodes[0], node_id="all nodes", country="", name="all nodes", snapshot_id="", catalog=catalog,
        min_persons=min_persons,
    )  # fmt: skip
