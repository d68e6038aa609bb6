"""A node's part in a round that lists sites. It takes each step once, in order, or it takes none.

What it checks for itself: that the round is over its own snapshot, site list and circle; that nobody's
threshold is above the round's; that a place is named only where both readers signed that it reaches the
threshold; and that no single country's change could be read off since the last round.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from goe_lake.errors import ReleaseRefused
from goe_lake.federation.listing import names as naming
from goe_lake.federation.listing.field import filled_slots, seal_elements
from goe_lake.federation.listing.messages import (
    LEAST_PLACES,
    MOST_PLACES,
    MOST_STAGES,
    Kind,
    Piece,
    Round,
    Step,
)
from goe_lake.federation.listing.one_time_tables import Lanes, dealt, looked_up, rows_for, shifts
from goe_lake.federation.listing.payloads import ONLY_BITS, piece_of, reached_by, read_found, read_pages
from goe_lake.federation.sealed_sums import Seat
from goe_lake.federation.sealing import (
    LEAST_NODES,
    WITNESSES,
    ChaChaStream,
    KeyOf,
    SealBroken,
    Words,
    add_masks,
)
from goe_lake.vcf.arrow import array

#: Seconds that a round may take from its first step to its last.
MOST_SECONDS: Final = 24 * 3600
#: A stretch with a larger share of places over the threshold is not a sound one, and no names are told of it.
MOST_REACHED: Final = 0.5
_ONCE: Final = bytes(12)  # each key is of one message
_SHARE: Final = 32

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tokens:
    """A node's unlisted sites (`engine.unlisted.UNLISTED`) as numbers; *digests* have shape (sites, 32)."""

    sites: pa.Table
    digests: npt.NDArray[np.uint8]
    marks: Words
    carriers: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, sites: pa.Table) -> Tokens:
        """The tokens of *sites*."""
        digests = naming.digests_of(sites)
        carriers = sites.column("carriers").to_numpy().astype(np.uint16)
        return cls(sites, digests, naming.marks_of(digests), carriers)


@dataclass(frozen=True)
class Surroundings:
    """What a seat needs of its node.

    *last* is what it noted of the last round that told something, *note* does so before anything leaves.
    """

    snapshot_id: str
    site_list_digest: str
    least: int
    unlisted: Callable[[], pa.Table]
    last: Callable[[], Mapping[str, Any] | None]
    note: Callable[[Mapping[str, Any]], None]
    keep: Callable[[pa.Table], str]


@dataclass
class Table:
    """One table of a round: the place of each token, and which places reach the threshold.

    *dealt* are the dealer's shifts by part, *sums* the shifted sums that a reader holds.
    """

    step: Step
    place_of: Places
    reached: npt.NDArray[np.bool_]
    dealt: dict[int, Lanes] = field(default_factory=dict)
    sums: dict[int, Lanes] = field(default_factory=dict)


@dataclass
class Standing:
    """A round under way; *live* are the tokens that are still open."""

    begun: Step
    own_share: bytes
    taken: set[str] = field(default_factory=set)
    round: Round | None = None
    secret: bytes = b""
    tokens: Tokens | None = None
    live: npt.NDArray[np.bool_] | None = None
    tables: list[Table] = field(default_factory=list)
    named: bool = False


