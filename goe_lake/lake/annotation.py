"""What is known about sites from outside the VCF: genes by place, and a table of annotated variants."""

from __future__ import annotations

import gzip
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from goe_lake.config import Annotation
from goe_lake.errors import InputError
from goe_lake.genome import canonical_contig
from goe_lake.lake.tables import column_of, read_text_table, require_columns
from goe_lake.vcf.alleles import trim

GTF_ENDINGS: Final = (".gtf", ".gtf.gz", ".gff", ".gff.gz", ".gff3", ".gff3.gz")


class Note(NamedTuple):
    """What the annotation table says about one variant."""

    rsid: str | None
    gene: str | None
    consequence: str | None


class Gene(NamedTuple):
    """A gene on one contig; *start* and *end* are 1-based and both included."""

    start: int
    end: int
    symbol: str


@dataclass(frozen=True, eq=False)
class Annotations:
    """All that is known about sites, by contig: *notes* by (pos, ref, alt), *genes* in file order."""

    notes: Mapping[str, Mapping[tuple[int, str, str], Note]]
    genes: Mapping[str, tuple[Gene, ...]]
    warnings: tuple[str, ...] = ()

    def note(self, contig: str, pos: int, ref: str, alt: str) -> Note | None:
        """What the table says about a variant; *pos* is 1-based."""
        return self.notes.get(contig, {}).get((pos, ref, alt))

    def genes_at(self, contig: str, positions: npt.NDArray[np.int64]) -> list[str | None]:
        """For each 1-based position the first gene of the file that holds it, None where none does."""
        starts, symbols = _segments(self.genes.get(contig, ()))
        return [symbols[place] for place in np.searchsorted(starts, positions, side="right")]


def read_annotations(annotation: Annotation) -> Annotations:
    """Read the files that `[annotation]` names; raises InputError."""
    warnings: list[str] = []
    notes = _read_notes(annotation.variants, warnings) if annotation.variants else {}
    genes = _read_genes(annotation.genes, warnings) if annotation.genes else {}
    return Annotations(notes, genes, tuple(warnings))


def _segments(genes: tuple[Gene, ...]) -> tuple[npt.NDArray[np.int64], list[str | None]]:
    """The first bases of stretches with the same first gene, and that gene, a gap in front."""
    events = sorted(
        {gene.start for gene in genes} | {gene.end + 1 for gene in genes}
    )  # fmt: skip
    opening = sorted(range(len(genes)), key=lambda place: genes[place].start)
    open_genes: list[int] = []
    symbols: list[str | None] = [None]
    following = 0
    for base in events:
        while following < len(opening) and genes[opening[following]].start <= base:
            heapq.heappush(open_genes, opening[following])
            following += 1
        # a gene that has ended only matters once it is first in line
        while open_genes and genes[open_genes[0]].end < base:
            heapq.heappop(open_genes)
        symbols.append(genes[open_genes[0]].symbol if open_genes else None)
    return np.array(events, np.int64), symbols


def _read_genes(path: Path, warnings: list[str]) -> dict[str, tuple[Gene, ...]]:
    if path.name.lower().endswith(GTF_ENDINGS):
        raise InputError(path, "GTF is not read yet", "give a BED: contig, start (0-based), end, symbol")
    found: dict[str, list[Gene]] = {}
    left_out = 0
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t")
        if len(fields) < 4 or not fields[1].isdecimal() or not fields[2].isdecimal():
            raise InputError(
                path,
                "is not a BED line of contig, start, end and symbol",
                "mend or remove it",
                f"line {number}",
            )
        contig = canonical_contig(fields[0])
        if contig is None:
            left_out += 1
        else:
            found.setdefault(contig, []).append(Gene(int(fields[1]) + 1, int(fields[2]), fields[3].strip()))
    if left_out:
        warnings.append(f"{path.name}: {left_out} genes lie on contigs that the lake does not hold")
    return {contig: tuple(genes) for contig, genes in found.items()}


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            for line in lines:
                yield line.rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read: {error}", "give a BED in UTF-8, plain or gzip") from None


def _read_notes(path: Path, warnings: list[str]) -> dict[str, dict[tuple[int, str, str], Note]]:
    texts = read_text_table(path)
    require_columns(path, texts, ("contig", "pos", "ref", "alt"))
    names = ("contig", "pos", "ref", "alt", "rsid", "gene", "consequence")
    columns = [column_of(texts, name).to_pylist() for name in names]
    found: dict[str, dict[tuple[int, str, str], Note]] = {}
    left_out = repeated = 0
    for row, (name, pos, ref, alt, *note) in enumerate(zip(*columns, strict=True), 1):
        contig = canonical_contig(name or "")
        if contig is None:
            left_out += 1
            continue
        if not (pos and pos.isdecimal() and ref and alt):
            raise InputError(
                path, f"pos {pos!r}, ref {ref!r}, alt {alt!r} is no variant", "mend it", f"row {row}"
            )
        key = (int(pos), ref, alt) if alt.startswith("<") else trim(int(pos), ref.upper(), alt.upper())
        known = found.setdefault(contig, {})
        repeated += key in known
        known.setdefault(key, Note(*note))
    for count, problem in (
        (left_out, "rows name contigs that the lake does not hold"),
        (repeated, "rows annotate a variant again; the first row stands"),
    ):
        if count:
            warnings.append(f"{path.name}: {count} {problem}")
    return found
