"""Contigs, assemblies, stretches of a contig and the spelling of a variant.

All positions are 1-based and ranges include both ends, as in VCF.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Sex = Literal["F", "M"]

AUTOSOMES: Final = tuple(f"chr{number}" for number in range(1, 23))
CONTIGS: Final = (*AUTOSOMES, "chrX", "chrY", "chrM")
CONTIG_ORDER: Final[Mapping[str, int]] = {contig: rank for rank, contig in enumerate(CONTIGS)}

_ALIASES: Final[Mapping[str, str]] = {
    **{contig: contig for contig in CONTIGS},
    **{contig.removeprefix("chr"): contig for contig in CONTIGS},
    "chrMT": "chrM",
    "MT": "chrM",
    "23": "chrX",
    "24": "chrY",
    "chr23": "chrX",
    "chr24": "chrY",
}


def canonical_contig(name: str) -> str | None:
    """The lake's spelling of contig *name*, or None for a contig that the lake does not hold.

    >>> canonical_contig("1"), canonical_contig("MT"), canonical_contig("GL000191.1")
    ('chr1', 'chrM', None)
    """
    return _ALIASES.get(name)


@dataclass(frozen=True, order=True)
class Region:
    """A stretch of one contig; *start* and *end* are 1-based and both included, as in VCF."""

    contig: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.contig not in CONTIG_ORDER:
            raise ValueError(f"unknown contig {self.contig!r}")
        if not 1 <= self.start <= self.end:
            raise ValueError(f"start {self.start} and end {self.end} are not a 1-based range")

    def holds(self, contig: str, pos: int) -> bool:
        """Whether 1-based position *pos* of *contig* lies inside."""
        return contig == self.contig and self.start <= pos <= self.end


@dataclass(frozen=True)
class Assembly:
    """A reference build: its contig lengths in bases and its pseudo-autosomal regions."""

    name: str
    lengths: Mapping[str, int]
    pseudo_autosomal: tuple[Region, ...]


def _lengths(*bases: int) -> Mapping[str, int]:
    return dict(zip(CONTIGS, bases, strict=True))


# Lengths as in the assemblies' own sequence reports; PAR as listed by the Genome Reference Consortium.
GRCH37: Final = Assembly(
    "GRCh37",
    _lengths(
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431,
        135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248,
        59128983, 63025520, 48129895, 51304566, 155270560, 59373566, 16569,
    ),
    (
        Region("chrX", 60001, 2699520), Region("chrX", 154931044, 155260560),
        Region("chrY", 10001, 2649520), Region("chrY", 59034050, 59363566),
    ),
)  # fmt: skip
GRCH38: Final = Assembly(
    "GRCh38",
    _lengths(
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717,
        133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285,
        58617616, 64444167, 46709983, 50818468, 156040895, 57227415, 16569,
    ),
    (
        Region("chrX", 10001, 2781479), Region("chrX", 155701383, 156030895),
        Region("chrY", 10001, 2781479), Region("chrY", 56887903, 57217415),
    ),
)  # fmt: skip
T2T_CHM13: Final = Assembly(
    "T2T-CHM13v2.0",
    _lengths(
        248387328, 242696752, 201105948, 193574945, 182045439, 172126628, 160567428, 146259331, 150617247,
        134758134, 135127769, 133324548, 113566686, 101161492, 99753195, 96330374, 84276897, 80542538,
        61707364, 66210255, 45090682, 51324926, 154259566, 62460029, 16569,
    ),
    (
        Region("chrX", 1, 2394410), Region("chrX", 153925835, 154259566),
        Region("chrY", 1, 2458320), Region("chrY", 62122810, 62460029),
    ),
)  # fmt: skip
ASSEMBLIES: Final[Mapping[str, Assembly]] = {build.name: build for build in (GRCH37, GRCH38, T2T_CHM13)}

Stretch = Literal["par", "nonpar"]


def stretch_of(assembly: Assembly, contig: str, pos: int) -> Stretch:
    """Whether 1-based *pos* lies in a pseudo-autosomal region of chrX or chrY; 'nonpar' elsewhere.

    Autosomes and chrM are one stretch each, called 'nonpar'.
    """
    return "par" if any(region.holds(contig, pos) for region in assembly.pseudo_autosomal) else "nonpar"


def ploidy_by_sex(contig: str, stretch: Stretch, sex: Sex | None) -> int:
    """Alleles that a person of *sex* is expected to carry: 0, 1 or 2.

    chrX outside PAR: males 1; chrY outside PAR: males 1, females 0; chrM: 1; all else 2.
    A person whose sex is not known counts as female on chrX and as not called on chrY.
    """
    if contig == "chrM":
        return 1
    if stretch == "par" or contig not in ("chrX", "chrY"):
        return 2
    if contig == "chrX":
        return 1 if sex == "M" else 2
    return 1 if sex == "M" else 0


def variant_id(contig: str, pos: int, ref: str, alt: str, end_pos: int | None = None) -> str:
    """The identifier `chr-pos-ref-alt`; a symbolic allele carries its 1-based end as a fifth part.

    >>> variant_id("chr1", 1000, "N", "<DEL>", 1500)
    'chr1-1000-<DEL>-1500'
    """
    if alt.startswith("<") and end_pos is not None:
        return f"{contig}-{pos}-{alt}-{end_pos}"
    return f"{contig}-{pos}-{ref}-{alt}"
