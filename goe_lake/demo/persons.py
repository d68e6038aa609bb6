"""Who takes part: the persons of each country, their populations, sexes and consents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.countries import Country
from goe_lake.demo.loci import Locus
from goe_lake.demo.randomness import stream

SMALLEST_MINORITY: Final = 60
# Persons that a country needs for its first minority, and for the second.
PERSONS_FOR_MINORITIES: Final = (120, 300)
MINORITY_SHARES: Final = (0.08, 0.06)
RECRUITED: Final = 2024
BIRTH_YEARS: Final = (1939, 2004)
# Consent codes and how common they are.
CONSENT_SHARES: Final[Mapping[str, float]] = {
    "general_research": 0.7,
    "health_research": 0.22,
    "cardiovascular_only": 0.08,
}


@dataclass(frozen=True)
class Roster:
    """The persons of one country, one entry each, in the order of their sample ids.

    *individuals* are their numbers in the simulation, where populations follow one another.
    """

    country: Country
    sample_ids: tuple[str, ...]
    individuals: NDArray[np.int64]
    populations: tuple[str, ...]
    is_male: NDArray[np.bool_]
    birth_years: NDArray[np.int64]
    consents: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sample_ids)

    def ages(self) -> NDArray[np.int64]:
        """Years of age at recruitment."""
        return RECRUITED - self.birth_years

    def haploid(self, locus: Locus) -> NDArray[np.bool_]:
        """Whether each person has a single allele at *locus*."""
        return np.where(self.is_male, locus.ploidy("M") == 1, locus.ploidy("F") == 1)


def population_sizes(country: Country, persons: int) -> dict[str, int]:
    """How many of *persons* belong to each population; a minority has at least 60 or is not there."""
    sizes = {country.population: persons}
    for minority, share, needed in zip(
        country.minorities, MINORITY_SHARES, PERSONS_FOR_MINORITIES, strict=True
    ):
        if persons >= needed:
            sizes[minority] = max(SMALLEST_MINORITY, round(share * persons))
            sizes[country.population] -= sizes[minority]
    return sizes


def simulated_persons(countries: Sequence[Country], persons: int) -> dict[str, int]:
    """How many persons of each population the simulation needs for all countries together."""
    needed: dict[str, int] = {}
    for country in countries:
        for population, size in population_sizes(country, persons).items():
            needed[population] = needed.get(population, 0) + size
    return needed


def enrol(countries: Sequence[Country], persons: int, seed: int) -> tuple[Roster, ...]:
    """The persons of each country; every simulated individual is one person of one country."""
    needed = simulated_persons(countries, persons)
    firsts = np.cumsum([0, *needed.values()])[:-1]
    next_free = dict(zip(needed, firsts.tolist(), strict=True))
    rosters = []
    for country in countries:
        sizes = population_sizes(country, persons)
        random = stream(seed, "persons", country.code)
        individuals = np.concatenate(
            [np.arange(next_free[name], next_free[name] + size) for name, size in sizes.items()]
        )
        populations = np.repeat(list(sizes), list(sizes.values()))
        for name, size in sizes.items():
            next_free[name] += size
        order = random.permutation(persons)
        rosters.append(_roster(country, individuals[order], tuple(populations[order].tolist()), random))
    return tuple(rosters)


def _roster(
    country: Country,
    individuals: NDArray[np.int64],
    populations: tuple[str, ...],
    random: np.random.Generator,
) -> Roster:
    persons = len(individuals)
    return Roster(
        country,
        tuple(f"GOE-{country.code}-{number:06d}" for number in range(1, persons + 1)),
        individuals,
        populations,
        random.random(persons) < 0.48,
        random.integers(*BIRTH_YEARS, persons),
        _consents(persons, random),
    )


def _consents(persons: int, random: np.random.Generator) -> tuple[str, ...]:
    """Consent codes in their exact shares, so that each one occurs."""
    shares = np.cumsum(list(CONSENT_SHARES.values()))
    ranks = (random.permutation(persons) + 0.5) / persons
    codes = np.array(list(CONSENT_SHARES))[np.searchsorted(shares[:-1], ranks)]
    return tuple(codes.tolist())
