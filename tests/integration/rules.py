"""The rules of disclosure control for counts at single sites, written down a second time.

One function a rule, from numbers of persons to what may be told; nothing is shared with
`goe_lake.disclosure`, so that a mistake in either shows as a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def told_at_node(counts: Mapping[str, Counts], named: Mask, k: int) -> dict[str, Mask]:
    """Which measures of its cell a node tells, by the persons in each genotype class.

    Persons without a called allele are missing values: neither contributors nor complement.
    """
    called = sum(counts[name] for name in CLASSES)
    carriers = counts["het"] + counts["hom"] + counts["hemi"]
    by_dosage = np.array([counts["ref2"] + counts["ref1"], counts["het"] + counts["hemi"], counts["hom"]])
    commonest = by_dosage.max(axis=0)
    contributors = np.where(commonest >= k, called - commonest, called)
    told = {
        "ac": named & (carriers >= k) & (called - carriers >= k) & (contributors >= k),
        "an": named & (called >= k),
    }
    classes_filled = np.all([none_or_enough(counts[name], k) for name in CLASSES], axis=0)
    for name in ("het", "hom", "hemi"):
        others = called - counts[name]
        told[name] = named & classes_filled & (counts[name] >= k) & none_or_enough(others, k)
    return told


def shown(
    genotypes: Genotypes, cell: Mask, nodes: Iterable[Mask], listed: Mask, k: int
) -> tuple[Mask, dict[str, Mask], dict[str, Counts]]:
    """What an answer shows of one group, site by site.

    *cell* are the persons of the group, and *nodes* the persons of each node that may hold some of
    it. Returns whether the group has a row, which measures are shown, and the sums over the nodes
    that tell (the measure where all do, a lower bound where not).
    """
    row = np.zeros(len(genotypes.sites), dtype=bool)
    told = {name: np.ones(len(row), dtype=bool) for name in MEASURES}
    sums = {name: np.zeros(len(row), dtype=np.int64) for name in MEASURES}
    for node in nodes:
        counts = genotypes.counts(cell & node)
        named = named_at_node(counts, listed, k)
        row |= named
        for name, here in told_at_node(counts, named, k).items():
            told[name] &= here
            sums[name] += np.where(here, counts[name], 0)
    return row, {name: row & mask for name, mask in told.items()}, sums
