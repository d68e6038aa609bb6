"""The sites that a release reads, as columns side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.engine.genotypes import Indexes
from goe_lake.genome import CONTIGS

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Selection:
    """Sites in the order of their numbers.

    *numbers* are those of the session's table `sites`, *positions* 1-based; *places* are rows among the
    contig's sites in the lake, -1 where the node's files lack the site; *par* says whether the site is
    pseudo-autosomal. Sites of the same number in *alike* agree in all that the release reads of them,
    conditions on sites aside. *keys* has the release's keys that are columns of the site; *alone* says
    that no two of the sites differ in their end only, as symbolic alleles may.
    """

    numbers: Indexes
    ranks: Indexes
    positions: Indexes
    listed: Bits
    par: Bits
    places: Indexes
    alike: Indexes
    keys: pa.Table
    alone: bool

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, end: int) -> Selection:
        """The sites from *start* up to, and without, *end*."""
        part = slice(start, end)
        return Selection(
            self.numbers[part],
            self.ranks[part],
            self.positions[part],
            self.listed[part],
            self.par[part],
            self.places[part],
            self.alike[part],
            self.keys.slice(start, end - start),
            self.alone,
        )

    def only(self, chosen: Bits) -> Selection:
        """The *chosen* sites."""
        return Selection(
            self.numbers[chosen],
            self.ranks[chosen],
            self.positions[chosen],
            self.listed[chosen],
            self.par[chosen],
            self.places[chosen],
            self.alike[chosen],
            self.keys.filter(pa.array(chosen)),
            self.alone,
        )

    def by_contig(self, most: int | None = None) -> Iterator[tuple[str, slice]]:
        """Each contig with the stretch of sites that lies on it, in stretches of at most *most* sites."""
        if not len(self):
            return
        cuts = [0, *(np.flatnonzero(np.diff(self.ranks)) + 1).tolist(), len(self)]
        for start, end in pairwise(cuts):
            step = most or end - start
            for low in range(start, end, step):
                yield CONTIGS[int(self.ranks[start]) - 1], slice(low, min(low + step, end))
