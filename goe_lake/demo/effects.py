"""The truth behind the phenotypes: which variants act, and by how much.

Effects are whole numbers of `STEP`, so that sums over variants are exact whatever their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.gene_models import LOSS_OF_FUNCTION
from goe_lake.demo.persons import Roster
from goe_lake.demo.sites import Panel, Site

Trait = Literal["ldl", "t2d"]
TRAITS: Final[tuple[Trait, ...]] = ("ldl", "t2d")
STEP: Final = 0.0001

FEWEST_CARRIERS: Final = 5
LEAST_COMMON: Final = 0.05
EFFECT_ALLELE_IS_REF_SHARE: Final = 0.4
POLYGENIC_VARIANTS_A_LOCUS: Final = 6
# Standard deviation of the small effects: mmol/L of LDL, log odds of type 2 diabetes
POLYGENIC_SPREAD: Final[Mapping[Trait, float]] = {"ldl": 0.03, "t2d": 0.1}
LIPID_GENES: Final = frozenset({"PCSK9", "APOB", "HMGCR", "LPA", "LDLR", "APOE"})
# mmol/L of LDL for each copy of any allele that breaks the gene
LOSS_OF_FUNCTION_EFFECTS: Final[Mapping[str, float]] = {"LDLR": 2.0, "PCSK9": -1.1}
# How much worse a site of another consequence fits a target, in log odds of the frequency
OTHER_CONSEQUENCE: Final = 2.0


@dataclass(frozen=True)
class Target:
    """A large effect on LDL (mmol/L a copy) that is looked for at a site of about this *frequency*."""

    gene: str
    consequence: str
    frequency: float
    effect: float


# Frequencies and effects are near those of well-known variants of these genes.
TARGETS: Final = (
    Target("PCSK9", "missense_variant", 0.03, -0.40),
    Target("APOB", "missense_variant", 0.20, 0.10),
    Target("HMGCR", "intron_variant", 0.40, 0.09),
    Target("LDLR", "intron_variant", 0.12, -0.20),
    Target("APOE", "missense_variant", 0.08, -0.55),
    Target("APOE", "missense_variant", 0.15, 0.25),
)


@dataclass(frozen=True)
class Effect:
    """What each copy of one alternate allele does to one trait, in units of `STEP`.

    *row* and *allele* are its place in the panel. *scored* effects belong to the trait's polygenic
    score, which may count the copies of REF instead (*counts_ref*).
    """

    trait: Trait
    site: Site
    row: int
    allele: int
    frequency: float
    size: int
    scored: bool = False
    counts_ref: bool = False

    @property
    def alt(self) -> str:
        """The allele that acts."""
        return self.site.alts[self.allele - 1]

    @property
    def consequence(self) -> str:
        """The Sequence Ontology term of the allele that acts."""
        return self.site.consequences[self.allele - 1]

    @property
    def effect_allele(self) -> str:
        """The allele whose copies the polygenic score counts."""
        return self.site.ref if self.counts_ref else self.alt

    @property
    def other_allele(self) -> str:
        """The allele that the polygenic score does not count."""
        return self.alt if self.counts_ref else self.site.ref

    @property
    def weight(self) -> int:
        """The weight of the counted allele in the score, in units of `STEP`."""
        return -self.size if self.counts_ref else self.size


def plant_effects(panel: Panel, rosters: Sequence[Roster], random: np.random.Generator) -> list[Effect]:
    """The effects of the variants of one autosomal locus; none act on chrX."""
    if panel.locus.contig == "chrX":
        return []
    free = _scorable_rows(panel, rosters)
    effects = _breaking_effects(panel)
    effects += _large_effects(panel, free, random)
    for trait in TRAITS:
        if trait == "t2d" or panel.locus.gene in LIPID_GENES:
            effects += _small_effects(panel, free, trait, random)
    return effects


def _scored_effect(panel: Panel, trait: Trait, row: int, size: float, random: np.random.Generator) -> Effect:
    counts_ref = bool(random.random() < EFFECT_ALLELE_IS_REF_SHARE)
    return replace(_effect(panel, trait, row, 1, size), scored=True, counts_ref=counts_ref)


def _effect(panel: Panel, trait: Trait, row: int, allele: int, size: float) -> Effect:
    frequency = float((panel.alleles[row] == allele).mean())
    return Effect(trait, panel.sites[row], row, allele, frequency, round(size / STEP))


def _scorable_rows(panel: Panel, rosters: Sequence[Roster]) -> set[int]:
    """Rows of plain sites that are carried in every country, so that every node can compute a score."""
    sound = np.array([_is_plain(site) for site in panel.sites], np.bool_)
    for roster in rosters:
        one = panel.alleles[:, 2 * roster.individuals]
        other = panel.alleles[:, 2 * roster.individuals + 1]
        sound &= ((one > 0) | (other > 0)).sum(axis=1) >= FEWEST_CARRIERS
    return set(np.flatnonzero(sound).tolist())


def _is_plain(site: Site) -> bool:
    """Whether *site* has a single alternate allele that passed all filters and does not break the gene."""
    return site.filter == "PASS" and len(site.alts) == 1 and site.consequences[0] not in LOSS_OF_FUNCTION


def _breaking_effects(panel: Panel) -> list[Effect]:
    """The effects of every allele that breaks a gene of which one copy is too few."""
    effect = LOSS_OF_FUNCTION_EFFECTS.get(panel.locus.gene)
    if effect is None:
        return []
    return [
        _effect(panel, "ldl", row, allele, effect)
        for row, site in enumerate(panel.sites)
        for allele, consequence in enumerate(site.consequences, 1)
        if consequence in LOSS_OF_FUNCTION
    ]


def _large_effects(panel: Panel, free: set[int], random: np.random.Generator) -> list[Effect]:
    """The targets of this gene, each at its free site that fits best; takes these rows from *free*."""
    frequencies = panel.frequencies().tolist()
    effects = []
    for target in TARGETS:
        misfits = {
            row: _misfit(target, panel.sites[row], frequencies[row])
            for row in sorted(free)
            if panel.sites[row].gene == target.gene
        }
        if misfits:
            row = min(misfits, key=misfits.__getitem__)
            free.remove(row)
            effects.append(_scored_effect(panel, "ldl", row, target.effect, random))
    return effects


def _misfit(target: Target, site: Site, frequency: float) -> float:
    distance = abs(_log_odds(frequency) - _log_odds(target.frequency))
    return distance + (OTHER_CONSEQUENCE if site.consequences[0] != target.consequence else 0)


def _log_odds(frequency: float) -> float:
    return float(np.log(frequency / (1 - frequency)))


def _small_effects(panel: Panel, free: set[int], trait: Trait, random: np.random.Generator) -> list[Effect]:
    """Small effects of common variants; takes their rows from *free*."""
    frequencies = panel.frequencies()
    common = [row for row in sorted(free) if LEAST_COMMON <= frequencies[row] <= 1 - LEAST_COMMON]
    chosen = random.choice(common, min(POLYGENIC_VARIANTS_A_LOCUS, len(common)), replace=False)
    free.difference_update(chosen.tolist())
    return [
        _scored_effect(panel, trait, row, random.normal(0, POLYGENIC_SPREAD[trait]), random)
        for row in sorted(chosen.tolist())
    ]


def genetic_values(panel: Panel, effects: Sequence[Effect], trait: Trait) -> NDArray[np.int64]:
    """The sum of *effects* on *trait* in each simulated individual, in units of `STEP`."""
    total = np.zeros(panel.alleles.shape[1] // 2, np.int64)
    for effect in effects:
        if effect.trait == trait:
            carried = panel.alleles[effect.row] == effect.allele
            total += effect.size * (carried[0::2].astype(np.int64) + carried[1::2])
    return total
