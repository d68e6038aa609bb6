"""What is known about sites from outside the VCF: genes by place, and a table of annotated variants."""

from __future__ import annotations

import gzip
import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from goe_lake.config import NodeConfig
from goe_lake.errors import InputError
from goe_lake.genome import canonical_contig
from goe_lake.lake.known_sites import Fact, KnownSites, read_known_sites
from goe_lake.lake.layout import STAGING, digest_of
from goe_lake.lake.tables import column_of, read_text_table, require_columns
from goe_lake.vcf.alleles import trim

GFF_ENDINGS: Final = (".gff", ".gff3")
_ATTRIBUTE: Final = re.compile(r'(\w+) "([^"]*)"')


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
    """All that is known about sites, by contig: *notes* by (pos, ref, alt), *genes* in file order.

    *known* looks facts up in annotation VCFs.
    """

    notes: Mapping[str, Mapping[tuple[int, str, str], Note]]
    genes: Mapping[str, tuple[Gene, ...]]
    known: Mapping[Fact, KnownSites]
    warnings: tuple[str, ...] = ()

    def note(self, contig: str, pos: int, ref: str, alt: str) -> Note | None:
        """What the table says about a variant; *pos* is 1-based."""
        return self.notes.get(contig, {}).get((pos, ref, alt))

    def genes_at(self, contig: str, positions: npt.NDArray[np.int64]) -> list[str | None]:
        """For each 1-based position the first gene of the file that holds it, None where none does."""
        starts, symbols = _segments(self.genes.get(contig, ()))
        return [symbols[place] for place in np.searchsorted(starts, positions, side="right")]


def read_annotations(config: NodeConfig) -> Annotations:
    """Read the files that `[annotation]` names; raises InputError."""
    annotation, staging = config.annotation, config.lake / STAGING
    warnings: list[str] = []
    notes = _read_notes(annotation.variants, warnings) if annotation.variants else {}
    genes = _read_genes(annotation.genes, warnings) if annotation.genes else {}
    files: dict[Fact, Path | None] = {"rsid": annotation.dbsnp, "clinvar": annotation.clinvar}
    known = {
        fact: read_known_sites(path, fact, config.assembly, digest_of(path), staging)
        for fact, path in files.items()
        if path is not None
    }
    return Annotations(notes, genes, known, tuple(warnings))


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
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(GFF_ENDINGS):
        raise InputError(path, "is GFF3, which is not read", "give the GTF of the same release, or a BED")
    of_line = _gtf_gene if name.endswith(".gtf") else _bed_gene
    found: dict[str, list[Gene]] = {}
    left_out = 0
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        try:
            read = of_line(line.split("\t"))
        except ValueError as error:
            raise InputError(path, str(error), "mend or remove it", f"line {number}") from None
        if read is None:
            continue
        contig = canonical_contig(read[0])
        if contig is None:
            left_out += 1
        else:
            found.setdefault(contig, []).append(read[1])
    if not found:
        raise InputError(path, "holds no gene", "give a GTF with `gene` features, or a BED")
    if left_out:
        warnings.append(f"{path.name}: {left_out} genes lie on contigs that the lake does not hold")
    return {contig: tuple(genes) for contig, genes in found.items()}


def _bed_gene(fields: list[str]) -> tuple[str, Gene]:
    """The contig and the gene of a BED line, whose start is 0-based; ValueError where it is none."""
    if len(fields) < 4 or not fields[1].isdecimal() or not fields[2].isdecimal():
        raise ValueError("is not a BED line of contig, start, end and symbol")
    return fields[0], Gene(int(fields[1]) + 1, int(fields[2]), fields[3].strip())


def _gtf_gene(fields: list[str]) -> tuple[str, Gene] | None:
    """The contig and the gene of a GTF line (1-based), by gene_name, else gene_id; None for other features.

    ValueError where it is no GTF line.
    """
    if len(fields) < 9 or not fields[3].isdecimal() or not fields[4].isdecimal():
        raise ValueError("is not a GTF line of nine columns with 1-based start and end")
    if fields[2] != "gene":
        return None
    attributes = dict(_ATTRIBUTE.findall(fields[8]))
    symbol = attributes.get("gene_name") or attributes.get("gene_id")
    if not symbol:
        raise ValueError("is a gene without gene_name and gene_id")
    return fields[0], Gene(int(fields[3]), int(fields[4]), symbol)


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            for line in lines:
                yield line.rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            path, f"cannot be read: {error}", "give a BED or GTF in UTF-8, plain or gzip"
        ) from None


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
