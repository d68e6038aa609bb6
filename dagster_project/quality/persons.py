"""Counts by person over a whole snapshot, and what they say: call rate, heterozygosity, sex from chrX.

Nothing here leaves the node or stays on disk: Dagster keeps counts of persons, never a sample's name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.genome import ASSEMBLIES, AUTOSOMES
from goe_lake.lake import Snapshot
from goe_lake.vcf.encode import listed_persons, mapped_persons

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

#: The most genotypes that are decoded at a time (bounds memory at some 16 MB a class).
MOST_GENOTYPES: Final = 16_000_000
#: A person below this share of called genotypes is worth a look.
LOWEST_CALL_RATE: Final = 0.9
#: With fewer expected heterozygous sites on chrX outside PAR a male, or a female, is not told.
LEAST_EXPECTED_OF_MALE: Final = 5.0
LEAST_EXPECTED_OF_FEMALE: Final = 50.0
#: The inbreeding coefficient on chrX of a female is below, of a male above (plink --check-sex).
FEMALE_BELOW: Final = 0.2
MALE_ABOVE: Final = 0.8
#: Robust standard deviations from the median of the population at which heterozygosity is an outlier.
FAR_OUT: Final = 6.0
#: Autosomal calls of a person, and persons of a population, from which on heterozygosity can be judged.
LEAST_CALLED: Final = 1000
LEAST_PERSONS: Final = 20

#: The counts of Persons, in order.
COUNTS: Final = 7
_CLASSES: Final = ("het", "hom", "hemi", "nc", "ref1")
_COLUMNS: Final = ["pos", *(f"{name}_{form}" for name in _CLASSES for form in "lb")]


@dataclass(frozen=True, eq=False)
class Persons:
    """One entry a genotyped sample: (persons,) arrays, over the rows that the sample's own batch has.

    *sites*, *called* and *het* count autosomal genotypes. On chrX outside PAR *x_called* counts calls,
    *x_single* those of one allele, *x_het* the heterozygous ones, and *x_expected* the heterozygous ones
    that Hardy-Weinberg expects of a female.
    """

    sample_ids: tuple[str, ...]
    sex: npt.NDArray[np.object_]
    population: npt.NDArray[np.object_]
    sites: Floats
    called: Floats
    het: Floats
    x_called: Floats
    x_single: Floats
    x_het: Floats
    x_expected: Floats

    @property
    def call_rate(self) -> Floats:
        """The share (0..1) of autosomal genotypes with a called allele; NaN without a site."""
        return _ratio(self.called, self.sites)

    @property
    def het_rate(self) -> Floats:
        """The share (0..1) of called autosomal genotypes that are heterozygous; NaN without one."""
        return _ratio(self.het, self.called)

    @property
    def x_inbreeding(self) -> Floats:
        """F = 1 - observed / expected heterozygous sites on chrX outside PAR; NaN where none is expected.

        Near 1 for one chrX, near 0 for two: the measure of plink's --check-sex (Purcell 2007).
        """
        return 1 - _ratio(self.x_het, self.x_expected)

    @property
    def sex_judged(self) -> Truths:
        """Whose sex is in the samples table, and whose chrX has enough sites to tell it."""
        least = np.where(self.sex == "M", LEAST_EXPECTED_OF_MALE, LEAST_EXPECTED_OF_FEMALE)
        known: Truths = (self.sex == "M") | (self.sex == "F")
        return known & ((self.x_expected >= least) | (self.x_single > 0))

    @property
    def other_sex(self) -> Truths:
        """Whose chrX is clearly that of the other sex than the samples table says.

        A male who is heterozygous like a female; a female whose calls have one allele, or who is never
        heterozygous where that would be a wonder.
        """
        f, single = self.x_inbreeding, 2 * self.x_single > self.x_called
        male: Truths = (self.sex == "M") & (self.x_expected >= LEAST_EXPECTED_OF_MALE) & (f < FEMALE_BELOW)
        female: Truths = (self.sex == "F") & (
            single | ((self.x_expected >= LEAST_EXPECTED_OF_FEMALE) & (f > MALE_ABOVE))
        )
        male |= female
        return male

    @property
    def het_judged(self) -> Truths:
        """Who has enough autosomal calls for their heterozygosity to mean something."""
        judged: Truths = self.called >= LEAST_CALLED
        return judged

    @property
    def far_out(self) -> Truths:
        """Whose heterozygosity is far from the median of their population (contamination, or inbreeding)."""
        found = np.zeros(len(self.sites), bool)
        rate = np.where(self.het_judged, self.het_rate, np.nan)
        for label in set(self.population.tolist()):
            members = np.array([value == label for value in self.population], bool) & ~np.isnan(rate)
            if np.count_nonzero(members) < LEAST_PERSONS:
                continue
            away = np.abs(rate - np.median(rate[members]))
            # 1.4826 times the median absolute deviation is the standard deviation of a normal distribution
            spread = 1.4826 * float(np.median(away[members]))
            found |= members & (away > FAR_OUT * spread) & (spread > 0)
        return found


def count_persons(snapshot: Snapshot) -> Persons:
    """Count the genotypes of every sample of *snapshot*, batch by batch and contig by contig."""
    parts = [_count_batch(snapshot, batch.digest) for batch in snapshot.batches]
    ids = [sample for names, _ in parts for sample in names]
    sums = np.concatenate([counts for _, counts in parts], axis=1) if parts else np.zeros((COUNTS, 0))
    facts = _facts(snapshot)
    described = [facts.get(sample, (None, None)) for sample in ids]
    return Persons(
        tuple(ids),
        np.array([sex for sex, _ in described], object),
        np.array([population for _, population in described], object),
        *sums,
    )


def _facts(snapshot: Snapshot) -> dict[str, tuple[str | None, str | None]]:
    """Sex and population of each sample."""
    found: dict[str, tuple[str | None, str | None]] = {}
    for file in snapshot.files("samples"):
        table = pq.read_table(file, columns=["sample_id", "sex", "population"], partitioning=None)
        for row in table.to_pylist():
            found[row["sample_id"]] = (row["sex"], row["population"])
    return found


def _count_batch(snapshot: Snapshot, batch: str) -> tuple[list[str], Floats]:
    """The samples of a batch in the order of their indexes, and (COUNTS, persons) sums of Persons' counts."""
    (file,) = snapshot.files("persons", batch=batch)
    table = pq.read_table(file, columns=["sample_id"], partitioning=None)
    names = [str(name) for name in table["sample_id"].to_pylist()]
    sums = np.zeros((COUNTS, len(names)))
    for contig in AUTOSOMES:
        for rows in _windows(snapshot.files("calls", contig, batch), len(names)):
            sums[0] += len(rows)
            sums[1] += len(rows) - _members(rows, "nc", len(names))
            sums[2] += _members(rows, "het", len(names))
    for rows in _windows(snapshot.files("calls", "chrX", batch), len(names)):
        single = rows.filter(pa.array(_outside_par(snapshot, rows["pos"].to_numpy())))
        expected = _expected_het(single, len(names))
        sums[3] += len(single) - _members(single, "nc", len(names))
        sums[4] += _members(single, "hemi", len(names)) + _members(single, "ref1", len(names))
        sums[5] += _members(single, "het", len(names))
        sums[6] += expected.sum() - _members(single, "nc", len(names), expected)
    return names, sums


