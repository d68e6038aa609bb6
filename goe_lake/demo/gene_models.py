"""A toy model of genes: where they code, and what a variant does to them.

The places of the genes are real, their exons are not: every gene is read on the forward strand and has
coding exons of 180 bases at even distances. Terms are those of the Sequence Ontology.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.loci import Locus

EXON_BASES: Final = 180
FIRST_EXON: Final = 60
LOSS_OF_FUNCTION: Final = frozenset(
    {"frameshift_variant", "splice_acceptor_variant", "splice_donor_variant", "stop_gained"}
)

OUTSIDE_ANY_GENE: Final = "intergenic_variant"

# What each base of a locus is
OUTSIDE, INTRON, CODING, ACCEPTOR, DONOR = range(5)
_NONCODING_TERMS: Final = {
    OUTSIDE: OUTSIDE_ANY_GENE,
    INTRON: "intron_variant",
    ACCEPTOR: "splice_acceptor_variant",
    DONOR: "splice_donor_variant",
}

# Codons in the order AAA, AAC, AAG, AAT, ACA, …
_AMINO_ACIDS: Final = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF"
STOP_CODONS: Final = tuple(number for number, letter in enumerate(_AMINO_ACIDS) if letter == "*")


def codon_number(bases: NDArray[np.uint8]) -> int:
    """The rank of a codon, given as three bases 0..3 for A, C, G, T, among all 64."""
    first, second, third = (int(base) for base in bases)
    return first * 16 + second * 4 + third


class GeneModel:
    """The gene of one locus, base by base; *length* counts the bases of the locus that are modelled."""

    def __init__(self, locus: Locus, length: int) -> None:
        self.kinds = np.full(length, OUTSIDE, np.uint8)
        self._codon_starts = np.full(length, -1, np.int64)
        gene = slice(max(0, locus.gene_start - locus.start), max(0, locus.gene_end - locus.start + 1))
        self.kinds[gene] = INTRON
        for start in _exon_starts(locus, length):
            end = start + EXON_BASES
            self.kinds[start - 2 : start] = ACCEPTOR
            self.kinds[start:end] = CODING
            self.kinds[end : end + 2] = DONOR
            self._codon_starts[start:end] = start + np.arange(EXON_BASES) // 3 * 3

    def codon_starts(self) -> NDArray[np.int64]:
        """The offset of the first base of every codon."""
        starts = self._codon_starts[self._codon_starts >= 0]
        return np.unique(starts)

    def of_substitution(self, reference: NDArray[np.uint8], offset: int, alt: int) -> str:
        """What becomes of the gene when base *alt* stands at *offset*."""
        start = int(self._codon_starts[offset])
        if start < 0:
            return _NONCODING_TERMS[int(self.kinds[offset])]
        codon = reference[start : start + 3].copy()
        before = _AMINO_ACIDS[codon_number(codon)]
        codon[offset - start] = alt
        after = _AMINO_ACIDS[codon_number(codon)]
        if after == before:
            return "synonymous_variant"
        return "stop_gained" if after == "*" else "missense_variant"

    def of_insertion(self, offset: int, bases: int) -> str:
        """What becomes of the gene when so many *bases* are put in after *offset*."""
        # Between the last base of an intron and the first of an exon nothing that codes is parted.
        if self.kinds[offset] != CODING or self.kinds[offset + 1] != CODING:
            return _NONCODING_TERMS[OUTSIDE if self.kinds[offset] == OUTSIDE else INTRON]
        return "frameshift_variant" if bases % 3 else "inframe_insertion"

    def of_deletion(self, offset: int, bases: int) -> str:
        """What becomes of the gene when so many *bases* after *offset* are lost."""
        lost = self.kinds[offset + 1 : offset + 1 + bases]
        for kind in (ACCEPTOR, DONOR):
            if kind in lost:
                return _NONCODING_TERMS[kind]
        if CODING in lost:
            return "frameshift_variant" if bases % 3 else "inframe_deletion"
        return _NONCODING_TERMS[int(lost.max())]


def _exon_starts(locus: Locus, length: int) -> Iterator[int]:
    """The offsets of the exons that lie in the locus with both splice sites."""
    for position in range(locus.gene_start + FIRST_EXON, locus.gene_end - EXON_BASES, locus.exon_spacing):
        offset = position - locus.start
        if offset >= 2 and offset + EXON_BASES + 2 <= length:
            yield offset
