"""The front door: simulated countries, each written as the files of a real node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.calls import call_genotypes
from goe_lake.demo.countries import countries_of
from goe_lake.demo.effects import STEP, TRAITS, Effect, Trait, genetic_values, plant_effects
from goe_lake.demo.loci import Locus, loci_by_contig
from goe_lake.demo.node_files import (
    annotation_tsv,
    genes_bed,
    node_folder,
    node_toml,
    policy_toml,
    samples_tsv,
    scores_tsv,
)
from goe_lake.demo.persons import Roster, enrol, simulated_persons
from goe_lake.demo.phenotypes import measure
from goe_lake.demo.randomness import stream
from goe_lake.demo.scoring import SCORES, extreme_sums, sum_of_weights, write_scoring_file
from goe_lake.demo.sites import Panel, Site, simulate_panel
from goe_lake.demo.truth import truth_json
from goe_lake.demo.vcf_writer import NodeSites, sites_of_node, write_vcf
from goe_lake.errors import ConfigError

Progress = Callable[[str, int, int], None]
Sums = Mapping[Trait, NDArray[np.int64]]

DEFAULT_COUNTRIES: Final = ("EE", "FI", "LV", "LT", "LU")
FEWEST_PERSONS: Final = 20
MOST_PERSONS: Final = 999_999


@dataclass(frozen=True)
class Cohort:
    """What is to be simulated: the persons of each country, and the seed that settles the rest."""

    directory: Path
    rosters: tuple[Roster, ...]
    individuals: Mapping[str, int]
    seed: int


@dataclass(frozen=True)
class ContigResult:
    """What remains of one contig once its VCFs are written.

    *genetic_values* has one entry an individual; *scores* and *sites* one for each country, in order.
    """

    contig: str
    effects: tuple[Effect, ...]
    genetic_values: Sums
    scores: tuple[Sums, ...]
    sites: tuple[tuple[Site, ...], ...]


def make_cohort(
    directory: Path,
    countries: Sequence[str] = DEFAULT_COUNTRIES,
    persons: int = 1000,
    seed: int = 1,
    progress: Progress | None = None,
) -> list[Path]:
    """Write a simulated node for each of *countries* below *directory*, and return their node.toml paths.

    Each country has so many *persons*; the same arguments give the same bytes. *progress* is called
    with what was just finished, the number of steps done, and the number of all steps.
    """
    chosen = countries_of(countries)
    _check_numbers(persons, seed)
    cohort = Cohort(Path(directory), enrol(chosen, persons, seed), simulated_persons(chosen, persons), seed)
    for country in chosen:
        for part in ("vcf", "pgs"):
            (node_folder(cohort.directory, country) / part).mkdir(parents=True, exist_ok=True)
    results = list(_simulate(cohort, progress or _say_nothing))
    effects = [effect for result in results for effect in result.effects]
    truth = truth_json(chosen, persons, seed, effects)
    (cohort.directory / "truth.json").write_text(truth, encoding="utf-8")
    return _write_nodes(cohort, results, effects)


def _check_numbers(persons: int, seed: int) -> None:
    if not FEWEST_PERSONS <= persons <= MOST_PERSONS:
        mend = f"Ask for {FEWEST_PERSONS} to {MOST_PERSONS} persons a country"
        raise ConfigError("demo", "persons", f"{persons} persons cannot be simulated", mend)
    if seed < 0:
        raise ConfigError("demo", "seed", f"{seed} is below 0", "Give a whole number from 0")


def _say_nothing(what: str, done: int, steps: int) -> None:
    """Report to nobody."""


def _simulate(cohort: Cohort, progress: Progress) -> Iterator[ContigResult]:
    """Simulate and write every contig, a few at a time; results come in the order of the genome."""
    contigs = tuple(loci_by_contig())
    # Compression, most of the work, runs outside the interpreter lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(partial(_simulate_contig, cohort), contigs)
        for done, result in enumerate(results, 1):
            progress(result.contig, done, len(contigs))
            yield result


def _simulate_contig(cohort: Cohort, contig_and_loci: tuple[str, tuple[Locus, ...]]) -> ContigResult:
    """Simulate one contig, write each country's VCF of it, and keep what the other files need."""
    contig, loci = contig_and_loci
    panels = [simulate_panel(locus, cohort.individuals, cohort.seed) for locus in loci]
    effects = [
        plant_effects(panel, cohort.rosters, stream(cohort.seed, "effects", panel.locus.gene))
        for panel in panels
    ]
    scores, sites = zip(
        *(_write_contig(cohort, roster, contig, panels, effects) for roster in cohort.rosters), strict=True
    )
    return ContigResult(
        contig,
        tuple(effect for planted in effects for effect in planted),
        {
            trait: _total(
                genetic_values(panel, planted, trait) for panel, planted in zip(panels, effects, strict=True)
            )
            for trait in TRAITS
        },
        scores,
        sites,
    )


