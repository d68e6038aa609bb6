"""Callable regions as a BED file: where every person of a delivery was looked at."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path

from goe_lake.errors import InputError
from goe_lake.genome import ASSEMBLIES, canonical_contig

#: First and last bases by contig, 1-based and both included, sorted and apart from each other.
Regions = Mapping[str, tuple[tuple[int, int], ...]]


def read_regions(path: Path, assembly: str) -> tuple[Regions, list[str]]:
    """The regions in the BED file at *path* (plain or gzip), and warnings.

    Raises InputError naming the line that is no region of *assembly*, or where no region lies on a
    contig that the lake holds.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    left_out = 0
    for number, line in _lines(path):
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 3 or not fields[1].isdecimal() or not fields[2].isdecimal():
            raise InputError(path, "is no BED line of contig, start and end", "mend it", f"line {number}")
        # BED counts from 0 and leaves the end out
        first, last = int(fields[1]) + 1, int(fields[2])
        contig = canonical_contig(fields[0])
        if contig is None:
            left_out += 1
            continue
        length = ASSEMBLIES[assembly].lengths[contig]
        if first > last or last > length:
            raise InputError(
                path,
                f"{fields[0]}:{fields[1]}-{fields[2]} is no stretch of {contig}, which has {length} bases",
                f"give regions of {assembly}, start below end",
                f"line {number}",
            )
        found.setdefault(contig, []).append((first, last))
    if not found:
        raise InputError(
            path, "holds no region on chr1 .. chrM", "give a BED of contig, start (0-based), end"
        )
    warnings = [f"{path.name}: {left_out} regions lie on contigs that the lake does not hold"]
    return {contig: _apart(regions) for contig, regions in found.items()}, warnings if left_out else []


def _apart(regions: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted regions, with those that touch or overlap made one."""
    kept: list[tuple[int, int]] = []
    for first, last in sorted(regions):
        if kept and first <= kept[-1][1] + 1:
            kept[-1] = kept[-1][0], max(kept[-1][1], last)
        else:
            kept.append((first, last))
    return tuple(kept)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are regions, with their numbers."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip() and not line.startswith(("#", "track", "browser")):
                    yield number, line.rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read: {error}", "give a BED in UTF-8, plain or gzip") from None
