"""A reference FASTA with its .fai index, and alleles moved as far left as the reference lets them.

Positions are 1-based.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from goe_lake.errors import InputError
from goe_lake.genome import Assembly, canonical_contig
from goe_lake.vcf.alleles import trim

#: Bases that are looked at together on the way left.
STRIDE: Final = 200
INDEX: Final = "give a plain FASTA (bgzip -d FILE) with its index beside it: samtools faidx FILE"


@dataclass(frozen=True, eq=False)
class Sequence:
    """The bases of one contig, in capital letters; read from disk as they are asked for."""

    path: Path
    length: int
    offset: int
    line_bases: int
    line_bytes: int

    def at(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The bases at *positions* as letters; 0 beyond the ends of the contig."""
        inside = (positions >= 1) & (positions <= self.length)
        places = np.clip(positions, 1, self.length) - 1
        text = np.memmap(self.path, np.uint8, "r")
        found = text[self.offset + places // self.line_bases * self.line_bytes + places % self.line_bases]
        # small letters mark repeats
        return np.where(inside, np.where(found >= ord("a"), found - 32, found), 0).astype(np.uint8)

    def bases(self, first: int, last: int) -> str:
        """The bases from *first* to *last*, both included; fewer where the contig ends."""
        return self.at(np.arange(max(1, first), min(last, self.length) + 1)).tobytes().decode("ascii")


def read_reference(path: Path, assembly: Assembly) -> dict[str, Sequence]:
    """The contigs of *assembly* in the FASTA at *path*, by the lake's names.

    Raises InputError where it has no readable index, or is another assembly.
    """
    index = path.with_name(path.name + ".fai")
    found: dict[str, Sequence] = {}
    try:
        lines = index.read_text().splitlines()
        with path.open("rb") as file:
            plain = file.read(1) == b">"
    except (OSError, UnicodeDecodeError):
        raise InputError(path, "cannot be read with its index .fai", INDEX) from None
    if not plain:
        raise InputError(path, "is not a plain FASTA", INDEX)
    for number, line in enumerate(lines, 1):
        name, *fields = line.split("\t")
        if len(fields) < 4 or not all(field.isdecimal() for field in fields[:4]):
            raise InputError(index, "is not a line of a FASTA index", INDEX, f"line {number}")
        contig = canonical_contig(name)
        if contig is not None:
            found[contig] = Sequence(path, *(int(field) for field in fields[:4]))
    others = [contig for contig in found if found[contig].length != assembly.lengths[contig]]
    if others or not found:
        problem = f"its {others[0]} has {found[others[0]].length} bases" if others else "has no chr1 .. chrM"
        raise InputError(
            index, f"{problem}, which is not {assembly.name}", f"give the FASTA of {assembly.name}"
        )
    return found


def left_aligned(sequence: Sequence, pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """The left-aligned, shortest spelling of a sequence allele (Tan, Abecasis and Kang 2015)."""
    before, first = "", pos
    while True:
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        if ref and alt:
            return trim(pos, ref, alt)
        if pos == 1:
            # at the start of a contig an indel keeps the base after it
            base = sequence.bases(1 + len(ref), 1 + len(ref))
            return pos, ref + base, alt + base
        if not before:
            before = sequence.bases(first - STRIDE, first - 1)
            first = max(1, first - STRIDE)
        pos, base, before = pos - 1, before[-1], before[:-1]
        ref, alt = base + ref, base + alt