class ListingSeat:
    """A node's place in rounds that list sites: one round at a time, the newest."""

    def __init__(self, seat: Seat, surroundings: Surroundings) -> None:
        self._seat, self._circle, self._sealer = seat, seat.circle, seat.sealer
        self._here = surroundings
        self._standing: Standing | None = None
        self._lock = threading.Lock()

    @property
    def node_id(self) -> str:
        """The node whose place it is."""
        return self._sealer.node_id

    def take(self, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """What the node hands in for *step*; *carried* came from other nodes, *payload* from the gateway.

        Raises ReleaseRefused where the step is not one to take, with the reason; nothing is handed in then.
        """
        if step.site_list_digest != self._here.site_list_digest:
            raise ReleaseRefused("R226", "the node was given another site list")
        if sha256(payload).hexdigest() != step.payload and (payload or step.payload):
            raise ReleaseRefused("R226", "the step came with something else than it names")
        try:
            with self._lock:
                if step.kind is Kind.BEGIN:
                    return self._begin(step)
                standing = self._of_round(step)
                return _WORK[step.kind](self, standing, step, carried, payload)
        except (SealBroken, InvalidTag):
            raise ReleaseRefused("R226", "what another node handed in does not open") from None

    # the round ------------------------------------------------------------------------------------

    def _begin(self, step: Step) -> Piece:
        if not self._seat.takes(step.nonce, step.made):
            raise ReleaseRefused("R226", "the nonce of a round is not of now, or was used before")
        share = os.urandom(_SHARE)
        self._standing = Standing(step, share)
        agreement = step.agreement(self._circle, 0)
        wrapped = {
            other: ChaCha20Poly1305(self._sealer.key_with(other, agreement, f"share of {self.node_id}"))
            .encrypt(_ONCE, share, None)
            .hex()
            for other in agreement.node_ids
            if other != self.node_id
        }
        told = {"least": self._here.least, "snapshot": self._here.snapshot_id, "shares": wrapped}
        return self._piece(step, b"", told)

    def _of_round(self, step: Step) -> Standing:
        standing = self._standing
        if standing is None or standing.begun.nonce != step.nonce:
            raise ReleaseRefused("R226", "the node takes part in no such round; begin anew")
        if self._seat.clock() > step.made + MOST_SECONDS:
            raise ReleaseRefused("R226", "the round took too long; begin anew")
        if step.round is None or (standing.round is not None and step.round != standing.round):
            raise ReleaseRefused("R226", "the step is of another round")
        if standing.round is None and step.kind is not Kind.AGREE:
            raise ReleaseRefused("R226", "the round was not agreed on")
        # masks are of one step: a step that is taken twice could have two vectors under one mask
        taken = f"{step.kind} {step.stage} {step.part}"
        if taken in standing.taken:
            raise ReleaseRefused("R226", "the step was taken before")
        standing.taken.add(taken)
        return standing

    def _agree(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        agreed = step.round
        assert agreed is not None
        keys = step.keys(self._circle)
        if tuple(node for node, _ in agreed.snapshots) != tuple(key.node_id for key in keys):
            raise ReleaseRefused("R226", "the round is over other nodes than the federation's")
        if (agreed.nonce, agreed.site_list_digest) != (step.nonce, step.site_list_digest):
            raise ReleaseRefused("R226", "the step is of another round")
        begun = self._all_others(standing.begun, carried, keys)
        told = {self.node_id: self._here.snapshot_id} | {
            node: str(piece.told["snapshot"]) for node, piece in begun.items()
        }
        least = max(self._here.least, *(int(piece.told["least"]) for piece in begun.values()))
        if told != dict(agreed.snapshots) or agreed.least < least:
            raise ReleaseRefused("R226", "the round is not what its nodes said when it began")
        self._check_since(dict(agreed.snapshots))
        rows_for(len(keys), agreed.least)
        agreement = standing.begun.agreement(self._circle, 0)
        shares = {self.node_id: standing.own_share}
        for node, piece in begun.items():
            key = self._sealer.key_with(node, agreement, f"share of {node}")
            wrapped = bytes.fromhex(str(piece.told["shares"][self.node_id]))
            shares[node] = ChaCha20Poly1305(key).decrypt(_ONCE, wrapped, None)
        standing.secret = HKDF(SHA256(), 32, salt=None, info=agreed.digest().encode()).derive(
            b"".join(shares[node] for node in sorted(shares))
        )
        standing.tokens = Tokens.of(self._here.unlisted())
        standing.live = np.ones(len(standing.tokens.marks), dtype=bool)
        standing.round = agreed
        return self._piece(step)

    def _check_since(self, snapshots: Mapping[str, str]) -> None:
        """Refuse a round whose difference from the last one would be about one country or two."""
        last = self._here.last()
        if last is None:
            return
        before = dict(last["nodes"])
        changed = {node for node, snapshot in snapshots.items() if before.get(node) != snapshot}
        if 0 < len(changed) < LEAST_NODES:
            raise ReleaseRefused(
                "R227",
                f"since the last round only {', '.join(sorted(changed))} changed: what would be newly listed "
                f"tells of them alone. Wait until at least {LEAST_NODES} nodes have a new snapshot",
            )

    # one table ------------------------------------------------------------------------------------

    def _stage(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """A new table for the tokens whose places reached the threshold and, by *payload*, are still open."""
        size = step.places
        if size & (size - 1) or not LEAST_PLACES <= size <= MOST_PLACES or step.stage >= MOST_STAGES:
            raise ReleaseRefused("R226", "the table is of no size that is used")
        if step.stage != len(standing.tables):
            raise ReleaseRefused("R226", "the tables come in another order")
        tokens, live = standing.tokens, standing.live
        assert tokens is not None
        assert live is not None
        if standing.tables:
            before = standing.tables[-1]
            opened = np.unpackbits(np.frombuffer(payload, dtype=np.uint8), count=before.step.places)
            live &= (before.reached & opened.astype(bool))[before.place_of]
            before.place_of = np.zeros(0, dtype=np.int64)
        place_of = _places(standing.secret, step.stage, tokens.digests, size)
        standing.tables.append(Table(step, place_of, np.zeros(size, dtype=bool)))
        return self._piece(step)

    def _table(self, standing: Standing, step: Step) -> Table:
        if not standing.tables or standing.tables[-1].step.stage != step.stage:
            raise ReleaseRefused("R226", "the step is of another table")
        table = standing.tables[-1]
        if step.places != table.step.places or not 0 <= step.stretch.start < step.places:
            raise ReleaseRefused("R226", "the step is of another table")
        return table

    def _deal(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        table, roles = self._table(standing, step), step.roles(self._circle)
        self._check_role(roles.dealer)
        assert standing.round is not None
        shift = shifts(step.stretch.stop - step.stretch.start)
        table.dealt[step.part] = shift
        agreement = step.agreement(self._circle, 0)
        noise = self._sealer.key_with(roles.first, agreement, "noise")
        share = dealt(shift, self._rows(standing.round), standing.round.least, noise)
        return self._piece(step, self._for_one(roles.second, step, "share", share))

    def _fill(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        if self.node_id == step.roles(self._circle).first:
            raise ReleaseRefused("R226", "this node reads the sums, and hands in none")
        return self._piece(step, self._filled(standing, step).tobytes())

    def _filled(self, standing: Standing, step: Step) -> Lanes:
        """The node's carriers at each place of the stretch, with the shift where it deals, masked."""
        table, tokens, agreed = self._table(standing, step), standing.tokens, standing.round
        assert tokens is not None
        assert standing.live is not None
        assert agreed is not None
        where = step.stretch
        here = standing.live & (table.place_of >= where.start) & (table.place_of < where.stop)
        counts = np.zeros(where.stop - where.start, dtype=np.int64)
        np.add.at(counts, table.place_of[here] - where.start, tokens.carriers[here].astype(np.int64))
        numbers = np.minimum(counts, agreed.least).astype(np.uint16)
        if self.node_id == step.roles(self._circle).dealer:
            if step.part not in table.dealt:
                raise ReleaseRefused("R226", "the tables come first")
            numbers += table.dealt.pop(step.part)
        sealed = np.concatenate([numbers, np.zeros(WITNESSES, dtype=np.uint16)])
        add_masks(sealed, self._sealer.masks(step.agreement(self._circle, len(numbers))))
        return sealed

    def _read(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """The sums, shifted by what the dealer alone knows; this node and the other reader see them."""
        table, roles = self._table(standing, step), step.roles(self._circle)
        self._check_role(roles.first)
        fill = step.as_kind(Kind.FILL)
        total = self._filled(standing, fill)
        for piece in self._all_others(fill, carried, step.keys(self._circle)).values():
            if len(piece.body) != total.nbytes:
                raise SealBroken("a node filled another table")
            total += np.frombuffer(piece.body, dtype="<u2")
        if total[-WITNESSES:].any():
            raise SealBroken("the masks do not cancel")
        sums = total[:-WITNESSES]
        table.sums[step.part] = sums
        return self._piece(step, self._for_one(roles.second, step, "sums", sums.tobytes()))

    def _bits(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """One reader's bits, under noise that both readers share: only together do they tell anything."""
        table, roles, agreed = self._table(standing, step), step.roles(self._circle), standing.round
        assert agreed is not None
        rows = self._rows(agreed)
        deal, read = step.as_kind(Kind.DEAL), step.as_kind(Kind.READ)
        if self.node_id == roles.first:
            if step.part not in table.sums:
                raise ReleaseRefused("R226", "the sums come first")
            sums, other = table.sums.pop(step.part), roles.second
            noise = self._sealer.key_with(roles.dealer, deal.agreement(self._circle, 0), "noise")
            found = looked_up(sums, rows, ChaChaStream(noise))
        else:
            self._check_role(roles.second)
            other = roles.first
            size = step.stretch.stop - step.stretch.start
            sums = np.frombuffer(self._from_one(roles.first, read, "sums", carried), dtype="<u2")
            share = self._from_one(roles.dealer, deal, "share", carried)
            if len(sums) != size or len(share) != size * rows // 8:
                raise SealBroken("the tables are of another length")
            found = looked_up(sums.astype(np.uint16), rows, share)
        packed = np.packbits(found)
        cover = ChaChaStream(self._sealer.key_with(other, step.agreement(self._circle, 0), "cover"))
        packed ^= np.frombuffer(cover.next_bytes(len(packed)), dtype=np.uint8)
        return self._piece(step, packed.tobytes())

    def _names(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """Marks and words at the places that reach the threshold, masked; none where *payload* says so."""
        table, tokens = self._table(standing, step), standing.tokens
        assert tokens is not None
        assert standing.live is not None
        table.reached[step.stretch] = found = reached_by(step, carried, step.roles(self._circle))
        if payload != ONLY_BITS and found.mean() > MOST_REACHED:
            raise ReleaseRefused("R226", "too many places reach the threshold to tell sites apart")
        if payload == ONLY_BITS:
            return self._piece(step)
        self._note(standing)
        reached = np.flatnonzero(table.reached[step.stretch]) + step.stretch.start
        slot_of = np.full(step.stretch.stop - step.stretch.start, -1, dtype=np.int64)
        slot_of[reached - step.stretch.start] = np.arange(len(reached))
        mine = np.flatnonzero(
            standing.live & (table.place_of >= step.stretch.start) & (table.place_of < step.stretch.stop)
        )
        slots = slot_of[table.place_of[mine] - step.stretch.start]
        mine, slots = mine[slots >= 0], slots[slots >= 0]
        marks, words = tokens.marks[mine], _words_of(tokens, mine)
        parts = [filled_slots(len(reached), slots, values) for values in (marks, words)]
        return self._piece(step, self._sealed(np.concatenate(parts), step))

    def _pages(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """The letters of the long names at the places that *payload* names, masked."""
        table, tokens = self._table(standing, step), standing.tokens
        assert tokens is not None
        assert standing.live is not None
        wanted = read_pages(payload, table.step.places)
        self._note(standing)
        first = np.full(table.step.places, -1, dtype=np.int64)
        first[wanted["place"]] = np.concatenate([[0], np.cumsum(wanted["pages"])[:-1]])
        count = np.zeros(table.step.places, dtype=np.int64)
        count[wanted["place"]] = wanted["pages"]
        mine = np.flatnonzero(standing.live & table.reached[table.place_of] & (first[table.place_of] >= 0))
        slots: list[int] = []
        values: list[int] = []
        for token, name in zip(
            mine.tolist(), tokens.sites.column("name").take(array(mine)).to_pylist(), strict=True
        ):
            place, mark = table.place_of[token], int(tokens.marks[token])
            found = naming.pages(str(name), mark, int(count[place]))
            slots += range(int(first[place]), int(first[place]) + len(found))
            values += found
        filled = filled_slots(
            int(wanted["pages"].sum()), np.array(slots, dtype=np.int64), np.array(values, dtype=np.uint64)
        )
        return self._piece(step, self._sealed(filled, step))

    def _keep(self, standing: Standing, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """Remember what was found; a site at no place that reached the threshold was not found."""
        assert standing.round is not None
        found = read_found(payload)
        digests = np.frombuffer(
            b"".join(sha256(_name_of(row).encode()).digest() for row in found.to_pylist()), dtype=np.uint8
        ).reshape(-1, 32)
        among = np.zeros(len(digests), dtype=bool)
        for number, table in enumerate(standing.tables):
            among |= table.reached[_places(standing.secret, number, digests, table.step.places)]
        if not among.all():
            raise ReleaseRefused("R226", "a site that the round did not find is to be listed")
        digest = self._here.keep(found)
        self._here.note(
            {
                "round": standing.round.digest(),
                "sites": found.num_rows,
                "kept": digest,
                "nodes": self._nodes(),
            }
        )
        self._standing = None
        return self._piece(step, told={"kept": digest, "sites": found.num_rows})

    # what they share ------------------------------------------------------------------------------

    def _nodes(self) -> dict[str, str]:
        assert self._standing is not None
        assert self._standing.round is not None
        return dict(self._standing.round.snapshots)

    def _note(self, standing: Standing) -> None:
        """Write down that names may be told now, before the first of them is."""
        if not standing.named:
            assert standing.round is not None
            self._here.note(
                {
                    "round": standing.round.digest(),
                    "least": standing.round.least,
                    "nodes": dict(standing.round.snapshots),
                }
            )
            standing.named = True

    def _sealed(self, elements: Words, step: Step) -> bytes:
        agreement = step.agreement(self._circle, len(elements))
        return seal_elements(self._sealer, elements, agreement).tobytes()

    def _rows(self, agreed: Round) -> int:
        return rows_for(len(agreed.snapshots), agreed.least)

    def _check_role(self, wanted: str) -> None:
        if self.node_id != wanted:
            raise ReleaseRefused("R226", "this node has another part in the round")

    def _for_one(self, node_id: str, step: Step, purpose: str, body: bytes) -> bytes:
        key = self._sealer.key_with(node_id, step.agreement(self._circle, 0), purpose)
        return ChaCha20Poly1305(key).encrypt(_ONCE, body, None)

    def _from_one(self, node_id: str, step: Step, purpose: str, carried: Sequence[Piece]) -> bytes:
        key = self._sealer.key_with(node_id, step.agreement(self._circle, 0), purpose)
        return ChaCha20Poly1305(key).decrypt(_ONCE, piece_of(carried, node_id, step).body, None)

    def _all_others(self, step: Step, carried: Sequence[Piece], keys: Sequence[KeyOf]) -> dict[str, Piece]:
        others = [key.node_id for key in keys if key.node_id != self.node_id]
        return {node_id: piece_of(carried, node_id, step) for node_id in others}

    def _piece(self, step: Step, body: bytes = b"", told: Mapping[str, Any] | None = None) -> Piece:
        return Piece(self.node_id, step.digest(), body, told or {})


_WORK: Final[Mapping[Kind, Callable[[ListingSeat, Standing, Step, Sequence[Piece], bytes], Piece]]] = {
    Kind.AGREE: ListingSeat._agree,
    Kind.STAGE: ListingSeat._stage,
    Kind.DEAL: ListingSeat._deal,
    Kind.FILL: ListingSeat._fill,
    Kind.READ: ListingSeat._read,
    Kind.BITS: ListingSeat._bits,
    Kind.NAMES: ListingSeat._names,
    Kind.PAGES: ListingSeat._pages,
    Kind.KEEP: ListingSeat._keep,
}


def _name_of(row: Mapping[str, Any]) -> str:
    return f"{row['contig']}-{row['pos']}-{row['ref']}-{row['alt']}"


def _places(secret: bytes, stage: int, digests: npt.NDArray[np.uint8], size: int) -> Places:
    """The place of each name in the table of that *stage*: nobody without *secret* can tell it."""
    key = HKDF(SHA256(), 16, salt=None, info=f"table {stage}".encode()).derive(secret)
    # each block is one name, so that a block cipher without chaining is the keyed hash that is wanted
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305
    blocks = encryptor.update(np.ascontiguousarray(digests[:, :16]).tobytes())
    words = np.frombuffer(blocks, dtype="<u8").reshape(-1, 2)[:, 0]
    return (words & np.uint64(size - 1)).astype(np.int64)


def _words_of(tokens: Tokens, chosen: Places) -> Words:
    names = tokens.sites.take(array(chosen))
    ranks, positions = (names.column(name).to_numpy() for name in ("rank", "pos"))
    return naming.words_of_names(ranks, positions, names, tokens.marks[chosen])
