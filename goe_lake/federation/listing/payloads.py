"""What the gateway sends with a step of a round, and how what nodes handed in is found again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.errors import ReleaseRefused
from goe_lake.federation.listing.messages import Kind, Piece, Roles, Step
from goe_lake.federation.listing.names import MOST_LETTERS, PAGE
from goe_lake.federation.sealing import SealBroken

#: The payload of a NAMES step that takes the bits and tells nothing.
ONLY_BITS: Final = b"bits"
PAGES: Final = np.dtype([("place", "<i8"), ("pages", "<i8")])
MOST_PAGES: Final = -(-MOST_LETTERS // PAGE)
_FOUND_FIELDS: Final[list[tuple[str, pa.DataType]]] = [
    ("contig", pa.string()),
    ("pos", pa.int32()),
    ("ref", pa.string()),
    ("alt", pa.string()),
]
#: The sites that a round found.
FOUND: Final = pa.schema(_FOUND_FIELDS)


def piece_of(carried: Sequence[Piece], node_id: str, step: Step) -> Piece:
    """What *node_id* handed in for *step*, exactly once; SealBroken where it is not among *carried*."""
    found = [piece for piece in carried if piece.node_id == node_id and piece.step == step.digest()]
    if len(found) != 1:
        raise SealBroken(f"{node_id} handed in nothing for this step")
    return found[0]


def reached_by(step: Step, carried: Sequence[Piece], roles: Roles) -> npt.NDArray[np.bool_]:
    """Which places of the stretch of *step* reach the threshold, by what both readers handed in."""
    asked = step.as_kind(Kind.BITS)
    both = [
        np.frombuffer(piece_of(carried, node_id, asked).body, dtype=np.uint8)
        for node_id in (roles.first, roles.second)
    ]
    count = step.stretch.stop - step.stretch.start
    if any(len(bits) != -(-count // 8) for bits in both):
        raise SealBroken("the readers read another table")
    return np.unpackbits(both[0] ^ both[1], count=count).astype(bool)


def read_pages(payload: bytes, places: int) -> npt.NDArray[np.void]:
    """How many pages are asked for at which places; ReleaseRefused for anything else."""
    try:
        wanted = np.frombuffer(payload, dtype=PAGES)
    except ValueError:
        raise ReleaseRefused("R226", "these are no pages") from None
    place, pages = wanted["place"], wanted["pages"]
    if not len(wanted) or (np.diff(place) <= 0).any() or place[0] < 0 or place[-1] >= places:
        raise ReleaseRefused("R226", "these are no pages")
    if (pages < 1).any() or (pages > MOST_PAGES).any():
        raise ReleaseRefused("R226", "these are no pages")
    return wanted


def read_found(payload: bytes) -> pa.Table:
    """The sites (FOUND) that *payload* holds as an Arrow stream; ReleaseRefused for anything else."""
    try:
        table = pa.ipc.open_stream(payload).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError):
        raise ReleaseRefused("R226", "these are no sites") from None
    if not table.schema.equals(FOUND) or any(column.null_count for column in table.itercolumns()):
        raise ReleaseRefused("R226", "these are no sites")
    return table


def digests_of_found(found: pa.Table) -> npt.NDArray[np.uint8]:
    """The SHA-256 of the name of each of the sites *found*, shape (sites, 32)."""
    names = ["-".join(map(str, row.values())) for row in found.to_pylist()]
    digests = b"".join(sha256(name.encode()).digest() for name in names)
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)