def _write_contig(
    cohort: Cohort, roster: Roster, contig: str, panels: Sequence[Panel], effects: Sequence[Sequence[Effect]]
) -> tuple[Sums, tuple[Site, ...]]:
    """Write one country's VCF of *contig*; its score sums and its sites."""
    parts: list[NodeSites] = []
    sums: list[Sums] = []
    for panel, planted in zip(panels, effects, strict=True):
        random = stream(cohort.seed, "calls", roster.country.code, panel.locus.gene)
        calls = call_genotypes(panel, roster, random)
        parts.append(sites_of_node(panel, calls))
        sums.append({trait: sum_of_weights(calls, _scored(planted, trait)) for trait in TRAITS})
    path = node_folder(cohort.directory, roster.country) / "vcf" / f"{contig}.vcf.gz"
    write_vcf(path, contig, roster, parts, cohort.seed)
    totals = {trait: _total(part[trait] for part in sums) for trait in TRAITS}
    return totals, tuple(site for part in parts for site in part.sites)


def _scored(effects: Sequence[Effect], trait: Trait) -> list[Effect]:
    return [effect for effect in effects if effect.scored and effect.trait == trait]


def _total(parts: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    total: NDArray[np.int64] = np.sum(list(parts), axis=0)
    return total


def _centred_effects(results: Sequence[ContigResult], trait: Trait) -> NDArray[np.float64]:
    """The sum of all effects on *trait* in each individual, less its mean."""
    units = _total(result.genetic_values[trait] for result in results)
    centred: NDArray[np.float64] = (units - units.mean()) * STEP
    return centred


def _write_nodes(cohort: Cohort, results: Sequence[ContigResult], effects: Sequence[Effect]) -> list[Path]:
    """Write the files that span the contigs, and return the node.toml paths."""
    genetic = {trait: _centred_effects(results, trait) for trait in TRAITS}
    scored = {score: _scored(effects, score.trait) for score in SCORES}
    written = []
    for number, roster in enumerate(cohort.rosters):
        folder = node_folder(cohort.directory, roster.country)
        for score, weights in scored.items():
            write_scoring_file(folder / "pgs" / f"{score.pgs_id}.txt.gz", score, weights)
        phenotypes = measure(
            roster,
            genetic["ldl"][roster.individuals],
            genetic["t2d"][roster.individuals],
            stream(cohort.seed, "phenotypes", roster.country.code),
        )
        sums = {score: _total(result.scores[number][score.trait] for result in results) for score in SCORES}
        texts = {
            "samples.tsv": samples_tsv(roster, phenotypes),
            "scores.tsv": scores_tsv(roster, sums),
            "annotation.tsv": annotation_tsv(site for result in results for site in result.sites[number]),
            "genes.bed": genes_bed(),
            "policy.toml": policy_toml(),
            "node.toml": node_toml(roster, {score: extreme_sums(scored[score]) for score in SCORES}),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / "node.toml")
    return written
