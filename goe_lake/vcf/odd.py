"""What the vectorised decoder leaves to cyvcf2: unusual records, and what a FILTER text means.

htslib ends its whole process on some malformed input, so whoever decodes says where these functions run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goe_lake.genome import Assembly
from goe_lake.vcf.blocks import Blocks
from goe_lake.vcf.chunk import Chunk
from goe_lake.vcf.reader import Piece, Wanted, add_record, new_chunk, variants_of

#: Calls a function with arguments, here or in another process; the path is the file to blame if that ends.
Apart = Callable[..., Any]
#: Gives a file that may be written, and what calls cyvcf2.
Asking = Callable[[], tuple[Path, Apart]]


def here(_path: Path, function: Callable[..., Any], *arguments: object) -> Any:
    """Call *function* in this process."""
    return function(*arguments)


@dataclass(frozen=True)
class OddLines:
    """Records *numbers* of *piece*, copied to *source* behind the header; *before* them lie so many."""

    piece: Piece
    source: Path
    numbers: tuple[int, ...]
    before: int
    contig: str
    assembly: Assembly
    fields: tuple[str, ...]


def read_odd(lines: OddLines) -> tuple[Chunk, list[tuple[int, Blocks]]]:
    """The records as cyvcf2 reads them, and their reference blocks with the line of each, from 0."""
    piece = lines.piece
    chunk = new_chunk(len(lines.numbers), piece.persons, Wanted(lines.fields))
    order = np.array(piece.order) if piece.order is not None else None
    blocks: list[tuple[int, Blocks]] = []
    for number, variant in variants_of(piece, lines.source, lines.numbers, lines.before):
        add_record(chunk, piece, number, variant, lines.contig, lines.assembly, order)
        blocks += [(number - lines.before, block) for block in chunk.blocks]
        chunk.blocks.clear()
    return chunk, blocks


def filters_of(source: Path) -> list[str] | None:
    """The filters that cyvcf2 finds in the only record of *source*, None where it cannot read it."""
    # here, because whoever only asks for odd records to be read elsewhere needs no htslib
    from cyvcf2 import VCF

    try:
        reader = VCF(str(source))
        found = list(next(reader).FILTERS)
        reader.close()
    except Exception:  # noqa: BLE001  cyvcf2 raises nothing more exact
        return None
    return found
