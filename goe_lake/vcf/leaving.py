"""Leaving persons out of a chunk, as if their columns had never been in the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from goe_lake.vcf.arrow import Bits, Indexes
from goe_lake.vcf.blocks import Blocks
from goe_lake.vcf.chunk import Alleles, Chunk


def keep_persons(chunk: Chunk, kept: Indexes) -> Chunk:
    """*chunk* with only the persons at the 0-based places *kept*, in that order.

    An allele that somebody carried and nobody who is kept does makes no row any more: a list of such
    sites would be a list of the private variants of those who left. Such rows become *lost*.
    """
    count = len(chunk.records)
    staying = chunk.alleles[:, kept]
    records = np.fromiter((record for record, _ in chunk.rows), np.int64, len(chunk.rows))
    numbers = np.fromiter((row.allele for _, row in chunk.rows), np.int16, len(chunk.rows))
    lost = _carried(chunk.alleles[:count], records, numbers) & ~_carried(staying[:count], records, numbers)
    return replace(
        chunk,
        alleles=staying,
        gq=None if chunk.gq is None else chunk.gq[:, kept],
        dp=None if chunk.dp is None else chunk.dp[:, kept],
        blocks=[
            Blocks(part.pos, part.end_pos[:, kept], part.called[:, kept], part.spanning)
            for part in chunk.blocks
        ],
        rows=[row for row, gone in zip(chunk.rows, lost.tolist(), strict=True) if not gone],
        lost=[row for row, gone in zip(chunk.rows, lost.tolist(), strict=True) if gone],
    )


def _carried(alleles: Alleles, records: Indexes, numbers: Alleles) -> Bits:
    """For each row whether anybody has its allele."""
    found: Bits = (alleles[records] == numbers[:, None, None]).any(axis=(1, 2))
    return found
