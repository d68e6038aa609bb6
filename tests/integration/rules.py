"""The rules of disclosure control for counts at single sites, written down a second time.

One function a rule, from numbers of persons to what may be told; nothing is shared with
`goe_lake.disclosure`, so that a mistake in either shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tests.integration.genomes import Counts, Genotypes, Mask

MEASURES = ("ac", "an", "het", "hom", "hemi")
CLASSES = ("het", "hom", "hemi", "ref2", "ref1")


def listed_sites(genotypes: Genotypes, nodes: Iterable[Mask], k: int) -> Mask:
    """The site list: sites with at least *k* carriers at some node."""
    return np.any([genotypes.carriers[:, node].sum(axis=1) >= k for node in nodes], axis=0)


def none_or_enough(persons: Counts, k: int) -> Mask:
    """0, or at least *k*."""
    return (persons == 0) | (persons >= k)


def named_at_node(counts: Mapping[str, Counts], listed: Mask, k: int) -> Mask:
    """Whether a node names its cell: enough persons have a row there.

    At a listed site everybody has one; at another only carriers do.
    """
    everybody = sum(counts[name] for name in (*CLASSES, "none"))
    return np.where(listed, everybody, counts["het"] + counts["hom"] + counts["hemi"]) >= k


def counts_by_class(counts: Mapping[str, Counts], k: int) -> dict[str, tuple[Counts, Mask, Mask]]:
    """What is counted by class without conditions that change few: persons, any left out, any still there.

    `hom` is asked as dosage = 2; `het` and `hemi` are called_alleles = 2 or 1, tried first, and dosage = 1.
    """
    called = sum(counts[name] for name in CLASSES)
    few = called - counts["hom"] < k
    found = {"hom": (np.where(few, called, counts["hom"]), few, ~few)}
    for name, other, alleles in (("het", "hemi", ("ref2", "het", "hom")), ("hemi", "het", ("ref1", "hemi"))):
        any_ploidy = counts[other] < k
        inside = np.where(any_ploidy, counts["het"] + counts["hemi"], counts[name])
        everybody = np.where(any_ploidy, called, sum(counts[one] for one in alleles))
        any_dosage = everybody - inside < k
        persons = np.where(any_dosage, everybody, inside)
        found[name] = (persons, any_ploidy | any_dosage, ~(any_ploidy & any_dosage))
    return found


def told_at_node(
    counts: Mapping[str, Counts], named: Mask, k: int
) -> dict[str, tuple[Mask, Counts, Mask | bool]]:
    """For each measure: whether a node tells it of its cell, its value, and whether it is marked.

    Persons without a called allele are missing values: neither contributors nor complement.
    """
    called = sum(counts[name] for name in CLASSES)
    carriers = counts["het"] + counts["hom"] + counts["hemi"]
    by_dosage = np.array([counts["ref2"] + counts["ref1"], counts["het"] + counts["hemi"], counts["hom"]])
    commonest = by_dosage.max(axis=0)
    contributors = np.where(commonest >= k, called - commonest, called)
    told: dict[str, tuple[Mask, Counts, Mask | bool]] = {
        "ac": (
            named & (carriers >= k) & (called - carriers >= k) & (contributors >= k),
            counts["ac"],
            False,
        ),
        "an": (named & (called >= k), counts["an"], False),
    }
    classes_filled = np.all([none_or_enough(counts[name], k) for name in CLASSES], axis=0)
    for name, (persons, marked, by_class) in counts_by_class(counts, k).items():
        enough = (persons >= k) & none_or_enough(called - persons, k)
        told[name] = named & (classes_filled | ~by_class) & enough, persons, named & marked
    return told


@dataclass(frozen=True)
class Shown:
    """What an answer shows of one group, site by site.

    *row*: whether the group has a row; *told*: which measures are shown; *values*: the sums over the nodes
    that tell (the measure where all do, a lower bound where not); *marked*: where a node left something out.
    """

    row: Mask
    told: dict[str, Mask]
    values: dict[str, Counts]
    marked: dict[str, Mask]


def shown(genotypes: Genotypes, cell: Mask, nodes: Iterable[Mask], listed: Mask, k: int) -> Shown:
    """What an answer shows of the persons *cell*; *nodes* are those of each node that may hold some."""
    row = np.zeros(len(genotypes.sites), dtype=bool)
    told = {name: np.ones(len(row), dtype=bool) for name in MEASURES}
    sums = {name: np.zeros(len(row), dtype=np.int64) for name in MEASURES}
    marks = {name: np.zeros(len(row), dtype=bool) for name in MEASURES}
    for node in nodes:
        counts = genotypes.counts(cell & node)
        named = named_at_node(counts, listed, k)
        row |= named
        for name, (here, values, marked) in told_at_node(counts, named, k).items():
            told[name] &= here
            sums[name] += np.where(here, values, 0)
            marks[name] |= marked
    return Shown(row, {name: row & mask for name, mask in told.items()}, sums, marks)


def shown_by_key(
    genotypes: Genotypes, cell: Mask, nodes: Iterable[Mask], listed: Mask, k: int
) -> dict[str, Mask]:
    """Which genotypes are shown where they are keys: each class of each node is empty or large enough."""
    told = {name: np.ones(len(genotypes.sites), dtype=bool) for name in ("het", "hom")}
    for node in nodes:
        counts = genotypes.counts(cell & node)
        filled = np.all([none_or_enough(counts[name], k) for name in CLASSES], axis=0)
        for name in told:
            told[name] &= filled & named_at_node(counts, listed, k) & (counts[name] >= k)
    return told
