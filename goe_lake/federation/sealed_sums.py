"""A node's part in a sealed sum: it seals its numbers, or, as the opener, opens the sum and controls it.

One of the nodes of a sum is its *opener*, drawn by the digest of the question. The others hand in sealed
numbers; the opener adds its own, opens the sum, applies the strictest of all nodes' rules and gives the
cells that these let out. The opener never seals for others to open, so that the gateway, which carries
the parcels, lacks one node's words and reads nothing. See `docs/sealed-sums.md`.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Final, Protocol

import numpy as np

from goe_lake.disclosure import cell_rules, strictest
from goe_lake.engine.node import NodeAnswer, NodeEngine
from goe_lake.engine.public_domain import PublicDomain
from goe_lake.engine.sealed import Shape, Sums
from goe_lake.engine.sealed_cells import pooled_cells
from goe_lake.engine.sealed_part import Settle, own_part
from goe_lake.errors import NodeFailed, ReleaseRefused
from goe_lake.federation.asker import Asker
from goe_lake.federation.sealing import (
    LEAST_NODES,
    Agreement,
    KeyOf,
    SealBroken,
    Sealer,
    Words,
    key_pairs,
    open_sum,
    words_of,
)
from goe_lake.federation.tokens import Nonces
from goe_lake.release import BudgetLeft, CellKind, Release, digest_of

NONCE: Final = re.compile(r"([0-9]{13})-[0-9a-f]{32}")
#: Seconds from the making of a nonce to the opening of its sum, and by which clocks may differ.
FRESH: Final = 180
EARLY: Final = 5
#: Words that an opener is handed in all: a gibibyte.
MOST_CARRIED: Final = 1 << 27


@dataclass(frozen=True)
class Circle:
    """The nodes that seal together: the *epoch* (a digest of what they agree on), and their keys on a day."""

    epoch: str
    keys_on: Callable[[date], tuple[KeyOf, ...]]


@dataclass(frozen=True)
class SealedQuestion:
    """A release with sealed cells, as every node of the circle is asked it.

    *domain* has the labels of all nodes, *site_list_digest* names the sites, and *nonce* is used once.
    """

    release: Release
    asker: Asker
    query_id: str
    domain: PublicDomain
    site_list_digest: str
    nonce: str

    @property
    def made(self) -> float:
        """When the nonce was made, in seconds since 1970."""
        made = made_at(self.nonce)
        if made is None:
            raise ReleaseRefused("R225", "the nonce of a sealed release is not written as one")
        return made

    def digest(self) -> str:
        """What all nodes must be asked alike, as SHA-256 in hex."""
        return digest_of(
            {
                "release": self.release.to_json(),
                "asker": self.asker.to_json(),
                "domain": self.domain.to_json(),
                "site_list": self.site_list_digest,
                "nonce": self.nonce,
            }
        )

    def keys(self, circle: Circle) -> tuple[KeyOf, ...]:
        """The nodes whose sum it is, with their keys of the day."""
        return circle.keys_on(datetime.fromtimestamp(self.made, UTC).date())

    def opener(self, circle: Circle) -> str:
        """The node that opens the sum, drawn by the digest of the question."""
        keys = self.keys(circle)
        drawn = sha256(f"{circle.epoch} {self.digest()}".encode()).digest()
        return keys[int.from_bytes(drawn[:8]) % len(keys)].node_id


def new_nonce() -> str:
    """A nonce that tells when it was made."""
    return f"{int(time.time() * 1000):013}-{secrets.token_hex(16)}"


def made_at(nonce: str) -> float | None:
    """When *nonce* was made, in seconds since 1970; None where it is not written as one."""
    found = NONCE.fullmatch(nonce)
    return None if found is None else int(found[1]) / 1000


@dataclass(frozen=True, eq=False)
class Parcel:
    """What a node hands in: its sealed words, and the rules that it wants the sum held to.

    *left* is what the project may still ask of it today, and for the gateway.
    """

    node_id: str
    words: Words
    rules: Mapping[str, Any]
    left: BudgetLeft | None = None


@dataclass
class Seat:
    """A node's place in its circle; it remembers the nonces that it answered.

    A mask is of one question, epoch, node set and nonce, so that no two vectors share one.
    """

    circle: Circle
    sealer: Sealer
    clock: Callable[[], float] = time.time
    _nonces: Nonces = field(default_factory=Nonces)
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        # nonces that an earlier process took are not taken again
        self._since = self.clock() - 0.001  # a nonce tells milliseconds

    def not_before(self, seconds: float) -> None:
        """Take no nonce that was made before *seconds* (since 1970): an earlier process was at work then."""
        self._since = max(self._since, seconds)

    def takes(self, nonce: str, made: float) -> bool:
        """Whether *nonce*, made at that time, is of now and new; from now on it is not."""
        now = self.clock()
        return self._is_of_now(made) and self._nonces.take(nonce, made + 2 * FRESH, now)

    def _is_of_now(self, made: float) -> bool:
        now = self.clock()
        return max(self._since, now - FRESH) <= made <= now + EARLY

    def seal(self, question: SealedQuestion, purpose: str, engine: NodeEngine, settle: Settle) -> Parcel:
        """The node's parcel for *question*, counting whose consent covers *purpose*.

        *settle* holds what was counted to earlier numbers, and records it, before anything leaves. Raises
        as it does, ReleaseRefused where the question is not one to seal for, and NodeFailed.
        """
        self._take(question, opens=False)
        with engine.shape(question.release, question.domain, purpose, question.query_id) as shape:
            self._check_size(question, shape)
            sums = settle(own_part(shape, engine.policy))
        return Parcel(self.sealer.node_id, self._sealed(question, sums), cell_rules(engine.policy))

    def open(
        self,
        question: SealedQuestion,
        parcels: Sequence[Parcel],
        purpose: str,
        engine: NodeEngine,
        settle: Settle,
    ) -> NodeAnswer:
        """The pooled cells of *question* from the *parcels* of all other nodes.

        Raises as `seal` does; a sum that does not open is NodeFailed, and nothing of it is told.
        """
        self._take(question, opens=True)
        others = sorted(parcel.node_id for parcel in parcels)
        wanted = [key.node_id for key in question.keys(self.circle) if key.node_id != self.sealer.node_id]
        if others != wanted:
            raise self._failed(question, "the parcels are not those of all other nodes")
        try:
            policy = strictest([cell_rules(engine.policy), *(parcel.rules for parcel in parcels)])
            with engine.shape(question.release, question.domain, purpose, question.query_id) as shape:
                self._check_size(question, shape)
                own = settle(own_part(shape, engine.policy))
                cells = pooled_cells(shape, self._opened(question, shape, own, parcels), policy)
        except (SealBroken, ValueError):
            raise self._failed(question, "the sealed sum does not open") from None
        return NodeAnswer(cells, engine.receipt(question.release, cells, policy.min_persons))

    def _opened(self, question: SealedQuestion, shape: Shape, own: Sums, parcels: Sequence[Parcel]) -> Sums:
        agreement = self._agreement(question, shape.numbers)
        sealed = self._sealed(question, own)
        opened = open_sum([sealed, *(parcel.words for parcel in parcels)], agreement)
        return Sums.of(shape, opened.view(np.int64))

    def _check_size(self, question: SealedQuestion, shape: Shape) -> None:
        """Refuse, before anything is counted, what would be too much for the opener to be handed."""
        if shape.numbers * (len(question.keys(self.circle)) - 1) > MOST_CARRIED:
            raise ReleaseRefused("R222", "a sealed release has fewer numbers than this one")

    def _sealed(self, question: SealedQuestion, sums: Sums) -> Words:
        flat = words_of(sums.flat())
        return self.sealer.seal(flat, self._agreement(question, len(flat)))

    def _agreement(self, question: SealedQuestion, words: int) -> Agreement:
        keys = question.keys(self.circle)
        return Agreement(question.digest(), self.circle.epoch, question.nonce, keys, words)

    def _take(self, question: SealedQuestion, *, opens: bool) -> None:
        """Refuse a question that is stale, was answered before, or gives this node the other part."""
        if question.release.cells is not CellKind.SEALED:
            raise ReleaseRefused("R225", "the release does not ask for sealed cells")
        if not self._is_of_now(question.made):
            raise ReleaseRefused("R225", "the nonce of a sealed release is not of now")
        try:
            opener = question.opener(self.circle)
        except SealBroken:
            raise ReleaseRefused("R225", "a node has no sealing key today") from None
        if (opener == self.sealer.node_id) is not opens:
            raise ReleaseRefused(
                "R225", "another node opens this sum" if opens else "this node opens this sum"
            )
        if not self.takes(question.nonce, question.made):
            raise ReleaseRefused("R225", "the nonce of a sealed release was used before")

    def _failed(self, question: SealedQuestion, reason: str) -> NodeFailed:
        return NodeFailed(self.sealer.node_id, question.query_id, reason)


class Seatable(Protocol):
    """A node of this process that can be given a seat."""

    node_id: str

    def sit(self, seat: Seat) -> None:
        """Take part in sealed sums, at *seat*."""


def seat_in_memory(nodes: Sequence[Seatable]) -> Circle | None:
    """Seat *nodes* in a circle of their own, with keys that live as long as this process.

    None where they are too few, or two have one id, which is refused elsewhere.
    """
    ordered = sorted({node.node_id for node in nodes})
    if not len(nodes) == len(ordered) >= LEAST_NODES:
        return None
    sealers = key_pairs(ordered)
    keys = tuple(KeyOf(node_id, "in-memory") for node_id in ordered)
    circle = Circle(secrets.token_hex(32), lambda day: keys)
    for node in nodes:
        node.sit(Seat(circle, sealers[node.node_id]))
    return circle
