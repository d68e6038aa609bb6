"""What a node holds of a round under way: its unlisted sites as numbers, and the tables so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from goe_lake.errors import ReleaseRefused
from goe_lake.federation.listing import names as naming
from goe_lake.federation.listing.messages import Round, Step
from goe_lake.federation.listing.one_time_tables import Lanes
from goe_lake.federation.sealing import Words
from goe_lake.vcf.arrow import array

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tokens:
    """A node's unlisted sites (`engine.unlisted.UNLISTED`) as numbers; *digests* have shape (sites, 32)."""

    sites: pa.Table
    digests: npt.NDArray[np.uint8]
    marks: Words
    carriers: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, sites: pa.Table) -> Self:
        """The tokens of *sites*."""
        digests = naming.digests_of(sites)
        carriers = sites.column("carriers").to_numpy().astype(np.uint16)
        return cls(sites, digests, naming.marks_of(digests), carriers)

    def words(self, chosen: Places) -> Words:
        """The words that tell the names of the *chosen* ones."""
        names = self.sites.take(array(chosen))
        ranks, positions = (names.column(name).to_numpy() for name in ("rank", "pos"))
        return naming.words_of_names(ranks, positions, names, self.marks[chosen])

    def names(self, chosen: Places) -> list[str]:
        """The names of the *chosen* ones."""
        return [str(name) for name in self.sites.column("name").take(array(chosen)).to_pylist()]


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
class Agreed:
    """What all nodes agreed on, the *secret* that they share, and which *tokens* are still open (*live*)."""

    round: Round
    secret: bytes
    tokens: Tokens
    live: npt.NDArray[np.bool_]
    tables: list[Table] = field(default_factory=list)
    noted: bool = False

    def begin_table(self, step: Step, still_open: bytes) -> None:
        """A new table, for the tokens whose places reached the threshold and tell no name by *still_open*."""
        if self.tables:
            before = self.tables[-1]
            opened = np.unpackbits(np.frombuffer(still_open, dtype=np.uint8), count=before.step.places)
            self.live &= (before.reached & opened.astype(bool))[before.place_of]
            before.place_of = np.zeros(0, dtype=np.int64)
        place_of = self.places(step.stage, self.tokens.digests, step.places)
        self.tables.append(Table(step, place_of, np.zeros(step.places, dtype=bool)))

    def table(self, step: Step) -> Table:
        """The table of *step*, which is the newest; ReleaseRefused where it is not."""
        table = self.tables[-1] if self.tables else None
        same = table is not None and (step.stage, step.places) == (table.step.stage, table.step.places)
        if table is None or not same or not 0 <= step.stretch.start < step.places:
            raise ReleaseRefused("R226", "the step is of another table")
        return table

    def within(self, step: Step) -> Places:
        """The open tokens whose places lie in the stretch of *step*."""
        place_of, where = self.table(step).place_of, step.stretch
        return np.flatnonzero(self.live & (place_of >= where.start) & (place_of < where.stop))

    def counts(self, step: Step) -> Lanes:
        """The carriers at each place of the stretch of *step*, up to the threshold."""
        here, where = self.within(step), step.stretch
        counts = np.zeros(where.stop - where.start, dtype=np.int64)
        np.add.at(counts, self.table(step).place_of[here] - where.start, self.tokens.carriers[here])
        return np.minimum(counts, self.round.least).astype(np.uint16)

    def found_at(self, digests: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Whether each name (SHA-256, shape (names, 32)) has a place that reached the threshold."""
        among = np.zeros(len(digests), dtype=bool)
        for number, table in enumerate(self.tables):
            among |= table.reached[self.places(number, digests, table.step.places)]
        return among

    def places(self, stage: int, digests: npt.NDArray[np.uint8], size: int) -> Places:
        """The place of each name in the table of that *stage*: nobody without the secret can tell it."""
        key = HKDF(SHA256(), 16, salt=None, info=f"table {stage}".encode()).derive(self.secret)
        # each block is one name, so that a block cipher without chaining is the keyed hash that is wanted
        encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305
        blocks = encryptor.update(np.ascontiguousarray(digests[:, :16]).tobytes())
        words = np.frombuffer(blocks, dtype="<u8").reshape(-1, 2)[:, 0]
        return (words & np.uint64(size - 1)).astype(np.int64)


@dataclass
class Standing:
    """A round under way: how it began, which steps were *taken*, and what was *agreed* on since."""

    begun: Step
    own_share: bytes
    taken: set[str] = field(default_factory=set)
    agreed: Agreed | None = None
