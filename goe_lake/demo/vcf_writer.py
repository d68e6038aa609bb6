"""The calls of one country and contig as a block-compressed, indexed VCF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from goe_lake.demo.calls import CODES, MISSING, NONE, Calls
from goe_lake.demo.persons import Roster
from goe_lake.demo.randomness import stream
from goe_lake.demo.sites import FILTERS, Panel, Site
from goe_lake.genome import GRCH38
from goe_lake.vcf.bgzf import BgzfWriter
from goe_lake.vcf.index import RecordPlaces, write_tabix

MEAN_DEPTH: Final = 32
DEPTH_SPREAD_OF_PERSONS: Final = 4
DEPTH_SPREAD: Final = 5.5
DEEPEST: Final = 250
BEST_QUALITY: Final = 99
UNKNOWN_QUALITY: Final = 100
# Calls that are encoded at once, so that memory does not grow with the cohort
CALLS_AT_ONCE: Final = 1_000_000

_HEADER: Final = """\
##fileformat=VCFv4.2
##source=goe_lake demo: simulated persons, made-up REF bases
{filters}##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Read depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Copies of each alternate allele in this file">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Called alleles in this file">
{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}
"""
_FILTER_TEXTS: Final = {
    "PASS": "All filters passed",
    "LowQual": "Low quality",
    "VQSRTrancheSNP99.90to100.00": "Recalibrated score in the lowest tranche",
    "ExcessHet": "More heterozygotes than expected",
}


@dataclass(frozen=True)
class NodeSites:
    """What one country's file says of a locus: the sites someone carries, with the alternates found there.

    *calls* and *counts*, the number of times each allele was called, are those of *sites*; alleles are
    numbered anew after the alternates that are left.
    """

    sites: tuple[Site, ...]
    calls: Calls
    counts: NDArray[np.int64]


def sites_of_node(panel: Panel, calls: Calls) -> NodeSites:
    """Leave out what nobody of the country was found to carry, as a real delivery does."""
    counts = calls.counts()
    kept = np.flatnonzero(counts[:, 1:].any(axis=1))
    rows, counts = calls.rows[kept], counts[kept]
    found = counts > 0
    found[:, 0] = True
    # Alleles that are left move down over those that are not; missing and absent ones stay.
    renumbered = np.tile(np.arange(CODES, dtype=np.uint8), (len(rows), 1))
    renumbered[:, :MISSING] = found.cumsum(axis=1) - 1
    kept_alts = (np.flatnonzero(has_alt) for has_alt in found[:, 1:])
    return NodeSites(
        tuple(_with_alts(panel.sites[row], alts) for row, alts in zip(rows, kept_alts, strict=True)),
        Calls(
            rows,
            np.take_along_axis(renumbered, calls.first[kept], axis=1),
            np.take_along_axis(renumbered, calls.second[kept], axis=1),
        ),
        counts,
    )


def _with_alts(site: Site, kept: NDArray[np.intp]) -> Site:
    if len(kept) == len(site.alts):
        return site
    return replace(
        site,
        alts=tuple(site.alts[place] for place in kept),
        consequences=tuple(site.consequences[place] for place in kept),
    )


def write_vcf(path: Path, contig: str, roster: Roster, parts: Sequence[NodeSites], seed: int) -> None:
    """Write *parts* of one contig, in rising order, to the VCF at *path*, with its tabix index beside it."""
    depths = _person_depths(roster, seed)
    random = stream(seed, "quality", roster.country.code, contig)
    places = []
    with BgzfWriter(path) as vcf:
        vcf.write(_header(roster))
        for part in parts:
            cells = _encoded_rows(part.calls, depths, random)
            for fixed, site, row in zip(_fixed_columns(part, random), part.sites, cells, strict=True):
                offset = vcf.offset
                vcf.write(fixed + row + b"\n")
                places.append((site.pos - 1, site.pos - 1 + len(site.ref), offset, vcf.offset))
    start, end, before, after = np.array(places, np.int64).reshape(-1, 4).T
    records = RecordPlaces(start, end, vcf.virtual_offsets(before), vcf.virtual_offsets(after))
    write_tabix(path.with_name(path.name + ".tbi"), [contig], [records])


def _header(roster: Roster) -> bytes:
    filters = "".join(f'##FILTER=<ID={name},Description="{_FILTER_TEXTS[name]}">\n' for name in FILTERS)
    contigs = "".join(
        f"##contig=<ID={contig},length={length},assembly={GRCH38.name}>\n"
        for contig, length in GRCH38.lengths.items()
    )
    return _HEADER.format(filters=filters, contigs=contigs, samples="\t".join(roster.sample_ids)).encode()


def _fixed_columns(part: NodeSites, random: np.random.Generator) -> Iterator[bytes]:
    """The first nine columns of each record, with the tab after them."""
    noise = random.random(len(part.sites))
    for site, counts, luck in zip(part.sites, part.counts.tolist(), noise.tolist(), strict=True):
        carried = [count for count in counts[1:] if count]
        quality = 30 + 12 * min(sum(carried), 400) + 60 * luck
        info = f"AC={','.join(map(str, carried))};AN={sum(counts)}"
        columns = (
            site.contig, str(site.pos), site.rsid or ".", site.ref, ",".join(site.alts),
            f"{quality:.2f}", site.filter, info, "GT:DP:GQ",
        )  # fmt: skip
        yield ("\t".join(columns) + "\t").encode()


def _person_depths(roster: Roster, seed: int) -> NDArray[np.float32]:
    """The mean read depth of each person's genome."""
    random = stream(seed, "depth", roster.country.code)
    return random.normal(MEAN_DEPTH, DEPTH_SPREAD_OF_PERSONS, len(roster)).astype(np.float32)


