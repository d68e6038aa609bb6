"""Blocked gzip (BGZF) files and their tabix indexes, as the SAM and tabix specifications define them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

# As htslib does: the text of a block is short enough that even incompressible bytes fit its 16-bit size.
BLOCK_BYTES: Final = 0xFF00
LEVEL: Final = 4
END_OF_FILE: Final = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_HEADER: Final = struct.Struct("<4BI2BH2B2H")
_HEADER_FIELDS: Final = (0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, ord("B"), ord("C"), 2)

# Tabix: six levels of bins, the smallest of 2**14 bases, and a pseudo-bin that holds counts
SMALLEST_SHIFT: Final = 14
DEEPEST_LEVEL: Final = 5
COUNTS_BIN: Final = 37_450
VCF_PRESET: Final = 2


def compress_block(data: bytes) -> bytes:
    """One block that holds *data*, at most `BLOCK_BYTES` long."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    header = _HEADER.pack(*_HEADER_FIELDS, len(body) + _HEADER.size + 8 - 1)
    return header + body + struct.pack("<II", zlib.crc32(data), len(data))


class BgzfWriter:
    """A BGZF file in the making; *offset* counts the uncompressed bytes written so far."""

    def __init__(self, path: Path) -> None:
        self.offset = 0
        self._file = path.open("wb")
        self._pending = bytearray()
        self._block_starts = [0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pending:
            self._write_block(bytes(self._pending))
        self._file.write(END_OF_FILE)
        self._file.close()

    def write(self, data: bytes) -> None:
        """Add *data* to the file."""
        self.offset += len(data)
        self._pending += data
        while len(self._pending) >= BLOCK_BYTES:
            self._write_block(bytes(self._pending[:BLOCK_BYTES]))
            del self._pending[:BLOCK_BYTES]

    def _write_block(self, data: bytes) -> None:
        self._block_starts.append(self._block_starts[-1] + self._file.write(compress_block(data)))

    def virtual_offset(self, offset: int) -> int:
        """The BGZF address of uncompressed *offset*, once the file is closed."""
        block, within = divmod(offset, BLOCK_BYTES)
        # The end of the text lies within its last block if that is a short one.
        return self._block_starts[block] << 16 | within


@dataclass(frozen=True)
class IndexedRecord:
    """Where a record lies: 0-based half-open bases, and BGZF addresses of its text."""

    start: int
    end: int
    address: int
    next_address: int


def write_tabix_index(path: Path, contig: str, records: Sequence[IndexedRecord]) -> None:
    """Write the tabix index of a VCF that holds *records* of one contig, sorted by start."""
    names = contig.encode() + b"\0" if records else b""
    sequences = 1 if records else 0
    header = struct.pack("<4s8i", b"TBI\1", sequences, VCF_PRESET, 1, 2, 0, ord("#"), 0, len(names))
    body = _bins(records) + _windows(records) if records else b""
    without_place = struct.pack("<Q", 0)
    with BgzfWriter(path) as index:
        index.write(header + names + body + without_place)


def bin_of(start: int, end: int) -> int:
    """The smallest bin that holds the 0-based half-open bases *start* to *end*."""
    for level in range(DEEPEST_LEVEL, 0, -1):
        shift = SMALLEST_SHIFT + 3 * (DEEPEST_LEVEL - level)
        if start >> shift == (end - 1) >> shift:
            first_of_level = ((1 << 3 * level) - 1) // 7
            return first_of_level + (start >> shift)
    return 0


def _bins(records: Sequence[IndexedRecord]) -> bytes:
    """The binning index: chunks of the file, by bin."""
    chunks: dict[int, list[list[int]]] = {}
    for record in records:
        known = chunks.setdefault(bin_of(record.start, record.end), [])
        if known and known[-1][1] == record.address:
            known[-1][1] = record.next_address
        else:
            known.append([record.address, record.next_address])
    chunks[COUNTS_BIN] = [[records[0].address, records[-1].next_address], [len(records), 0]]
    packed = [struct.pack("<i", len(chunks))]
    for number, pairs in chunks.items():
        packed.append(struct.pack("<Ii", number, len(pairs)))
        packed += [struct.pack("<QQ", *pair) for pair in pairs]
    return b"".join(packed)


def _windows(records: Sequence[IndexedRecord]) -> bytes:
    """The linear index: the address of the first record in each window of 16 kb."""
    count = (max(record.end for record in records) - 1 >> SMALLEST_SHIFT) + 1
    addresses: list[int | None] = [None] * count
    for record in records:
        for window in range(record.start >> SMALLEST_SHIFT, (record.end - 1 >> SMALLEST_SHIFT) + 1):
            if addresses[window] is None:
                addresses[window] = record.address
    filled, last = [], records[0].address
    for address in addresses:
        last = address if address is not None else last
        filled.append(last)
    return struct.pack(f"<i{count}Q", count, *filled)
