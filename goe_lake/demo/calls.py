"""What sequencing made of the true genotypes in one country: some calls are lost, some in half."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.persons import Roster
from goe_lake.demo.sites import Panel

# Codes of an allele: 0..3 as in the VCF, then a missing one, and none at all where the person is haploid
MISSING: Final = 4
NONE: Final = 5
CODES: Final = 6

SOUND_SITES: Final = 0.5
FILTERED_MISSING: Final = 0.05
HALF_CALLS: Final = 1e-4


@dataclass(frozen=True)
class Calls:
    """The calls of one country, one row a site and one column a person.

    *rows* are the rows of the sites in their panel, rising; sites that are not among them are hom-ref in
    everyone. *first* and *second* are allele codes, in rising order, as unphased calls are written.
    """

    rows: NDArray[np.int64]
    first: NDArray[np.uint8]
    second: NDArray[np.uint8]

    def copies(self, row: int, allele: int) -> NDArray[np.int64]:
        """Copies of *allele* among the called alleles of each person at the site in *row* of the panel."""
        place = int(np.searchsorted(self.rows, row))
        assert self.rows[place] == row
        copies: NDArray[np.int64] = (self.first[place] == allele).astype(np.int64)
        copies += self.second[place] == allele
        return copies

    def counts(self) -> NDArray[np.int64]:
        """How often each allele 0..3 was called, one row a site."""
        return np.stack(
            [(self.first == code).sum(axis=1) + (self.second == code).sum(axis=1) for code in range(MISSING)],
            axis=1,
        )


def call_genotypes(panel: Panel, roster: Roster, random: np.random.Generator) -> Calls:
    """The calls of *roster* at the sites of *panel* where someone of them carries an alternate.

    Where calling lost every such allele, all calls are hom-ref: a file without the site says just that.
    """
    one = panel.alleles[:, 2 * roster.individuals].view(np.uint8)
    other = panel.alleles[:, 2 * roster.individuals + 1].view(np.uint8)
    haploid = roster.haploid(panel.locus)
    rows = np.flatnonzero(one.any(axis=1) | (other.any(axis=1, where=~haploid)))
    one, other = one[rows], other[rows]
    first = np.where(haploid, one, np.minimum(one, other))
    second = np.where(haploid, np.uint8(NONE), np.maximum(one, other))
    _lose_second_alleles(second, random)
    is_filtered = np.array([panel.sites[row].filter != "PASS" for row in rows], np.bool_)
    _lose_calls(first, second, _missing_rates(is_filtered, random), random)
    calls = Calls(rows, first, second)
    absent = calls.counts()[:, 1:].sum(axis=1) == 0
    first[absent] = 0
    second[absent] = np.where(haploid, NONE, 0)
    return calls


def _missing_rates(is_filtered: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.float64]:
    """The share of calls lost at each site: none at half of the sites, more where a filter failed."""
    rates: NDArray[np.float64] = random.beta(0.3, 60, len(is_filtered))
    rates[random.random(len(is_filtered)) < SOUND_SITES] = 0
    rates[is_filtered] += FILTERED_MISSING
    return rates


def _lose_calls(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    rates: NDArray[np.float64],
    random: np.random.Generator,
) -> None:
    persons = first.shape[1]
    rows = np.repeat(np.arange(len(rates)), random.binomial(persons, rates))
    columns = random.integers(0, persons, len(rows))
    first[rows, columns] = MISSING
    second[rows, columns] = np.where(second[rows, columns] == NONE, NONE, MISSING)


def _lose_second_alleles(second: NDArray[np.uint8], random: np.random.Generator) -> None:
    count = random.binomial(second.size, HALF_CALLS)
    rows, columns = np.divmod(random.integers(0, max(second.size, 1), count), second.shape[1])
    second[rows, columns] = np.where(second[rows, columns] == NONE, NONE, MISSING)