def _encoded_rows(calls: Calls, depths: NDArray[np.float32], random: np.random.Generator) -> Iterator[bytes]:
    """The sample columns of each record, as text."""
    sites, persons = calls.first.shape
    step = max(1, CALLS_AT_ONCE // persons)
    for start in range(0, sites, step):
        first, second = calls.first[start : start + step], calls.second[start : start + step]
        depth = _depths(first, second, depths, random)
        quality = _qualities(first, second, depth, random)
        cells = np.concatenate([_GT[first * CODES + second], _DP[depth], _GQ[quality]], axis=2)
        for row in cells:
            # Short numbers are padded with zero bytes; the last cell ends with a tab too many.
            yield row.tobytes().translate(None, b"\0")[:-1]


def _depths(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    depths: NDArray[np.float32],
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """Reads at each call: half as many on a lone X, hardly any where no allele was called."""
    depth = random.standard_normal(first.shape, np.float32) * DEPTH_SPREAD + depths
    depth[second == NONE] /= 2
    lost = first == MISSING
    depth[lost] = random.integers(0, 4, int(lost.sum()))
    reads: NDArray[np.uint8] = np.clip(depth, 0, DEEPEST).astype(np.uint8)
    return reads


def _qualities(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    depth: NDArray[np.uint8],
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """Genotype qualities: three for each read, five at heterozygotes, less for some calls."""
    per_read = np.where((first != second) & (second < MISSING), 5, 3).astype(np.uint16)
    quality: NDArray[np.int16] = np.minimum(depth * per_read, BEST_QUALITY).astype(np.int16)
    luck = random.integers(0, 256, first.shape, np.uint8)
    quality -= np.where(luck < 48, luck, 0)
    quality = np.maximum(quality, 0)
    quality[first == MISSING] = UNKNOWN_QUALITY
    return quality.astype(np.uint8)


def _padded(texts: Sequence[str]) -> NDArray[np.uint8]:
    """A table of *texts* as bytes, filled up with zero bytes."""
    width = max(map(len, texts))
    return np.array([text.encode() for text in texts], f"S{width}").view(np.uint8).reshape(len(texts), width)


def _genotype_text(first: int, second: int) -> str:
    letters = "0123."
    return letters[first : first + 1] + (f"/{letters[second]}" if second < NONE else "")


_GT: Final = _padded([_genotype_text(first, second) for first in range(CODES) for second in range(CODES)])
_DP: Final = _padded([f":{depth}" for depth in range(DEEPEST + 1)])
_GQ: Final = _padded([*(f":{quality}\t" for quality in range(BEST_QUALITY + 1)), ":.\t"])
