"""The sites of a locus: alleles over a made-up reference, names and consequences.

There is no reference genome here. REF bases are drawn from the seed: plausible, the same for every
country, and not those of GRCh38.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.demography import Haplotypes, simulate_haplotypes
from goe_lake.demo.gene_models import LOSS_OF_FUNCTION, OUTSIDE_ANY_GENE, STOP_CODONS, GeneModel, codon_number
from goe_lake.demo.loci import Locus
from goe_lake.demo.randomness import small_seed, stream

BASES: Final = "ACGT"
BASE_SHARES: Final = (0.295, 0.205, 0.205, 0.295)
# Deletions may reach beyond the last site, so the reference does too.
MARGIN: Final = 64
INDEL_SHARE: Final = 0.09
DELETION_SHARE: Final = 0.6
LONGEST_INDEL: Final = 20
TRANSITION_SHARE: Final = 0.67
COMMONEST_LOSS_OF_FUNCTION: Final = 0.01
# Real rs numbers have not come as far as this.
FIRST_RSID: Final = 3_900_000_000
NAMED_FREQUENCY: Final = 0.005
NAMED_SHARE_OF_RARE: Final = 0.4
FILTERS: Final = ("PASS", "LowQual", "VQSRTrancheSNP99.90to100.00", "ExcessHet")
FILTER_SHARES: Final = (0.955, 0.02, 0.02, 0.005)


@dataclass(frozen=True)
class Site:
    """One record: *consequences* has one Sequence Ontology term for each of *alts*; *rsid* may be ''."""

    contig: str
    pos: int
    ref: str
    alts: tuple[str, ...]
    rsid: str
    filter: str
    gene: str
    consequences: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """All chromosomes of the simulation at the sites of one locus, one row a site (see `Haplotypes`)."""

    locus: Locus
    sites: tuple[Site, ...]
    alleles: NDArray[np.int8]

    def frequencies(self) -> NDArray[np.float64]:
        """The share of chromosomes with any alternate allele, by site."""
        shares: NDArray[np.float64] = (self.alleles > 0).mean(axis=1)
        return shares


def simulate_panel(locus: Locus, persons: Mapping[str, int], seed: int) -> Panel:
    """The chromosomes of so many *persons* of each population at *locus*."""
    # Three X chromosomes for four autosomes in the non-PAR stretch, where men have one.
    size_factor = 1.0 if locus.ploidy("M") == 2 else 0.75
    haplotypes = simulate_haplotypes(
        persons, locus.length, size_factor, small_seed(seed, "genealogy", locus.gene)
    )
    model = GeneModel(locus, locus.length + MARGIN)
    reference = made_up_reference(model, stream(seed, "reference", locus.gene))
    sites = _describe(locus, haplotypes, model, reference, stream(seed, "sites", locus.gene))
    viable = _viable(sites, haplotypes.alleles)
    return Panel(
        locus,
        tuple(site for site, lives in zip(sites, viable, strict=True) if lives),
        haplotypes.alleles[viable],
    )


def made_up_reference(model: GeneModel, random: np.random.Generator) -> NDArray[np.uint8]:
    """Reference bases 0..3 (A, C, G, T), with no stop codon where the gene codes."""
    reference: NDArray[np.uint8] = random.choice(4, len(model.kinds), p=BASE_SHARES).astype(np.uint8)
    for start in model.codon_starts():
        if codon_number(reference[start : start + 3]) in STOP_CODONS:
            reference[start] = BASES.index("C")
    return reference


def _describe(
    locus: Locus,
    haplotypes: Haplotypes,
    model: GeneModel,
    reference: NDArray[np.uint8],
    random: np.random.Generator,
) -> list[Site]:
    count = len(haplotypes.offsets)
    alts = haplotypes.alleles.max(axis=1, initial=0)
    rsids = _rsids(locus, haplotypes, random)
    is_indel = random.random(count) < INDEL_SHARE
    filters = random.choice(FILTERS, count, p=FILTER_SHARES)
    described = []
    for row, offset in enumerate(haplotypes.offsets.tolist()):
        mutate = _indel if is_indel[row] else _substitution
        ref, letters, terms = mutate(model, reference, offset, int(alts[row]), random)
        gene = "" if set(terms) == {OUTSIDE_ANY_GENE} else locus.gene
        pos = locus.start + offset
        described.append(Site(locus.contig, pos, ref, letters, rsids[row], str(filters[row]), gene, terms))
    return described


def _rsids(locus: Locus, haplotypes: Haplotypes, random: np.random.Generator) -> list[str]:
    """Made-up rs numbers for the common sites and some rare ones, '' for the others."""
    count = len(haplotypes.offsets)
    common = (haplotypes.alleles > 0).mean(axis=1) >= NAMED_FREQUENCY
    named = common | (random.random(count) < NAMED_SHARE_OF_RARE)
    # No two loci share a position, whatever their contigs.
    numbers = FIRST_RSID + locus.start + haplotypes.offsets
    return [f"rs{number}" if has else "" for number, has in zip(numbers.tolist(), named, strict=True)]


_Alleles = tuple[str, tuple[str, ...], tuple[str, ...]]


def _substitution(
    model: GeneModel, reference: NDArray[np.uint8], offset: int, alts: int, random: np.random.Generator
) -> _Alleles:
    """REF, ALTs and consequences of a site where single bases changed."""
    ref = int(reference[offset])
    # A=0, C=1, G=2, T=3: the other purine or pyrimidine is two away.
    transition, others = ref ^ 2, [ref ^ 1, ref ^ 3]
    if random.random() < 0.5:
        others.reverse()
    order = [transition, *others] if random.random() < TRANSITION_SHARE else [*others, transition]
    return (
        BASES[ref],
        tuple(BASES[alt] for alt in order[:alts]),
        tuple(model.of_substitution(reference, offset, alt) for alt in order[:alts]),
    )


def _indel(
    model: GeneModel, reference: NDArray[np.uint8], offset: int, alts: int, random: np.random.Generator
) -> _Alleles:
    """REF, ALTs and consequences of a site where bases were lost or put in after the anchor base."""
    size = min(int(random.geometric(0.35)), LONGEST_INDEL)
    if alts == 1 and random.random() < DELETION_SHARE:
        return _deletion(model, reference, offset, size)
    # Several alternates are insertions of growing length, so that REF stays the same whichever are left.
    anchor = BASES[int(reference[offset])]
    inserted = _letters(random, size, last_is_not=anchor)
    letters, terms = [], []
    for _ in range(alts):
        letters.append(anchor + inserted)
        terms.append(model.of_insertion(offset, len(inserted)))
        inserted += _letters(random, int(random.geometric(0.5)), last_is_not=anchor)
    return anchor, tuple(letters), tuple(terms)


def _deletion(model: GeneModel, reference: NDArray[np.uint8], offset: int, size: int) -> _Alleles:
    # Were the last lost base the anchor's, the same loss could be written further left.
    while reference[offset + size] == reference[offset]:
        size += 1
    ref = "".join(BASES[int(base)] for base in reference[offset : offset + size + 1])
    return ref, (ref[0],), (model.of_deletion(offset, size),)


def _letters(random: np.random.Generator, size: int, last_is_not: str) -> str:
    """*size* random bases of which the last differs, so that the insertion cannot be written further left."""
    first = "".join(BASES[int(base)] for base in random.integers(0, 4, size - 1))
    return first + str(random.choice([base for base in BASES if base != last_is_not]))


def _viable(sites: list[Site], alleles: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether selection has let each site live: what breaks a gene is rare."""
    breaks = np.array([bool(LOSS_OF_FUNCTION.intersection(site.consequences)) for site in sites], np.bool_)
    common: NDArray[np.bool_] = (alleles > 0).mean(axis=1) > COMMONEST_LOSS_OF_FUNCTION
    return ~(breaks & common)
