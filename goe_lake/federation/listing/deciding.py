"""Which places of a table reach the threshold: what the dealer, both readers and all others do for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from goe_lake.errors import ReleaseRefused
from goe_lake.federation.listing.messages import Kind, Piece, Step
from goe_lake.federation.listing.one_time_tables import Lanes, dealt, looked_up, rows_for, shifts
from goe_lake.federation.listing.payloads import piece_of
from goe_lake.federation.listing.standing import Agreed
from goe_lake.federation.sealed_sums import Circle
from goe_lake.federation.sealing import WITNESSES, ChaChaStream, SealBroken, Sealer, add_masks

_ONCE: Final = bytes(12)  # each key is of one message


@dataclass(frozen=True)
class Lines:
    """A node's secret lines to the others of its *circle*."""

    circle: Circle
    sealer: Sealer

    @property
    def node_id(self) -> str:
        """The node whose lines they are."""
        return self.sealer.node_id

    def key(self, node_id: str, step: Step, purpose: str) -> bytes:
        """A key that this node and *node_id* alone share, for one *purpose* of *step*."""
        return self.sealer.key_with(node_id, step.agreement(self.circle, 0), purpose)

    def for_one(self, node_id: str, step: Step, purpose: str, body: bytes) -> bytes:
        """*body* for *node_id* alone."""
        return ChaCha20Poly1305(self.key(node_id, step, purpose)).encrypt(_ONCE, body, None)

    def from_one(self, node_id: str, step: Step, purpose: str, body: bytes) -> bytes:
        """What *node_id* wrote for this node alone; InvalidTag where it did not."""
        return ChaCha20Poly1305(self.key(node_id, step, purpose)).decrypt(_ONCE, body, None)

    def others(self, step: Step, carried: Sequence[Piece]) -> dict[str, Piece]:
        """What each other node handed in for *step*; SealBroken where one is missing."""
        others = [key.node_id for key in step.keys(self.circle) if key.node_id != self.node_id]
        return {node_id: piece_of(carried, node_id, step) for node_id in others}

    def check_role(self, wanted: str) -> None:
        """Raise ReleaseRefused unless this node is *wanted*."""
        if self.node_id != wanted:
            raise ReleaseRefused("R226", "this node has another part in the round")


def deal(lines: Lines, agreed: Agreed, step: Step) -> bytes:
    """The dealer's tables, for the second reader; its shifts stay here until it fills the same stretch."""
    table, roles = agreed.table(step), step.roles(lines.circle)
    lines.check_role(roles.dealer)
    shift = shifts(step.stretch.stop - step.stretch.start)
    table.dealt[step.part] = shift
    share = dealt(shift, _rows(agreed), agreed.round.least, lines.key(roles.first, step, "noise"))
    return lines.for_one(roles.second, step, "share", share)


def fill(lines: Lines, agreed: Agreed, step: Step) -> Lanes:
    """The node's carriers at each place of the stretch, with the shift where it deals, masked."""
    table, numbers = agreed.table(step), agreed.counts(step)
    if lines.node_id == step.roles(lines.circle).dealer:
        if step.part not in table.dealt:
            raise ReleaseRefused("R226", "the tables come first")
        numbers += table.dealt.pop(step.part)
    sealed = np.concatenate([numbers, np.zeros(WITNESSES, dtype=np.uint16)])
    add_masks(sealed, lines.sealer.masks(step.agreement(lines.circle, len(numbers))))
    return sealed


def read(lines: Lines, agreed: Agreed, step: Step, carried: Sequence[Piece]) -> bytes:
    """The sums for the second reader, shifted by what the dealer alone knows; both readers see them."""
    roles, asked = step.roles(lines.circle), step.as_kind(Kind.FILL)
    lines.check_role(roles.first)
    total = fill(lines, agreed, asked)
    for piece in lines.others(asked, carried).values():
        if len(piece.body) != total.nbytes:
            raise SealBroken("a node filled another table")
        total += np.frombuffer(piece.body, dtype="<u2")
    if total[-WITNESSES:].any():
        raise SealBroken("the masks do not cancel")
    agreed.table(step).sums[step.part] = sums = total[:-WITNESSES]
    return lines.for_one(roles.second, step, "sums", sums.tobytes())


def bits(lines: Lines, agreed: Agreed, step: Step, carried: Sequence[Piece]) -> bytes:
    """One reader's bits, under noise that both readers share: only together do they tell anything."""
    roles, rows = step.roles(lines.circle), _rows(agreed)
    dealing, reading = step.as_kind(Kind.DEAL), step.as_kind(Kind.READ)
    if lines.node_id == roles.first:
        held = agreed.table(step).sums
        if step.part not in held:
            raise ReleaseRefused("R226", "the sums come first")
        other, noise = roles.second, ChaChaStream(lines.key(roles.dealer, dealing, "noise"))
        found = looked_up(held.pop(step.part), rows, noise)
    else:
        lines.check_role(roles.second)
        other, size = roles.first, step.stretch.stop - step.stretch.start
        given = piece_of(carried, roles.first, reading), piece_of(carried, roles.dealer, dealing)
        sums = lines.from_one(roles.first, reading, "sums", given[0].body)
        share = lines.from_one(roles.dealer, dealing, "share", given[1].body)
        if len(sums) != 2 * size or len(share) != size * rows // 8:
            raise SealBroken("the tables are of another length")
        found = looked_up(np.frombuffer(sums, dtype="<u2").astype(np.uint16), rows, share)
    packed = np.packbits(found)
    cover = ChaChaStream(lines.key(other, step, "cover"))
    return (packed ^ np.frombuffer(cover.next_bytes(len(packed)), dtype=np.uint8)).tobytes()


def _rows(agreed: Agreed) -> int:
    return rows_for(len(agreed.round.snapshots), agreed.round.least)
