"""A chunk: some records of one contig with their genotypes as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.vcf.alleles import Record, Row
from goe_lake.vcf.blocks import Blocks

Alleles = npt.NDArray[np.int16]
Values = npt.NDArray[np.int32]

#: The number of an allele that is not called, and of one that the ploidy does not have.
MISSING_ALLELE: Final = -1
NO_ALLELE: Final = -2
#: In arrays of gq and dp: the person has no value.
MISSING: Final = int(np.iinfo(np.int32).min)


@dataclass(frozen=True)
class Quarantined:
    """Something that was put aside: *record* as messages name it, *value* what was found there."""

    record: str
    pos: int
    reason: str
    value: str


@dataclass
class Chunk:
    """Records with rows, and their genotypes.

    *alleles* is (records, persons, 2) allele numbers; *gq* and *dp* are (records, persons) or None
    where they are not kept, with MISSING where a person has no value; *has_gq* and *has_dp* say
    which records carry the field. *info* is None where nobody asked for INFO, else one text a record:
    the fields that were asked for as a VCF writes them (`AA=C;DB`, "" for none), others may be there.
    *blocks* are the records that have no row because they only say who matches the reference, in as
    many parts as is handy; `without_alt` counts them, and `likelihoods_only` the records with rows that
    have probabilities and no genotypes. *lost* are rows that are none any more, see `leaving`.
    """

    alleles: Alleles
    gq: Values | None
    dp: Values | None
    records: list[Record] = field(default_factory=list)
    rows: list[tuple[int, Row]] = field(default_factory=list)
    lost: list[tuple[int, Row]] = field(default_factory=list)
    has_gq: list[bool] = field(default_factory=list)
    has_dp: list[bool] = field(default_factory=list)
    info: list[str] | None = None
    quarantined: list[Quarantined] = field(default_factory=list)
    blocks: list[Blocks] = field(default_factory=list)
    seen: int = 0
    without_alt: int = 0
    likelihoods_only: int = 0
    last_pos: int = 0

    def full(self) -> bool:
        """Whether no further record fits."""
        return len(self.records) == len(self.alleles)


@dataclass(frozen=True)
class EncodedChunk:
    """Records that a decoder has turned into the columns of `encode.ROWS` itself, but for `source`.

    *values* and *outside* count gq and dp values, and those out of bounds; the other fields are those
    of Chunk.
    """

    table: pa.Table
    values: Mapping[str, int]
    outside: Mapping[str, int]
    quarantined: list[Quarantined]
    blocks: list[Blocks]
    seen: int
    without_alt: int
    likelihoods_only: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.table)
