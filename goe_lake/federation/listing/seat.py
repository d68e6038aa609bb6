"""A node's part in a round that lists sites. It takes each step once, in order, or it takes none.

What it checks for itself: that the round is over its own snapshot, site list and circle; that nobody's
threshold is above the round's; that a place is named only where both readers signed that it reaches the
threshold; and that no single country's change could be read off since the last round.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from goe_lake.errors import ReleaseRefused
from goe_lake.federation.listing import deciding
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
from goe_lake.federation.listing.one_time_tables import rows_for
from goe_lake.federation.listing.payloads import (
    ONLY_BITS,
    digests_of_found,
    reached_by,
    read_found,
    read_pages,
)
from goe_lake.federation.listing.standing import Agreed, Places, Standing, Surroundings, Tokens
from goe_lake.federation.sealed_sums import Seat
from goe_lake.federation.sealing import LEAST_NODES, SealBroken, Words

#: Seconds that a round may take from its first step to its last.
MOST_SECONDS: Final = 24 * 3600
#: A stretch with a larger share of places over the threshold is not a sound one, and no names are told of it.
MOST_REACHED: Final = 0.5
_SHARE: Final = 32


class ListingSeat:
    """A node's place in rounds that list sites: one round at a time, the newest."""

    def __init__(self, seat: Seat, surroundings: Surroundings) -> None:
        self._seat, self._here = seat, surroundings
        self._lines = deciding.Lines(seat.circle, seat.sealer)
        self._standing: Standing | None = None
        self._lock = threading.Lock()

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
                if step.kind is Kind.AGREE:
                    return self._agree(standing, step, carried)
                if standing.agreed is None:
                    raise ReleaseRefused("R226", "the round was not agreed on")
                return _WORK[step.kind](self, standing.agreed, step, carried, payload)
        except (SealBroken, InvalidTag, LookupError, TypeError, ValueError):
            raise ReleaseRefused("R226", "what another node handed in does not open") from None

    # the round ------------------------------------------------------------------------------------

    def _begin(self, step: Step) -> Piece:
        if not self._seat.takes(step.nonce, step.made):
            raise ReleaseRefused("R226", "the nonce of a round is not of now, or was used before")
        share, own = os.urandom(_SHARE), self._lines.node_id
        self._standing = Standing(step, share)
        wrapped = {
            key.node_id: self._lines.for_one(key.node_id, step, f"share of {own}", share).hex()
            for key in step.keys(self._lines.circle)
            if key.node_id != own
        }
        told = {"least": self._here.least, "snapshot": self._here.snapshot_id, "shares": wrapped}
        return self._piece(step, told=told)

    def _of_round(self, step: Step) -> Standing:
        standing = self._standing
        if standing is None or standing.begun.nonce != step.nonce:
            raise ReleaseRefused("R226", "the node takes part in no such round; begin anew")
        if self._seat.clock() > step.made + MOST_SECONDS:
            raise ReleaseRefused("R226", "the round took too long; begin anew")
        if step.round is None or (standing.agreed is not None and step.round != standing.agreed.round):
            raise ReleaseRefused("R226", "the step is of another round")
        # masks are of one step: a step that is taken twice could have two vectors under one mask
        taken = f"{step.kind} {step.stage} {step.part}"
        if taken in standing.taken:
            raise ReleaseRefused("R226", "the step was taken before")
        standing.taken.add(taken)
        return standing

    def _agree(self, standing: Standing, step: Step, carried: Sequence[Piece]) -> Piece:
        agreed, own = step.round, self._lines.node_id
        assert agreed is not None
        keys = step.keys(self._lines.circle)
        if tuple(node for node, _ in agreed.snapshots) != tuple(key.node_id for key in keys):
            raise ReleaseRefused("R226", "the round is over other nodes than the federation's")
        if (agreed.nonce, agreed.site_list_digest) != (step.nonce, step.site_list_digest):
            raise ReleaseRefused("R226", "the step is of another round")
        begun = self._lines.others(standing.begun, carried)
        told = {node: str(piece.told["snapshot"]) for node, piece in begun.items()}
        least = max(self._here.least, *(int(piece.told["least"]) for piece in begun.values()))
        if {own: self._here.snapshot_id, **told} != dict(agreed.snapshots) or agreed.least < least:
            raise ReleaseRefused("R226", "the round is not what its nodes said when it began")
        self._check_since(dict(agreed.snapshots))
        try:
            rows_for(len(keys), agreed.least)
        except ValueError as error:
            raise ReleaseRefused("R226", str(error)) from None
        shares = {own: standing.own_share}
        for node, piece in begun.items():
            wrapped = bytes.fromhex(str(piece.told["shares"][own]))
            shares[node] = self._lines.from_one(node, standing.begun, f"share of {node}", wrapped)
        every = b"".join(shares[node] for node in sorted(shares))
        secret = HKDF(SHA256(), 32, salt=None, info=agreed.digest().encode()).derive(every)
        tokens = Tokens.of(self._here.unlisted())
        standing.agreed = Agreed(agreed, secret, tokens, np.ones(len(tokens.marks), dtype=bool))
        return self._piece(step)

    def _check_since(self, snapshots: Mapping[str, str]) -> None:
        """Refuse a round whose difference from the last one would be about one country or two."""
        last = self._here.last()
        before = dict(last["nodes"]) if last is not None else {}
        changed = {node for node, snapshot in snapshots.items() if before.get(node) != snapshot}
        if 0 < len(changed) < LEAST_NODES:
            raise ReleaseRefused(
                "R227",
                f"since the last round only {', '.join(sorted(changed))} changed: what would be newly listed "
                f"tells of them alone. Wait until at least {LEAST_NODES} nodes have a new snapshot",
            )

    # one table ------------------------------------------------------------------------------------

    def _stage(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        size = step.places
        if size & (size - 1) or not LEAST_PLACES <= size <= MOST_PLACES or step.stage >= MOST_STAGES:
            raise ReleaseRefused("R226", "the table is of no size that is used")
        if step.stage != len(agreed.tables):
            raise ReleaseRefused("R226", "the tables come in another order")
        if agreed.tables and len(payload) != -(-agreed.tables[-1].step.places // 8):
            raise ReleaseRefused("R226", "it is not said which places are still open")
        agreed.begin_table(step, payload)
        return self._piece(step)

    def _deal(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        return self._piece(step, deciding.deal(self._lines, agreed, step))

    def _fill(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        if self._lines.node_id == step.roles(self._lines.circle).first:
            raise ReleaseRefused("R226", "this node reads the sums, and hands in none")
        return self._piece(step, deciding.fill(self._lines, agreed, step).tobytes())

    def _read(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        return self._piece(step, deciding.read(self._lines, agreed, step, carried))

    def _bits(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        return self._piece(step, deciding.bits(self._lines, agreed, step, carried))

    def _names(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """Marks and words at the places that reach the threshold, masked; none where *payload* says so."""
        table, where = agreed.table(step), step.stretch
        table.reached[where] = found = reached_by(step, carried, step.roles(self._lines.circle))
        if payload == ONLY_BITS:
            return self._piece(step)
        if found.mean() > MOST_REACHED:
            raise ReleaseRefused("R226", "too many places reach the threshold to tell sites apart")
        self._note(agreed)
        slot_of = np.where(found, np.cumsum(found) - 1, -1)
        mine = agreed.within(step)
        slots = slot_of[table.place_of[mine] - where.start]
        mine, slots = mine[slots >= 0], slots[slots >= 0]
        parts = (agreed.tokens.marks[mine], agreed.tokens.words(mine))
        filled = [filled_slots(int(found.sum()), slots, values) for values in parts]
        return self._piece(step, self._sealed(np.concatenate(filled), step))

    def _pages(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """The letters of the long names at the places that *payload* names, masked."""
        table, tokens = agreed.table(step), agreed.tokens
        wanted = read_pages(payload, step.places)
        self._note(agreed)
        first, count = np.full(step.places, -1, dtype=np.int64), np.zeros(step.places, dtype=np.int64)
        first[wanted["place"]] = np.concatenate([[0], np.cumsum(wanted["pages"])[:-1]])
        count[wanted["place"]] = wanted["pages"]
        mine = np.flatnonzero(agreed.live & table.reached[table.place_of] & (first[table.place_of] >= 0))
        slots: list[Places] = [np.zeros(0, dtype=np.int64)]
        values: list[int] = []
        for token, name in zip(mine.tolist(), tokens.names(mine), strict=True):
            place = table.place_of[token]
            values += naming.pages(name, int(tokens.marks[token]), int(count[place]))
            slots.append(first[place] + np.arange(count[place]))
        total = int(wanted["pages"].sum())
        filled = filled_slots(total, np.concatenate(slots), np.array(values, dtype=np.uint64))
        return self._piece(step, self._sealed(filled, step))

    def _keep(self, agreed: Agreed, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """Remember what was found; a site at no place that reached the threshold was not found."""
        found = read_found(payload)
        if not agreed.found_at(digests_of_found(found)).all():
            raise ReleaseRefused("R226", "a site that the round did not find is to be listed")
        kept = {"sites": found.num_rows, "kept": self._here.keep(found)}
        self._here.note({**_noted(agreed.round), **kept})
        self._standing = None
        return self._piece(step, told=kept)

    # what they share ------------------------------------------------------------------------------

    def _note(self, agreed: Agreed) -> None:
        """Write down that names may be told now, before the first of them is."""
        if not agreed.noted:
            self._here.note(_noted(agreed.round))
            agreed.noted = True

    def _sealed(self, elements: Words, step: Step) -> bytes:
        agreement = step.agreement(self._lines.circle, len(elements))
        return seal_elements(self._lines.sealer, elements, agreement).tobytes()

    def _piece(self, step: Step, body: bytes = b"", told: Mapping[str, Any] | None = None) -> Piece:
        return Piece(self._lines.node_id, step.digest(), body, told or {})


def _noted(agreed: Round) -> dict[str, Any]:
    return {"round": agreed.digest(), "least": agreed.least, "nodes": dict(agreed.snapshots)}


_WORK: Final[Mapping[Kind, Callable[[ListingSeat, Agreed, Step, Sequence[Piece], bytes], Piece]]] = {
    Kind.STAGE: ListingSeat._stage,
    Kind.DEAL: ListingSeat._deal,
    Kind.FILL: ListingSeat._fill,
    Kind.READ: ListingSeat._read,
    Kind.BITS: ListingSeat._bits,
    Kind.NAMES: ListingSeat._names,
    Kind.PAGES: ListingSeat._pages,
    Kind.KEEP: ListingSeat._keep,
}
