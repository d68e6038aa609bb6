"""A population history of Europe, and chromosomes that descend through it.

Present populations were founded out of a few regions, the regions out of one European population that
passed the bottleneck out of Africa. Sizes are round numbers of the right order, chosen so that
rare variants are as many, and differences between countries as small, as in real cohorts.
Times are generations before the present, sizes are effective numbers of diploid persons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import msprime
import numpy as np
from numpy.typing import NDArray

MUTATIONS_PER_BASE: Final = 1.29e-8
# One base of each thousand mutates far more often, as repeats do: most sites of several alternates are there.
HOT_DISTANCE: Final = 1_000
HOT_FACTOR: Final = 200
RECOMBINATIONS_PER_BASE: Final = 1.1e-8
FOUNDED: Final = 100
REGIONS_PARTED: Final = 300
REGION_SIZE: Final = 10_000
EUROPE_NOW: Final = (9_000, 0.003)
EUROPE_BEFORE: Final = ((920, 1_861), (2_040, 14_474), (5_920, 7_310))
MIGRATION_IN_REGION: Final = 1e-3
MIGRATION_BETWEEN_REGIONS: Final = 1e-4
MOST_ALTS: Final = 3


@dataclass(frozen=True)
class Deme:
    """One present population: *founders* persons, growing by the share *growth* each generation since."""

    region: str
    founders: int
    growth: float = 0.05

    @property
    def size(self) -> float:
        """Persons today."""
        return self.founders * math.exp(self.growth * FOUNDED)


DEMES: Final[Mapping[str, Deme]] = {
    "EST": Deme("baltic", 5_000),
    "FIN": Deme("baltic", 2_000, 0.055),
    "LVS": Deme("baltic", 5_000),
    "LTU": Deme("baltic", 5_000),
    "SWE": Deme("nordic", 8_000),
    "NOR": Deme("nordic", 6_000),
    "DNK": Deme("nordic", 8_000),
    "ISL": Deme("nordic", 1_500, 0.04),
    "BEL": Deme("western", 8_000),
    "DEU": Deme("western", 12_000),
    "FRA": Deme("western", 12_000),
    "IRL": Deme("western", 4_000),
    "LUX": Deme("western", 4_000),
    "NLD": Deme("western", 8_000),
    "AUT": Deme("central", 8_000),
    "CZE": Deme("central", 8_000),
    "HRV": Deme("central", 6_000),
    "HUN": Deme("central", 8_000),
    "POL": Deme("central", 12_000),
    "SVK": Deme("central", 6_000),
    "SVN": Deme("central", 4_000),
    "BGR": Deme("southern", 8_000),
    "CYP": Deme("southern", 3_000),
    "ESP": Deme("southern", 12_000),
    "GRC": Deme("southern", 10_000),
    "ITA": Deme("southern", 14_000),
    "MLT": Deme("southern", 1_500),
    "PRT": Deme("southern", 8_000),
    "ROU": Deme("southern", 10_000),
}


def european_demography(populations: Sequence[str], size_factor: float = 1.0) -> msprime.Demography:
    """The history of *populations*; *size_factor* is 0.75 for chrX, of which there are three for four."""
    regions: dict[str, list[str]] = {}
    for population in populations:
        regions.setdefault(DEMES[population].region, []).append(population)
    history = msprime.Demography()
    for population in populations:
        deme = DEMES[population]
        history.add_population(name=population, initial_size=deme.size * size_factor, growth_rate=deme.growth)
    for region in regions:
        history.add_population(name=region, initial_size=REGION_SIZE * size_factor)
    size, growth = EUROPE_NOW
    history.add_population(name="europe", initial_size=size * size_factor, growth_rate=growth)
    _let_migrate(history, populations)
    for region, members in regions.items():
        history.add_population_split(time=FOUNDED, derived=members, ancestral=region)
    history.add_population_split(time=REGIONS_PARTED, derived=list(regions), ancestral="europe")
    for time, size in EUROPE_BEFORE:
        history.add_population_parameters_change(
            time=time, population="europe", initial_size=size * size_factor, growth_rate=0
        )
    history.sort_events()
    return history


def _let_migrate(history: msprime.Demography, populations: Sequence[str]) -> None:
    for one, other in combinations(populations, 2):
        same_region = DEMES[one].region == DEMES[other].region
        history.set_symmetric_migration_rate(
            [one, other], MIGRATION_IN_REGION if same_region else MIGRATION_BETWEEN_REGIONS
        )


@dataclass(frozen=True)
class Haplotypes:
    """Chromosomes at the sites where they differ.

    *offsets* are 0-based places in the stretch, rising; *alleles* has one row a site and two columns a
    person, 0 for the ancestral allele and 1, 2, 3 for those that arose, each carried by someone.
    """

    offsets: NDArray[np.int64]
    alleles: NDArray[np.int8]


def simulate_haplotypes(persons: Mapping[str, int], length: int, size_factor: float, seed: int) -> Haplotypes:
    """Chromosomes of *length* bases for so many *persons* of each population, population after population."""
    history = european_demography(tuple(persons), size_factor)
    ancestry = msprime.sim_ancestry(
        [msprime.SampleSet(count, population=population) for population, count in persons.items()],
        demography=history,
        sequence_length=length,
        recombination_rate=RECOMBINATIONS_PER_BASE,
        random_seed=seed,
    )
    # Each mutation makes an allele of its own, so a site hit twice has two alternate alleles.
    mutated = msprime.sim_mutations(
        ancestry, rate=_mutation_rates(length), model=msprime.InfiniteAlleles(), random_seed=seed
    )
    alleles = np.zeros((mutated.num_sites, mutated.num_samples), np.int8)
    usable = np.zeros(mutated.num_sites, np.bool_)
    for row, variant in enumerate(mutated.variants()):
        present = np.bincount(variant.genotypes) > 0
        # A site at which the ancestral allele died out, or a fourth alternate allele lives, is left out.
        usable[row] = present[0] and 2 <= present.sum() <= 1 + MOST_ALTS
        if usable[row]:
            # Alleles that died out leave gaps in the numbers.
            alleles[row] = (present.cumsum() - 1)[variant.genotypes]
    offsets = mutated.tables.sites.position.astype(np.int64)
    return Haplotypes(offsets[usable], alleles[usable])


def _mutation_rates(length: int) -> msprime.RateMap:
    """Mutations per base and generation along *length* bases."""
    hot = np.arange(HOT_DISTANCE // 2, length, HOT_DISTANCE)
    edges = np.unique(np.concatenate([[0, length], hot, hot + 1]))
    is_hot = np.isin(edges[:-1], hot)
    return msprime.RateMap(
        position=edges, rate=np.where(is_hot, HOT_FACTOR * MUTATIONS_PER_BASE, MUTATIONS_PER_BASE)
    )