def _windows(files: Sequence[Path], persons: int) -> Iterator[pa.Table]:
    rows = max(1, MOST_GENOTYPES // max(1, persons))
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=rows, columns=_COLUMNS):
            yield pa.Table.from_batches([batch])


def _outside_par(snapshot: Snapshot, pos: npt.NDArray[np.int32]) -> Truths:
    outside = np.ones(len(pos), bool)
    for region in ASSEMBLIES[snapshot.manifest.assembly].pseudo_autosomal:
        if region.contig == "chrX":
            outside &= (pos < region.start) | (pos > region.end)
    return outside


def _members(rows: pa.Table, name: str, persons: int, weights: Floats | None = None) -> Floats:
    """For each person the rows in whose class *name* they are, each counted with its weight (default 1)."""
    weights = np.ones(len(rows)) if weights is None else weights
    places, listed = listed_persons(rows[f"{name}_l"])
    total = np.bincount(listed, weights[places], minlength=persons).astype(np.float64)
    mapped, bits = mapped_persons(rows[f"{name}_b"], persons)
    total += weights[mapped] @ bits
    return total


def _sizes(rows: pa.Table, name: str, persons: int) -> Floats:
    """For each row the persons in its class *name*."""
    places, _ = listed_persons(rows[f"{name}_l"])
    total = np.bincount(places, minlength=len(rows)).astype(np.float64)
    mapped, bits = mapped_persons(rows[f"{name}_b"], persons)
    total[mapped] += bits.sum(axis=1)
    return total


def _expected_het(rows: pa.Table, persons: int) -> Floats:
    """For each row the chance (0..1) that a person with two alleles is heterozygous (Nei's unbiased 2pq)."""
    het, hom, hemi, missing, single = (_sizes(rows, name, persons) for name in _CLASSES)
    an = 2 * (persons - missing) - hemi - single
    p = _ratio(het + 2 * hom + hemi, an)
    return np.nan_to_num(2 * p * (1 - p) * _ratio(an, an - 1))


def _ratio(above: Floats, below: Floats) -> Floats:
    shares = np.full(len(above), np.nan)
    np.divide(above, below, out=shares, where=below > 0)
    return shares
