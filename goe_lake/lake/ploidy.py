"""How many alleles each person has on a stretch of a contig: what sites that files lack are filled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.genome import Assembly, Region, Sex, Stretch, ploidy_by_sex
from goe_lake.lake.layout import PLOIDY
from goe_lake.vcf.arrow import Bits, Indexes, Vector, array, pc, schema, table
from goe_lake.vcf.encode import listed_persons, mapped_persons

#: The ploidy of each person of a batch, by stretch of one contig.
Ploidy = Mapping[Stretch, npt.NDArray[np.int8]]
#: At how many sites a person has one called allele, and two.
TALLY: Final = schema(
    (
        pa.field("stretch", pa.string(), nullable=False),
        pa.field("idx", pa.int32(), nullable=False),
        pa.field("ones", pa.int32(), nullable=False),
        pa.field("twos", pa.int32(), nullable=False),
    )
)


def pseudo_autosomal(assembly: Assembly, contig: str) -> tuple[Region, ...]:
    """The pseudo-autosomal regions of *contig*."""
    return tuple(region for region in assembly.pseudo_autosomal if region.contig == contig)


def stretches_of(assembly: Assembly, contig: str) -> tuple[Stretch, ...]:
    """The stretches that *contig* has."""
    return ("nonpar", "par") if pseudo_autosomal(assembly, contig) else ("nonpar",)


def stretch_rows(assembly: Assembly, contig: str, positions: Vector) -> Mapping[Stretch, Bits]:
    """Which of the 1-based *positions* lie on each stretch of *contig*."""
    numbers = positions.to_numpy()
    par = np.zeros(len(numbers), bool)
    for region in pseudo_autosomal(assembly, contig):
        par |= (numbers >= region.start) & (numbers <= region.end)
    return {"nonpar": ~par, "par": par}


class Tally:
    """Counts for each person and stretch the sites with one and with two called alleles."""

    def __init__(self, assembly: Assembly, contig: str, persons: int) -> None:
        self._assembly, self._contig, self._persons = assembly, contig, persons
        self._ones: dict[Stretch, Indexes] = {}
        self._twos: dict[Stretch, Indexes] = {}
        self.not_called = 0

    def add(self, rows: pa.Table) -> None:
        """Count *rows* of `calls`."""
        for stretch, where in stretch_rows(self._assembly, self._contig, rows["pos"]).items():
            if where.any():
                self._add(stretch, rows if where.all() else rows.filter(array(where)))

    def _add(self, stretch: Stretch, rows: pa.Table) -> None:
        nobody = np.zeros(self._persons, np.int64)
        none = self._members(rows, "nc")
        ones = self._members(rows, "hemi") + self._members(rows, "ref1")
        self.not_called += int(none.sum())
        self._ones[stretch] = self._ones.get(stretch, nobody) + ones
        self._twos[stretch] = self._twos.get(stretch, nobody) + len(rows) - ones - none

    def _members(self, rows: pa.Table, name: str) -> Indexes:
        """For each person the number of rows at which the person is in class *name*."""
        _, listed = listed_persons(rows[f"{name}_l"])
        _, bits = mapped_persons(rows[f"{name}_b"], self._persons)
        counts: Indexes = np.bincount(listed, minlength=self._persons) + np.count_nonzero(bits, axis=0)
        return counts

    def table(self) -> pa.Table:
        """The counts in the columns of TALLY."""
        return _by_stretch(self._persons, {"ones": self._ones, "twos": self._twos}, TALLY)


def ploidy_of(assembly: Assembly, contig: str, sexes: Sequence[Sex | None], tally: Path) -> Ploidy:
    """Each person's ploidy by stretch of *contig*: 0, 1 or 2.

    It is the person's commonest number of called alleles over the batch's sites, as counted in the
    file *tally*; where none is commonest, what the person's sex says.
    """
    seen = pq.read_table(tally)
    found = ploidy_by_sexes(assembly, contig, sexes)
    for stretch, expected in found.items():
        rows = seen.filter(pc.equal(seen["stretch"], stretch))
        if len(rows):
            ones, twos = rows["ones"].to_numpy(), rows["twos"].to_numpy()
            found[stretch] = np.select([ones > twos, twos > ones], [1, 2], expected).astype(np.int8)
    return found


def ploidy_by_sexes(
    assembly: Assembly, contig: str, sexes: Sequence[Sex | None]
) -> dict[Stretch, npt.NDArray[np.int8]]:
    """What the persons' sexes say, by stretch of *contig*."""
    return {
        stretch: np.array([ploidy_by_sex(contig, stretch, sex) for sex in sexes], np.int8)
        for stretch in stretches_of(assembly, contig)
    }


def ploidy_table(ploidy: Ploidy) -> pa.Table:
    """The rows of `ploidy`: by stretch, then by person index."""
    persons = len(next(iter(ploidy.values())))
    return _by_stretch(persons, {"ploidy": ploidy}, PLOIDY)


def _by_stretch(
    persons: int, values: Mapping[str, Mapping[Stretch, npt.NDArray[np.signedinteger]]], layout: pa.Schema
) -> pa.Table:
    """A table of stretch, person index and one column for each of *values*."""
    stretches = sorted(next(iter(values.values())))
    columns: dict[str, Vector] = {
        "stretch": [stretch for stretch in stretches for _ in range(persons)],
        "idx": np.tile(np.arange(persons, dtype=np.int32), len(stretches)),
    }
    for name, by_stretch in values.items():
        stacked = np.concatenate([np.zeros(0, np.int64), *(by_stretch[stretch] for stretch in stretches)])
        columns[name] = array(stacked, layout.field(name).type)
    return table(columns, layout)
