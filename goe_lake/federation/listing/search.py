"""The gateway's part in a round that lists sites: it carries what it cannot read, and reads what is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.errors import GoeError, NodeFailed, ReleaseRefused
from goe_lake.federation.listing import names as naming
from goe_lake.federation.listing.field import open_elements, read_slots
from goe_lake.federation.listing.messages import (
    LEAST_PLACES,
    MOST_PLACES,
    MOST_STAGES,
    PART,
    Kind,
    Piece,
    Roles,
    Round,
    Step,
)
from goe_lake.federation.listing.payloads import FOUND, ONLY_BITS, PAGES, reached_by
from goe_lake.federation.sealed_sums import Circle, new_nonce
from goe_lake.federation.sealing import SealBroken, Words
from goe_lake.genome import CONTIG_ORDER
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.vcf.arrow import table

#: Places of the first table. It grows as long as it is too full to tell sites apart.
FIRST_PLACES: Final = 1 << 16
GROWTH: Final = 4
#: Of a table with a larger share of places over the threshold no names are read.
FULL: Final = 0.25
#: Places of the next table for each place that is still open.
ROOM: Final = 8


class RoundNotFinished(GoeError):
    """A round that lists sites ended before its last step; *reasons* are those of the nodes that ended it."""

    def __init__(self, reasons: Mapping[str, str], step: str) -> None:
        self.reasons, self.step = dict(reasons), step
        told = "; ".join(f"{node}: {reason}" for node, reason in self.reasons.items())
        listed = "what was found is listed, and not kept there" if step == Kind.KEEP else "nothing was listed"
        super().__init__(
            f"the round ended at its step '{step}', and {listed}. {told}. Every node has to take part. Mend "
            "that, and begin anew"
        )


class Listing(Protocol):
    """A node as a round sees it, in this process or over the wire."""

    def list_sites(self, step: Step, carried: Sequence[Piece], payload: bytes) -> Piece:
        """What the node hands in for *step*."""


@dataclass(frozen=True)
class Found:
    """What a round found: the *sites* (FOUND) that are newly listed, its threshold, and what it cost.

    *tables* are the places of each table, *sent* the bytes that nodes handed in, by node.
    """

    sites: pa.Table
    least: int
    tables: tuple[int, ...]
    sent: Mapping[str, int]


@dataclass
class _Search:
    """A round under way."""

    nodes: Mapping[str, Listing]
    circle: Circle
    begun: Step
    progress: OneAtATime
    round: Round | None = None
    sent: dict[str, int] = field(default_factory=dict)
    tables: list[int] = field(default_factory=list)

    def step(self, kind: Kind, payload: bytes = b"", **where: int) -> Step:
        """A step of this round, the same for every node that takes it."""
        digest = sha256(payload).hexdigest() if payload else ""
        return Step(kind, self.begun.nonce, self.begun.site_list_digest, self.round, payload=digest, **where)

    def ask(
        self,
        names: Sequence[str],
        step: Step,
        carried: Callable[[str], Sequence[Piece]] = lambda _: (),
        payload: bytes = b"",
    ) -> list[Piece]:
        """What the nodes *names* hand in for *step*; RoundNotFinished names those that do not."""

        def ask(name: str) -> Piece | GoeError:
            try:
                piece = self.nodes[name].list_sites(step, carried(name), payload)
            except (NodeFailed, ReleaseRefused) as error:
                return error
            fits = piece.node_id == name and piece.step == step.digest()
            return piece if fits else NodeFailed(name, "", "what it handed in is not for this step")

        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            given = list(pool.map(ask, names))
        reasons = {
            name: piece.reason
            if isinstance(piece, NodeFailed)
            else piece.message
            if isinstance(piece, ReleaseRefused)
            else str(piece)
            for name, piece in zip(names, given, strict=True)
            if not isinstance(piece, Piece)
        }
        if reasons:
            raise RoundNotFinished(reasons, step.kind.value)
        pieces = [piece for piece in given if isinstance(piece, Piece)]
        for piece in pieces:
            self.sent[piece.node_id] = self.sent.get(piece.node_id, 0) + len(piece.body)
        return pieces


def search(
    nodes: Mapping[str, Listing], circle: Circle, site_list_digest: str, progress: Progress | None = None
) -> Found:
    """Find the unlisted sites whose carriers reach the strictest threshold over all *nodes* together.

    Every node keeps what was found. Raises RoundNotFinished naming the nodes that did not do their part.
    """
    begun = Step(Kind.BEGIN, new_nonce(), site_list_digest)
    run = _Search(nodes, circle, begun, OneAtATime(progress))
    everybody = sorted(nodes)
    shares = run.ask(everybody, begun)
    told = {piece.node_id: piece.told for piece in shares}
    try:
        least = max(int(told[name]["least"]) for name in everybody)
        snapshots = tuple((name, str(told[name]["snapshot"])) for name in everybody)
    except (KeyError, TypeError, ValueError):
        raise RoundNotFinished({"a node": "what it said of itself cannot be read"}, "begin") from None
    run.round = Round(begun.nonce, site_list_digest, least, snapshots)
    run.ask(everybody, run.step(Kind.AGREE), lambda name: [p for p in shares if p.node_id != name])
    found: set[tuple[str, int, str, str]] = set()
    places, still_open = FIRST_PLACES, b""
    for stage in range(MOST_STAGES):
        run.tables.append(places)
        reached, opened = _one_table(run, stage, places, still_open)
        names, resolved = _read_names(run, stage, places, opened)
        found |= names
        onward = np.zeros(places, dtype=bool)
        onward[reached] = True
        onward[resolved] = False
        if not onward.any():
            sites = _table_of(found)
            payload = _written(sites)
            run.ask(everybody, run.step(Kind.KEEP, payload), payload=payload)
            return Found(sites, least, tuple(run.tables), run.sent)
        still_open = np.packbits(onward).tobytes()
        places = _next_places(places, int(onward.sum()), named=bool(len(opened[0])))
    raise RoundNotFinished({"all nodes": f"sites are not told apart after {MOST_STAGES} tables"}, "names")


def _next_places(places: int, still_open: int, *, named: bool) -> int:
    """The size of the next table: larger while this one is too full, then as what is open needs."""
    wanted = ROOM * still_open if named else GROWTH * places
    return min(MOST_PLACES, max(LEAST_PLACES, 1 << (wanted - 1).bit_length()))


Opened = tuple[npt.NDArray[np.int64], Words, Words]


def _one_table(
    run: _Search, stage: int, places: int, still_open: bytes
) -> tuple[npt.NDArray[np.int64], Opened]:
    """The places that reach the threshold, and of these the marks and words that were read, if any were."""
    everybody, title = sorted(run.nodes), f"table {stage + 1}, {places:,} places"
    parts = range(-(-places // PART))
    run.progress.start(title, 2 * len(parts))
    asked = run.step(Kind.STAGE, still_open, stage=stage, places=places)
    run.ask(everybody, asked, payload=still_open)
    bits: list[list[Piece]] = []
    reached: list[npt.NDArray[np.int64]] = []
    for part in parts:
        step = run.step(Kind.BITS, stage=stage, part=part, places=places)
        roles = step.roles(run.circle)
        both = _decide(run, step, roles)
        bits.append(both)
        reached.append(np.flatnonzero(_bits_of(step, both, roles)) + part * PART)
        run.progress.advance(title, 1)
    every = np.concatenate(reached)
    payload = ONLY_BITS if len(every) > FULL * places and places < MOST_PLACES else b""
    read: list[tuple[Words, Words]] = []
    for part, both in zip(parts, bits, strict=True):
        step = run.step(Kind.NAMES, payload, stage=stage, part=part, places=places)
        pieces = run.ask(everybody, step, _the_same(both), payload)
        if not payload:
            read.append(_opened_names(run, step, pieces, len(reached[part])))
        run.progress.advance(title, 1)
    run.progress.finish(title)
    if payload:
        return every, (np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint64))
    marks, words = (np.concatenate([pair[place] for pair in read]) for place in (0, 1))
    return every, (every, marks, words)


def _the_same(pieces: list[Piece]) -> Callable[[str], Sequence[Piece]]:
    """Carries *pieces* to every node."""
    return lambda _: pieces


def _decide(run: _Search, step: Step, roles: Roles) -> list[Piece]:
    """What both readers hand in for the BITS *step*."""
    (share,) = run.ask([roles.dealer], step.as_kind(Kind.DEAL))
    filling = [name for name in sorted(run.nodes) if name != roles.first]
    filled = run.ask(filling, step.as_kind(Kind.FILL))
    (sums,) = run.ask([roles.first], step.as_kind(Kind.READ), lambda _: filled)
    return run.ask(
        [roles.first, roles.second], step, lambda name: [share, sums] if name == roles.second else []
    )


def _bits_of(step: Step, both: Sequence[Piece], roles: Roles) -> npt.NDArray[np.bool_]:
    try:
        return reached_by(step, both, roles)
    except SealBroken as error:
        raise RoundNotFinished({f"{roles.first} or {roles.second}": str(error)}, "bits") from None


def _open(run: _Search, step: Step, pieces: Sequence[Piece], words: int) -> Words:
    """The elements that all nodes sealed for *step*."""
    try:
        given = [np.frombuffer(piece.body, dtype="<u8").astype(np.uint64) for piece in pieces]
        return open_elements(given, step.agreement(run.circle, words))
    except (SealBroken, ValueError) as error:
        raise RoundNotFinished({"all nodes": str(error)}, step.kind.value) from None


def _opened_names(run: _Search, step: Step, pieces: Sequence[Piece], slots: int) -> tuple[Words, Words]:
    opened = _open(run, step, pieces, 4 * slots)
    return read_slots(opened[: 2 * slots]), read_slots(opened[2 * slots :])


def _read_names(
    run: _Search, stage: int, places: int, opened: Opened
) -> tuple[set[tuple[str, int, str, str]], list[int]]:
    """The sites that stand alone at their place, and those places."""
    found: set[tuple[str, int, str, str]] = set()
    resolved: list[int] = []
    long: list[tuple[int, int, int, int]] = []
    for place, mark, word in zip(*(part.tolist() for part in opened), strict=True):
        site = naming.site_of(naming.short_name(word), mark)
        pages = 0 if site is not None else naming.pages_of(word, mark)
        if site is not None:
            found.add(site)
            resolved.append(place)
        elif pages:
            long.append((place, pages, word, mark))
    for (place, *_), site in zip(long, _long_names(run, stage, places, long), strict=True):
        if site is not None:
            found.add(site)
            resolved.append(place)
    return found, resolved


def _long_names(
    run: _Search, stage: int, places: int, long: Sequence[tuple[int, int, int, int]]
) -> list[tuple[str, int, str, str] | None]:
    if not long:
        return []
    wanted = np.array([(place, pages) for place, pages, _, _ in long], dtype=PAGES)
    payload = wanted.tobytes()
    step = run.step(Kind.PAGES, payload, stage=stage, places=places)
    pieces = run.ask(sorted(run.nodes), step, payload=payload)
    slots = int(wanted["pages"].sum())
    values = read_slots(_open(run, step, pieces, 2 * slots)).tolist()
    starts = np.concatenate([[0], np.cumsum(wanted["pages"])]).tolist()
    return [
        naming.site_of(naming.name_from(values[start:end], word, mark), mark)
        for (_, _, word, mark), start, end in zip(long, starts[:-1], starts[1:], strict=True)
    ]


def _written(sites: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, sites.schema) as writer:
        writer.write_table(sites)
    return memoryview(sink.getvalue()).tobytes()


def _table_of(found: set[tuple[str, int, str, str]]) -> pa.Table:
    rows = sorted(found, key=lambda site: (CONTIG_ORDER[site[0]], *site[1:]))
    columns = list(zip(*rows, strict=True)) or [()] * len(FOUND)
    return table(dict(zip(FOUND.names, columns, strict=True)), FOUND)
