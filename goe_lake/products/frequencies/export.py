"""Writing a release in another format: to a temporary name first, so that an export is whole or absent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from goe_lake.errors import LakeError
from goe_lake.genome import CONTIG_ORDER, canonical_contig
from goe_lake.lake.layout import digest_of
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.products.frequencies import manifest as files_of
from goe_lake.products.frequencies.export_bcf import write_bcf
from goe_lake.products.frequencies.export_gdi import write_gdi
from goe_lake.products.frequencies.export_tables import write_parquet, write_tsv
from goe_lake.products.frequencies.export_vcf import write_vcf
from goe_lake.products.frequencies.formats import ExportFormat
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.products.staging import check_free, put_in_place, sync_all

EXPORTS: Final = "exports"
#: Files that lie beside an export and belong to it.
INDEXES: Final = (".tbi", ".csi")


_ENDINGS: Final = {
    ExportFormat.PARQUET: ".parquet",
    ExportFormat.VCF: ".vcf.gz",
    ExportFormat.BCF: ".bcf",
    ExportFormat.TSV: ".tsv.gz",
    ExportFormat.GDI: "-gdi",
}
_WRITERS: Final[
    dict[ExportFormat, Callable[[EuropeanRelease, Path, Sequence[str]], Iterator[tuple[int, int]]]]
] = {
    ExportFormat.PARQUET: write_parquet,
    ExportFormat.VCF: write_vcf,
    ExportFormat.BCF: write_bcf,
    ExportFormat.TSV: write_tsv,
}


@dataclass(frozen=True)
class Exported:
    """What was written: *records* (lines of a VCF or BCF, rows of the rest) of *sites*, in *files*.

    *sha256* is the digest of the file; for several files, of the lines that `sha256sum` prints for them
    with paths relative to the folder, in the order of the paths.
    """

    path: Path
    sites: int
    records: int
    files: tuple[Path, ...]
    bytes: int
    sha256: str


def export_release(
    release: EuropeanRelease,
    format_: ExportFormat,
    out: Path | None = None,
    *,
    contigs: Sequence[str] | None = None,
    issued: date | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write *release*, or some of its *contigs*, in *format_* to *out*; by default below its `exports/`.

    Raises LakeError where *out* exists (unless *force*) or the release lacks a contig.
    """
    target = out if out is not None else default_path(release, format_, contigs)
    chosen = chosen_contigs(release, contigs)
    check_free(target, force=force)
    if format_ is ExportFormat.VCF and not target.name.endswith(".gz"):
        raise LakeError(target, "a VCF is written block-compressed", "let its name end in .vcf.gz")
    steps = OneAtATime(progress)
    total = sum(release.manifest.file(files_of.SITES, contig).rows for contig in chosen)
    steps.start(str(format_), total)
    sites = records = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        written = Path(folder) / target.name
        if format_ is ExportFormat.GDI:
            pieces = write_gdi(release, written, chosen, issued)
        else:
            pieces = _WRITERS[format_](release, written, chosen)
        for count, written_now in pieces:
            sites, records = sites + count, records + written_now
            steps.advance(str(format_), count)
        files = _install(Path(folder), target)
    steps.finish(str(format_))
    size = sum(file.stat().st_size for file in files)
    return Exported(target, sites, records, files, size, _digest(target, files))


def default_path(release: EuropeanRelease, format_: ExportFormat, contigs: Sequence[str] | None) -> Path:
    """Where an export goes that is given no path: `R/exports/goe-frequencies-3.chr20.vcf.gz`."""
    some = "." + "-".join(chosen_contigs(release, contigs)) if contigs else ""
    name = f"goe-frequencies-{release.manifest.number}{some}{_ENDINGS[format_]}"
    return release.root / EXPORTS / name


def chosen_contigs(release: EuropeanRelease, contigs: Sequence[str] | None) -> tuple[str, ...]:
    """The named *contigs* (chr20 or 20) in the order of chromosomes; all of the release by default."""
    if not contigs:
        return release.contigs
    found = set()
    for name in contigs:
        contig = canonical_contig(name)
        if contig not in release.contigs:
            held = ", ".join(release.contigs) or "none"
            raise LakeError(release.root, f"holds no contig {name}", f"it holds: {held}")
        found.add(contig)
    return tuple(sorted(found, key=CONTIG_ORDER.__getitem__))


def _install(folder: Path, target: Path) -> tuple[Path, ...]:
    """Move what lies in *folder* to *target* and beside it; its files there."""
    sync_all(folder)
    for ending in INDEXES:  # an index of an earlier file must never lie beside the new one
        target.with_name(target.name + ending).unlink(missing_ok=True)
    put_in_place(folder / target.name, target)
    for index in sorted(folder.iterdir()):
        put_in_place(index, target.with_name(index.name))
    beside = [target.with_name(target.name + ending) for ending in INDEXES]
    inside = sorted(path for path in target.rglob("*") if path.is_file()) if target.is_dir() else [target]
    return (*inside, *(path for path in beside if path.is_file()))


def _digest(target: Path, files: Sequence[Path]) -> str:
    if target.is_file():
        return digest_of(target)
    lines = "".join(f"{digest_of(file)}  {file.relative_to(target)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()
