"""The stretches of GRCh38 that the demo covers, each in or around a well-known gene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from goe_lake.genome import CONTIG_ORDER, GRCH38, Sex, ploidy_by_sex, stretch_of


@dataclass(frozen=True)
class Locus:
    """A stretch of *length* bases from 1-based *start*, and the gene it covers in part or whole.

    Gene bounds are 1-based with both ends included, as Ensembl gives them for GRCh38. *exon_spacing*
    is the distance in bases between the made-up exons: smaller where much of the real gene codes.
    """

    gene: str
    contig: str
    gene_start: int
    gene_end: int
    start: int
    length: int
    exon_spacing: int = 1_800

    def ploidy(self, sex: Sex) -> int:
        """Alleles that a person of *sex* carries here."""
        return ploidy_by_sex(self.contig, stretch_of(GRCH38, self.contig, self.start), sex)


LOCI: Final = tuple(
    sorted(
        (
            Locus("PCSK9", "chr1", 55_039_447, 55_064_852, 55_030_001, 40_000, 900),
            Locus("APOB", "chr2", 21_001_429, 21_044_073, 20_998_001, 48_000, 600),
            Locus("HMGCR", "chr5", 75_336_329, 75_364_001, 75_331_001, 36_000),
            Locus("LPA", "chr6", 160_531_482, 160_664_275, 160_530_001, 40_000),
            Locus("CFTR", "chr7", 117_287_120, 117_715_971, 117_540_001, 44_000),
            Locus("TCF7L2", "chr10", 112_950_247, 113_167_678, 112_985_001, 40_000),
            Locus("HBB", "chr11", 5_225_464, 5_229_395, 5_218_001, 20_000, 600),
            Locus("BRCA2", "chr13", 32_315_086, 32_400_268, 32_330_001, 44_000),
            Locus("FTO", "chr16", 53_701_692, 54_158_512, 53_765_001, 44_000),
            Locus("BRCA1", "chr17", 43_044_295, 43_170_245, 43_070_001, 44_000),
            Locus("MC4R", "chr18", 60_371_062, 60_372_775, 60_362_001, 18_000, 300),
            Locus("LDLR", "chr19", 11_089_462, 11_133_820, 11_086_001, 50_000, 900),
            Locus("APOE", "chr19", 44_905_791, 44_909_393, 44_898_001, 18_000, 300),
            # SHOX lies in the first pseudo-autosomal region, so men are diploid there and haploid at F9.
            Locus("SHOX", "chrX", 624_344, 659_411, 640_001, 16_000),
            Locus("F9", "chrX", 139_530_739, 139_563_459, 139_526_001, 40_000),
        ),
        key=lambda locus: (CONTIG_ORDER[locus.contig], locus.start),
    )
)


def loci_by_contig() -> Iterator[tuple[str, tuple[Locus, ...]]]:
    """Each contig with its loci, in the order of the genome."""
    for contig, loci in groupby(LOCI, key=lambda locus: locus.contig):
        yield contig, tuple(loci)
