"""Checks of VCF headers before anything is converted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from goe_lake.errors import InputError
from goe_lake.genome import ASSEMBLIES, canonical_contig
from goe_lake.vcf.header import Header
from goe_lake.vcf.scan import Scan


def check_assembly(path: Path, header: Header, assembly: str) -> list[str]:
    """Compare the contig lengths of *header* with *assembly*; the warnings.

    Raises InputError where a length is that of another known assembly.
    """
    warnings: list[str] = []
    for name, length in header.contigs.items():
        contig = canonical_contig(name)
        if contig is None or length is None or length == ASSEMBLIES[assembly].lengths[contig]:
            continue
        others = [build.name for build in ASSEMBLIES.values() if build.lengths[contig] == length]
        if others:
            raise InputError(
                path,
                f"contig {name} has {length} bases, which is {others[0]}, and node.toml says {assembly}",
                f'lift the file over to {assembly}, or set assembly = "{others[0]}" in node.toml',
                f"##contig={name}",
            )
        warnings.append(f"{path.name}: contig {name} has {length} bases, which is no assembly known here")
    return warnings


def check_has_samples(path: Path, header: Header) -> None:
    """Raise InputError where the file has sites only."""
    if not header.samples:
        raise InputError(path, "has no samples", "give a VCF with genotypes")


def check_same_or_other_samples(owners: Mapping[str, Path], path: Path, samples: Collection[str]) -> None:
    """Raise InputError where a file of a delivery holds some samples of another, and not all of them.

    *owners* names the file of each sample so far.
    """
    both = sorted(sample for sample in samples if sample in owners)
    if both:
        raise InputError(
            path,
            f"holds {both[0]!r}, as {owners[both[0]].name} of the same [[genotypes]] entry does, "
            "and other samples",
            "files of one entry hold the same samples or none in common: bcftools view -S",
        )


def check_has_known_contig(path: Path, scan: Scan) -> None:
    """Raise InputError where no record lies on a contig that the lake holds."""
    if scan.runs and all(canonical_contig(run.contig) is None for run in scan.runs):
        raise InputError(
            path,
            f"none of its contigs is chr1 .. chrM (the first is {scan.runs[0].contig!r})",
            "rename them: bcftools annotate --rename-chrs",
            f"{'line' if scan.format == 'vcf' else 'record'} {scan.runs[0].first}",
        )


def check_disjoint(owners: Mapping[str, Path], files: Mapping[str, Path]) -> None:
    """Raise InputError where a sample already belongs to another delivery; both name its file by sample."""
    twice = [sample for sample in files if sample in owners]
    if twice:
        raise InputError(
            files[twice[0]],
            f"{len(twice)} samples are in {owners[twice[0]].name} as well, e.g. {twice[0]!r}",
            "keep each sample in one [[genotypes]] entry; files of the same samples belong in one entry",
        )
