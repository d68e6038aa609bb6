"""Reference blocks: records that name no alternate allele of their own and say who matches the reference.

A gVCF says so for stretches (`<NON_REF>` or `<*>` with INFO/END, or FORMAT/LEN from VCF 4.5 on), a VCF
of all sites for single bases (ALT `.`). Positions are 1-based and both ends are included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from goe_lake.vcf.arrow import Bits

Positions = npt.NDArray[np.int32]
CalledAlleles = npt.NDArray[np.int8]

#: Alleles that only records of a gVCF have alone; a `*` alone is left where alleles were split into records.
BLOCK_ALLELES: Final = frozenset({"<*>", "<NON_REF>"})
#: FORMAT fields that say how sure a block is, the first of them that a record has.
BLOCK_QUALITY: Final = ("GQ", "RGQ", "GQX")
#: Filters that do not make a block doubtful; RefCall is DeepVariant's word for a reference call.
GOOD_FILTERS: Final = frozenset({"PASS", "RefCall"})


@dataclass(frozen=True, eq=False)
class Blocks:
    """Some reference records of a piece, in file order: n records, by the persons of the piece.

    *pos* (n) is the first base and *end_pos* (n, persons) the last; *called* (n, persons) counts the
    called alleles, 0 where the person is not called or the block is not good enough; *spanning* (n)
    tells a gVCF's blocks from single reference sites.
    """

    pos: Positions
    end_pos: Positions
    called: CalledAlleles
    spanning: Bits

    def __len__(self) -> int:
        return len(self.pos)


def block_of(pos: int, end_pos: Positions, called: CalledAlleles, *, spanning: bool) -> Blocks:
    """One record as Blocks; *end_pos* and *called* are one number a person."""
    return Blocks(
        np.array([pos], np.int32), end_pos[None, :].astype(np.int32), called[None, :], np.array([spanning])
    )


def joined_blocks(parts: Sequence[Blocks]) -> Blocks:
    """*parts*, at least one, one after the other."""
    return Blocks(
        np.concatenate([part.pos for part in parts]),
        np.concatenate([part.end_pos for part in parts]),
        np.concatenate([part.called for part in parts]),
        np.concatenate([part.spanning for part in parts]),
    )
