"""How many alleles each person has on a stretch of a contig: what sites that files lack are filled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.genome import Assembly, Region, Sex, Stretch, ploidy_by_sex
from goe_lake.lake.layout import PLOIDY
from goe_lake.vcf.arrow import Bits, Indexes, Vector, array, bits_of, pc, schema, table
from goe_lake.vcf.encode import listed_persons, mapped_persons

#: The ploidy of each person of a batch, by stretch of one contig.
Ploidy = Mapping[Stretch, npt.NDArray[np.int8]]
#: At how many sites a person has one called allele, and two; *followed* where ranges say where it is called.
TALLY: Final = schema(
    (
        pa.field("stretch", pa.string(), nullable=False),
        pa.field("idx", pa.int32(), nullable=False),
        pa.field("ones", pa.int32(), nullable=False),
        pa.field("twos", pa.int32(), nullable=False),
        pa.field("followed", pa.bool_(), nullable=False),
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
        stretches = stretches_of(assembly, contig)
        self._ones = {stretch: np.zeros(persons, np.int64) for stretch in stretches}
        self._twos = {stretch: np.zeros(persons, np.int64) for stretch in stretches}
        self.not_called = 0

    def add(self, rows: pa.Table, first: int = 0, persons: int | None = None) -> None:
        """Count *rows* of `calls`, which are of *persons* persons from index *first* on, or of all."""
        among = slice(first, self._persons if persons is None else first + persons)
        for stretch, where in stretch_rows(self._assembly, self._contig, rows["pos"]).items():
            if where.any():
                self._add(stretch, rows if where.all() else rows.filter(array(where)), among)

    def _add(self, stretch: Stretch, rows: pa.Table, among: slice) -> None:
        size = among.stop - among.start
        none = _members(rows, "nc", size)
        ones = _members(rows, "hemi", size) + _members(rows, "ref1", size)
        self.not_called += int(none.sum())
        self._ones[stretch][among] += ones
        self._twos[stretch][among] += len(rows) - ones - none

    def table(self, followed: Bits) -> pa.Table:
        """The counts in the columns of TALLY; *followed* marks persons that are called on ranges only."""
        marks = dict.fromkeys(self._ones, followed)
        return _by_stretch(self._persons, {"ones": self._ones, "twos": self._twos, "followed": marks}, TALLY)


def _members(rows: pa.Table, name: str, persons: int) -> Indexes:
    """For each person the number of rows at which the person is in class *name*."""
    _, listed = listed_persons(rows[f"{name}_l"])
    _, bits = mapped_persons(rows[f"{name}_b"], persons)
    counts: Indexes = np.bincount(listed, minlength=persons) + np.count_nonzero(bits, axis=0)
    return counts


def ploidy_of(assembly: Assembly, contig: str, sexes: Sequence[Sex | None], tally: pa.Table) -> Ploidy:
    """Each person's ploidy by stretch of *contig*: 0, 1 or 2.

    It is the person's commonest number of called alleles over the batch's sites, as counted in
    *tally*; where none is commonest, what the person's sex says; and 0 for a person who is called on
    ranges only.
    """
    found = ploidy_by_sexes(assembly, contig, sexes)
    for stretch, expected in found.items():
        rows = tally.filter(pc.equal(tally["stretch"], stretch))
        ones, twos = rows["ones"].to_numpy(), rows["twos"].to_numpy()
        followed = bits_of(rows["followed"])
        found[stretch] = np.select([followed, ones > twos, twos > ones], [0, 1, 2], expected).astype(np.int8)
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
    persons: int, values: Mapping[str, Mapping[Stretch, npt.NDArray[Any]]], layout: pa.Schema
) -> pa.Table:
    """A table of stretch, person index and one column for each of *values*."""
    stretches = sorted(next(iter(values.values())))
    columns: dict[str, Vector] = {
        "stretch": [stretch for stretch in stretches for _ in range(persons)],
        "idx": np.tile(np.arange(persons, dtype=np.int32), len(stretches)),
    }
    for name, by_stretch in values.items():
        stacked = np.concatenate([by_stretch[stretch] for stretch in stretches])
        columns[name] = array(stacked, layout.field(name).type)
    return table(columns, layout)
