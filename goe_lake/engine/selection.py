"""The sites that a release reads, as columns side by side; read once for each release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.engine.genotypes import Indexes, one_chunk
from goe_lake.engine.relation import Reading
from goe_lake.genome import CONTIGS

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Selection:
    """Sites in the order of their numbers.

    *numbers* are those of the session's table `sites`, *positions* 1-based; *places* are rows among the
    contig's sites in the lake, -1 where the node's files lack the site; *par* says whether the site is
    pseudo-autosomal. *keys* has the release's keys that are columns of the site.
    """

    numbers: Indexes
    loci: Indexes
    ranks: Indexes
    positions: Indexes
    listed: Bits
    par: Bits
    places: Indexes
    keys: pa.Table

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def alone(self) -> bool:
        """Whether no two sites differ in their end only, as symbolic alleles may."""
        return bool((np.diff(self.loci) != 0).all())

    def part(self, start: int, end: int) -> Selection:
        """The sites from *start* up to, and without, *end*."""
        part = slice(start, end)
        return Selection(
            self.numbers[part],
            self.loci[part],
            self.ranks[part],
            self.positions[part],
            self.listed[part],
            self.par[part],
            self.places[part],
            self.keys.slice(start, end - start),
        )

    def by_contig(self) -> Iterator[tuple[str, slice]]:
        """Each contig with the stretch of sites that lies on it."""
        if not len(self):
            return
        cuts = [0, *(np.flatnonzero(np.diff(self.ranks)) + 1).tolist(), len(self)]
        for start, end in pairwise(cuts):
            yield CONTIGS[int(self.ranks[start]) - 1], slice(start, end)


def select_sites(reading: Reading) -> Selection:
    """The sites that *reading* reads."""
    table = reading.session.connection.sql(reading.site_selection()).to_arrow_table()

    def numbers(name: str) -> Indexes:
        return _numpy(table, name).astype(np.int64)

    places = one_chunk(table.column("place")).fill_null(-1).to_numpy(zero_copy_only=False)
    return Selection(
        numbers("site"),
        numbers("locus"),
        numbers("rank"),
        numbers("pos"),
        _numpy(table, "listed").astype(bool),
        _numpy(table, "par").astype(bool),
        places.astype(np.int64),
        table.select([key.name for key in reading.site_keys]),
    )


def at_one_site(reading: Reading, sites: Selection) -> bool:
    """Whether each cell of *reading* lies at one of *sites*."""
    return (reading.keyed_by_site and sites.alone) or len(sites) == 1


def _numpy(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return one_chunk(table.column(name)).to_numpy(zero_copy_only=False)
