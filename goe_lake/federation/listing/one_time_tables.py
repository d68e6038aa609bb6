"""Whether sums reach a threshold, for two who look that up without either reading a sum.

Three nodes have a part. The *dealer* draws a shift for every sum and adds it, so that the two *readers* see
a sum v that is uniform whatever is in it. For each sum the dealer also writes the table of all answers,
shifted alike (row v is whether v less the shift reaches the threshold), and splits it: one reader's share
is noise of a key that it has with the dealer, the other's is the table masked by that noise. Each looks up
row v in its share, and the two bits together are the answer. Beaver, *One-Time Tables for Two-Party
Computation* (COCOON 1998). A table serves one sum and is never used again.

Sums are below the number of rows, a power of two: nodes cap what they count at the threshold, which
changes no answer.
"""

from __future__ import annotations

import os
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from goe_lake.federation.sealing import ChaChaStream

#: Numbers modulo 2^16: the counts of one node, or their sums.
Lanes: TypeAlias = npt.NDArray[np.uint16]
Bits: TypeAlias = npt.NDArray[np.bool_]
MOST_ROWS: Final = 1 << 14
_WORD: Final = 64
#: Tables that are made or read at a time: they stay in the processor's cache.
_STEP: Final = 1 << 14


def rows_for(nodes: int, least: int) -> int:
    """The rows of a table for sums over so many *nodes* and the threshold *least*, a power of two.

    Raises ValueError where no table is that long.
    """
    rows = max(_WORD, 1 << (nodes * least).bit_length())
    if rows > MOST_ROWS:
        raise ValueError(f"a threshold of {least} over {nodes} nodes is too large for one-time tables")
    return rows


def shifts(count: int) -> Lanes:
    """*count* uniform shifts from the machine's source of randomness."""
    return np.frombuffer(ChaChaStream(os.urandom(32)).next_bytes(2 * count), dtype="<u2").astype(np.uint16)


def dealt(shift: Lanes, rows: int, least: int, key: bytes) -> bytes:
    """The tables of all *shift*, each of *rows* bits, masked by the noise of *key*: one reader's share."""
    answers, noise = _answers(rows, least), ChaChaStream(key)
    share = bytearray()
    for start in range(0, len(shift), _STEP):
        tables = answers[shift[start : start + _STEP] & np.uint16(rows - 1)]
        share += (tables ^ _words(noise.next_bytes(tables.nbytes), rows)).tobytes()
    return bytes(share)


def looked_up(sums: Lanes, rows: int, share: bytes | ChaChaStream) -> Bits:
    """One reader's bit for each of *sums*, in its *share*: what was dealt, or the noise itself."""
    found = np.zeros(len(sums), dtype=bool)
    width = rows // 8
    for start in range(0, len(sums), _STEP):
        part = sums[start : start + _STEP] & np.uint16(rows - 1)
        if isinstance(share, bytes):
            tables = _words(share[start * width : (start + len(part)) * width], rows)
        else:
            tables = _words(share.next_bytes(len(part) * width), rows)
        words = tables[np.arange(len(part)), part >> np.uint16(6)]
        found[start : start + _STEP] = (words >> (part & np.uint16(63)).astype(np.uint64)) & np.uint64(1)
    return found


def _words(share: bytes, rows: int) -> npt.NDArray[np.uint64]:
    return np.frombuffer(share, dtype="<u8").reshape(-1, rows // _WORD)


def _answers(rows: int, least: int) -> npt.NDArray[np.uint64]:
    """For each shift the table of answers, shape (rows, rows / 64): bit v is whether v - shift >= least."""
    place = np.arange(rows)
    reached = ((place[None, :] - place[:, None]) % rows) >= least
    return np.packbits(reached, axis=1, bitorder="little").view("<u8").astype(np.uint64)
