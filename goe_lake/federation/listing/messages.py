"""What travels in a round that lists sites: the round, its steps, and what nodes hand in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from goe_lake.errors import ReleaseRefused
from goe_lake.federation.sealed_sums import Circle, made_at
from goe_lake.federation.sealing import Agreement, KeyOf
from goe_lake.release import digest_of

VERSION: Final = "site-step/1"
LIST_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
#: Places of a table that one message carries.
PART: Final = 1 << 20
LEAST_PLACES: Final = 1 << 10
MOST_PLACES: Final = 1 << 30
MOST_STAGES: Final = 64


class Kind(StrEnum):
    """The steps of a round, in their order; those from STAGE to PAGES are taken once for each table."""

    BEGIN = "begin"  # every node: its threshold, and its share of the secret for each other node
    AGREE = "agree"  # every node: takes the round and everybody's shares
    STAGE = "stage"  # every node: a new table, of so many places, for what is still open
    DEAL = "deal"  # the dealer: one-time tables for the second reader
    FILL = "fill"  # all but the first reader: carriers at each place, masked
    READ = "read"  # the first reader: the shifted sums, for the second reader
    BITS = "bits"  # both readers: their bit of each place
    NAMES = "names"  # every node: marks and words of its sites at places that reach the threshold, masked
    PAGES = "pages"  # every node: the letters of long names, masked
    KEEP = "keep"  # every node: remembers what was found


@dataclass(frozen=True)
class Round:
    """What a round is over: nodes at their snapshots, a site list, and the threshold *least*."""

    nonce: str
    site_list_digest: str
    least: int
    snapshots: tuple[tuple[str, str], ...]

    def digest(self) -> str:
        """The identity of the round, SHA-256 in hex."""
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The round as plain JSON values."""
        return {**vars(self), "snapshots": [list(pair) for pair in self.snapshots]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Round:
        """The round that `to_json` wrote; ValueError, KeyError or TypeError for anything else."""
        snapshots = tuple((str(node), str(snapshot)) for node, snapshot in data["snapshots"])
        return cls(str(data["nonce"]), str(data["site_list_digest"]), int(data["least"]), snapshots)


@dataclass(frozen=True)
class Roles:
    """The three nodes that decide together which sums reach the threshold; none of them knows a sum."""

    dealer: str
    first: str
    second: str


@dataclass(frozen=True)
class Step:
    """One step of a round, as every node that takes it is asked.

    *stage* counts the tables from 0, *places* is the length of this one, *part* the stretch of it that is
    meant. *payload* is the SHA-256 of what the gateway itself sends with it.
    """

    kind: Kind
    nonce: str
    site_list_digest: str
    round: Round | None = None
    stage: int = 0
    part: int = 0
    places: int = 0
    payload: str = ""

    def digest(self) -> str:
        """The identity of the step, SHA-256 in hex."""
        return digest_of(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The step as plain JSON values."""
        told = self.round.to_json() if self.round is not None else None
        return {**vars(self), "kind": self.kind.value, "round": told, "version": VERSION}

    def to_bytes(self) -> bytes:
        """The step as it travels."""
        return json.dumps(self.to_json()).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Step:
        """The step that *body* writes; ReleaseRefused for anything else."""
        try:
            data = json.loads(body)
            if data.pop("version") != VERSION or set(data) != set(cls.__dataclass_fields__):
                raise ValueError
            numbers = {name: int(data[name]) for name in ("stage", "part", "places")}
            texts = {name: str(data[name]) for name in ("nonce", "site_list_digest", "payload")}
            told = Round.from_json(data["round"]) if data["round"] is not None else None
            return cls(kind=Kind(data["kind"]), round=told, **texts, **numbers)  # type: ignore[arg-type]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ReleaseRefused("R226", f"this is not a {VERSION}") from None

    def as_kind(self, kind: Kind) -> Step:
        """The step of another *kind* at the same stretch of the same table."""
        return replace(self, kind=kind, payload="")

    @property
    def stretch(self) -> slice:
        """The places of the table that are meant."""
        return slice(self.part * PART, min(self.places, (self.part + 1) * PART))

    @property
    def made(self) -> float:
        """When the nonce was made, in seconds since 1970."""
        made = made_at(self.nonce)
        if made is None:
            raise ReleaseRefused("R226", "the nonce of a round is not written as one")
        return made

    def keys(self, circle: Circle) -> tuple[KeyOf, ...]:
        """The nodes of the round, with their keys of the day."""
        return circle.keys_on(datetime.fromtimestamp(self.made, UTC).date())

    def agreement(self, circle: Circle, words: int) -> Agreement:
        """What masks of so many *words* for this step are made of."""
        return Agreement(self.digest(), circle.epoch, self.nonce, self.keys(circle), words)

    def roles(self, circle: Circle) -> Roles:
        """Who decides with whom, drawn by the digest of the round: the same three for the whole round."""
        assert self.round is not None
        order = sorted(
            (sha256(f"{circle.epoch} {self.round.digest()} {key.node_id}".encode()).digest(), key.node_id)
            for key in self.keys(circle)
        )
        return Roles(*(node_id for _, node_id in order[:3]))


@dataclass(frozen=True, eq=False)
class Piece:
    """What a node hands in for the step with digest *step*: *told* in the open, and *body*.

    *signature* is the node's own over all of it where it came over the wire, for whoever it is carried to.
    """

    node_id: str
    step: str
    body: bytes
    told: Mapping[str, Any]
    signature: str = ""
