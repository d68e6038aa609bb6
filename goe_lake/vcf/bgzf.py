"""Blocked gzip (BGZF) files, as the SAM specification defines them."""

from __future__ import annotations

import struct
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

# As htslib does: the text of a block is short enough that even incompressible bytes fit its 16-bit size.
BLOCK_BYTES: Final = 0xFF00
LEVEL: Final = 4
END_OF_FILE: Final = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_HEADER: Final = struct.Struct("<4BI2BH2B2H")
_HEADER_FIELDS: Final = (0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, ord("B"), ord("C"), 2)
#: Blocks that may wait for their turn, for each thread (bounds memory).
_WAITING: Final = 16


def compress_block(data: bytes) -> bytes:
    """One block that holds *data*, at most `BLOCK_BYTES` long."""
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    header = _HEADER.pack(*_HEADER_FIELDS, len(body) + _HEADER.size + 8 - 1)
    return header + body + struct.pack("<II", zlib.crc32(data), len(data))


class BgzfWriter:
    """A BGZF file in the making; *offset* counts the uncompressed bytes written so far.

    With *threads* above 1, blocks are compressed side by side; the bytes are the same.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.offset = 0
        self._file = path.open("wb")
        self._pending = bytearray()
        self._block_starts = [0]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._most_waiting = _WAITING * threads
        self._waiting: deque[Future[bytes]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._file.close()

    def write(self, data: bytes | memoryview) -> None:
        """Add *data* to the file."""
        self.offset += len(data)
        self._pending += data
        whole = len(self._pending) // BLOCK_BYTES * BLOCK_BYTES
        for start in range(0, whole, BLOCK_BYTES):
            self._put(bytes(self._pending[start : start + BLOCK_BYTES]))
        del self._pending[:whole]

    def _finish(self) -> None:
        if self._pending:
            self._put(bytes(self._pending))
        while self._waiting:
            self._append(self._waiting.popleft().result())
        self._file.write(END_OF_FILE)

    def _put(self, data: bytes) -> None:
        if self._pool is None:
            self._append(compress_block(data))
            return
        self._waiting.append(self._pool.submit(compress_block, data))
        if len(self._waiting) > self._most_waiting:
            self._append(self._waiting.popleft().result())

    def _append(self, block: bytes) -> None:
        self._block_starts.append(self._block_starts[-1] + self._file.write(block))

    def virtual_offset(self, offset: int) -> int:
        """The BGZF address of uncompressed *offset*, once the file is closed."""
        return int(self.virtual_offsets(np.array([offset]))[0])

    def virtual_offsets(self, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        """The BGZF addresses of uncompressed *offsets*, once the file is closed."""
        block, within = np.divmod(offsets, BLOCK_BYTES)
        # The end of the text lies within its last block if that is a short one.
        starts = np.array(self._block_starts, np.uint64)
        addresses: npt.NDArray[np.uint64] = starts[block] << np.uint64(16) | within.astype(np.uint64)
        return addresses
