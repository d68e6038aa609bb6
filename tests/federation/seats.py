"""Seats of a round over sites that a test makes up, with no lake beneath."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pyarrow as pa

from goe_lake.engine.unlisted import UNLISTED
from goe_lake.federation.listing.messages import Piece, Step
from goe_lake.federation.listing.seat import ListingSeat
from goe_lake.federation.listing.standing import Surroundings
from goe_lake.federation.sealed_sums import Circle, Seat
from goe_lake.federation.sealing import KeyOf, key_pairs
from goe_lake.genome import CONTIG_ORDER

Site = tuple[str, int, str, str]


def name_of(site: Site) -> str:
    """The name of *site*, chr1-1000-A-C."""
    return "-".join(map(str, site))


def unlisted(carriers: Mapping[Site, int]) -> pa.Table:
    """A node's sites with how many carriers each has there (UNLISTED)."""
    rows = [
        (
            CONTIG_ORDER[site[0]],
            *site[1:],
            name_of(site),
            sha256(name_of(site).encode()).digest(),
            count,
        )
        for site, count in carriers.items()
        if count
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(UNLISTED)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, UNLISTED, strict=True)], UNLISTED)


@dataclass
class Desk:
    """A node of a round: its seat, what it noted and kept, and all that it handed in."""

    seat: ListingSeat
    noted: list[Mapping[str, Any]]
    kept: list[pa.Table]
    given: list[tuple[Step, Piece]] = field(default_factory=list)

    def list_sites(self, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """As a node does."""
        piece = self.seat.take(step, carried, payload)
        self.given.append((step, piece))
        return piece


def desks(
    worlds: Mapping[str, Mapping[Site, int]],
    least: int = 10,
    *,
    last: Mapping[str, str] | None = None,
    snapshots: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[dict[str, Desk], Circle]:
    """A desk for each node of *worlds*; *last* are the snapshots of the round before."""
    names = sorted(worlds)
    sealers, keys = key_pairs(names), tuple(KeyOf(name, "in-memory") for name in names)
    circle = Circle("0" * 64, lambda _: keys)
    made = {}
    for name in names:
        noted: list[Mapping[str, Any]] = []
        kept: list[pa.Table] = []

        def keep(sites: pa.Table, kept: list[pa.Table] = kept) -> str:
            kept.append(sites)
            return str(len(kept))

        here = Surroundings(
            (snapshots or {}).get(name, "first"),
            "",
            least,
            lambda name=name: unlisted(worlds[name]),
            lambda: {"nodes": last} if last is not None else None,
            noted.append,
            keep,
        )
        made[name] = Desk(ListingSeat(Seat(circle, sealers[name], clock), here), noted, kept)
    return made, circle
