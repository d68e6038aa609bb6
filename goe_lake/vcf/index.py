"""Indexes of block-compressed VCF and BCF files: tabix and CSI, as their specifications define them.

Both have six levels of bins, the smallest of 2**14 bases, and a pseudo-bin a contig that holds counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from goe_lake.vcf.bgzf import BgzfWriter

SMALLEST_SHIFT: Final = 14
DEEPEST_LEVEL: Final = 5
COUNTS_BIN: Final = 37_450
VCF_PRESET: Final = 2
_NONE: Final = np.uint64(2**64 - 1)
_NO_PLACE: Final = struct.pack("<Q", 0)  # records without a place: none

Integers = npt.NDArray[np.int64]
Addresses = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class RecordPlaces:
    """Where the records of one contig lie, sorted by start.

    *start* and *end* are 0-based half-open bases; *address* and *next_address* the BGZF addresses of
    each record's first byte and of the byte behind it.
    """

    start: Integers
    end: Integers
    address: Addresses
    next_address: Addresses


#: Chunks of a bin, as rows of two addresses; by the bin's number.
_Chunks = tuple[int, Addresses]


def write_tabix(path: Path, contigs: Sequence[str], places: Sequence[RecordPlaces]) -> None:
    """Write the tabix index of a VCF whose *contigs* hold *places*, in the order of the file.

    A contig without records is left out, as tabix does.
    """
    held = [(contig, found) for contig, found in zip(contigs, places, strict=True) if len(found.start)]
    names = b"".join(contig.encode() + b"\0" for contig, _ in held)
    with BgzfWriter(path) as index:
        index.write(struct.pack("<4s8i", b"TBI\1", len(held), VCF_PRESET, 1, 2, 0, ord("#"), 0, len(names)))
        index.write(names)
        for _, found in held:
            bins = list(_bins(found))
            index.write(struct.pack("<i", len(bins)))
            for number, chunks in bins:
                index.write(struct.pack("<Ii", number, len(chunks)) + chunks.astype("<u8").tobytes())
            windows = _windows(found)
            index.write(struct.pack("<i", len(windows)) + windows.astype("<u8").tobytes())
        index.write(_NO_PLACE)


def write_csi(path: Path, places: Sequence[RecordPlaces]) -> None:
    """Write the CSI index of a BCF; *places* has one entry for each contig of the header, in its order."""
    with BgzfWriter(path) as index:
        index.write(struct.pack("<4s4i", b"CSI\1", SMALLEST_SHIFT, DEEPEST_LEVEL, 0, len(places)))
        for found in places:
            bins = list(_bins(found)) if len(found.start) else []
            windows = _windows(found) if len(found.start) else np.empty(0, np.uint64)
            index.write(struct.pack("<i", len(bins)))
            for number, chunks in bins:
                first = _first_window(number)
                least = int(windows[first]) if number < COUNTS_BIN and first < len(windows) else 0
                index.write(struct.pack("<IQi", number, least, len(chunks)) + chunks.astype("<u8").tobytes())
        index.write(_NO_PLACE)


def bins_of(start: Integers, end: Integers) -> Integers:
    """The smallest bins that hold the 0-based half-open bases *start* to *end*."""
    found = np.zeros(np.shape(start), np.int64)
    for level in range(1, DEEPEST_LEVEL + 1):
        shift = SMALLEST_SHIFT + 3 * (DEEPEST_LEVEL - level)
        fits = start >> shift == (end - 1) >> shift
        found = np.where(fits, _first_of_level(level) + (start >> shift), found)
    return found


def _first_of_level(level: int) -> int:
    return int(((1 << 3 * level) - 1) // 7)


def _first_window(number: int) -> int:
    """The first window of 16 kb in bin *number*."""
    level = next(level for level in range(DEEPEST_LEVEL, -1, -1) if number >= _first_of_level(level))
    return (number - _first_of_level(level)) << 3 * (DEEPEST_LEVEL - level)


def _bins(places: RecordPlaces) -> Iterator[_Chunks]:
    """Each bin with its stretches of the file, and the pseudo-bin at the end."""
    bins = bins_of(places.start, places.end)
    # neighbours of one bin are one stretch
    begins = np.flatnonzero(np.concatenate(([True], bins[1:] != bins[:-1])))
    ends = np.concatenate((begins[1:], [len(bins)])) - 1
    chunks = np.stack([places.address[begins], places.next_address[ends]], axis=1)
    order = np.argsort(bins[begins], kind="stable")
    numbers, first = np.unique(bins[begins][order], return_index=True)
    yield from zip(numbers.tolist(), np.split(chunks[order], first[1:]), strict=True)
    whole = [[places.address[0], places.next_address[-1]], [len(bins), 0]]
    yield COUNTS_BIN, np.array(whole, np.uint64)


def _windows(places: RecordPlaces) -> Addresses:
    """The linear index: the address of the first record in each window of 16 kb.

    An empty window has that of the next one which is not.
    """
    first, last = places.start >> SMALLEST_SHIFT, (places.end - 1) >> SMALLEST_SHIFT
    addresses = np.full(int(last.max()) + 1, _NONE)
    spans = last - first + 1
    behind = np.arange(int(spans.sum())) - np.repeat(np.cumsum(spans) - spans, spans)
    np.minimum.at(addresses, np.repeat(first, spans) + behind, np.repeat(places.address, spans))
    filled: Addresses = np.minimum.accumulate(addresses[::-1])[::-1]
    return filled
