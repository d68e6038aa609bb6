"""The vectorised decoder: large VCF text, unit by unit over threads, to encoded rows.

A unit is about 8 MB of text that begins and ends with a record. Compiled loops that do not hold the
interpreter's lock read it; what they do not fully understand is read by cyvcf2, record by record.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.genome import Assembly
from goe_lake.vcf.blocks import Blocks, joined_blocks
from goe_lake.vcf.chunk import EncodedChunk
from goe_lake.vcf.container import Place, read_between, read_in_order
from goe_lake.vcf.encode import KEY, encode
from goe_lake.vcf.fast_table import Unit, blocks_of, table_of
from goe_lake.vcf.fast_text import NO_ALT, ODD, START, STATE, Limits
from goe_lake.vcf.fast_units import RecordUnits, TextUnits, Units
from goe_lake.vcf.header import parse_header
from goe_lake.vcf.odd import Apart, OddLines, read_odd
from goe_lake.vcf.reader import Piece
from goe_lake.vcf.scan import BCF_HEADER

#: Threads that decode; they wait for memory more than for each other.
MOST_THREADS: Final = 8
SORTED_BY: Final = tuple((name, "ascending") for name in (*KEY.names, "record"))
UNITS_AHEAD: Final = 2


@dataclass(frozen=True)
class _Task:
    """One unit: the number of its first record, its records, and what reads its text."""

    first: int
    records: int
    text: Callable[[], bytes]


@dataclass
class Decoder:
    """What all units of a piece have in common.

    *head* are the bytes before the first record; *apart* calls what uses cyvcf2.
    """

    piece: Piece
    head: bytes
    contig: str
    assembly: Assembly
    fields: tuple[str, ...]
    scratch: Path
    units: Units
    limits: Limits
    apart: Apart

    def decode(self, task: _Task) -> Unit:
        """Parse a unit and make its table."""
        unit = self.units.parse(task.first, task.records, task.text(), self.limits)
        return table_of(unit, self.limits)

    def finish(self, unit: Unit) -> EncodedChunk:
        """The chunk of a unit, its odd records read by cyvcf2."""
        state = unit.lines.facts[:, STATE]
        blocks = blocks_of(unit, self.piece.order)
        odd = np.flatnonzero(state == ODD)
        assert unit.table is not None
        if not len(odd):
            without = int(np.count_nonzero(state == NO_ALT))
            found = [blocks] if len(blocks) else []
            return EncodedChunk(unit.table, unit.values, unit.outside, [], found, len(state), without, 0)
        return self._with_odd(unit, odd, blocks)

    def _with_odd(self, unit: Unit, odd: npt.NDArray[Any], blocks: Blocks) -> EncodedChunk:
        """Read the lines *odd* by cyvcf2 and merge what they hold."""
        starts = np.append(unit.lines.facts[:, START], len(unit.raw))
        with self.scratch.open("wb") as file:
            file.write(self.head)
            for line in odd:
                file.write(bytes(unit.raw[starts[line] : starts[line + 1]]))
        numbers = tuple(unit.first + int(line) for line in odd)
        asked = OddLines(
            self.piece, self.scratch, numbers, unit.first, self.contig, self.assembly, self.fields
        )
        try:
            chunk, others = self.apart(self.piece.path, read_odd, asked)
        finally:
            self.scratch.unlink(missing_ok=True)
        assert unit.table is not None
        read = encode(chunk, 0)
        rows = pa.concat_tables([unit.table, read.table.drop_columns("source")])
        lines = np.flatnonzero(unit.lines.facts[:, STATE] == NO_ALT)
        return EncodedChunk(
            rows.sort_by(list(SORTED_BY)) if len(read.table) else rows,
            {name: count + read.values[name] for name, count in unit.values.items()},
            {name: count + read.outside[name] for name, count in unit.outside.items()},
            chunk.quarantined,
            _merged(blocks, lines, others),
            len(starts) - 1,
            len(lines) + chunk.without_alt,
            chunk.likelihoods_only,
        )


def _merged(blocks: Blocks, lines: npt.NDArray[Any], others: list[tuple[int, Blocks]]) -> list[Blocks]:
    """Blocks of *lines* and of other lines, in the order of the lines."""
    if not others:
        return [blocks] if len(blocks) else []
    parts = joined_blocks([blocks, *(block for _, block in others)])
    order = np.argsort(np.concatenate([lines, [line for line, _ in others]]), kind="stable")
    return [Blocks(parts.pos[order], parts.end_pos[order], parts.called[order], parts.spanning[order])]


def read_fast(
    piece: Piece, contig: str, assembly: Assembly, fields: tuple[str, ...], scratch: Path, apart: Apart
) -> Iterator[EncodedChunk]:
    """The records of *piece*, decoded and encoded; see `reader.read_piece`."""
    head = _head(piece)
    index = np.empty(piece.persons, np.uint32)
    index[np.arange(piece.persons) if piece.order is None else np.array(piece.order)] = np.arange(
        piece.persons
    )
    units = _units(piece, head, fields, index, scratch, apart)
    limits = Limits(
        last_pos=assembly.lengths[contig],
        persons=piece.persons,
        min_block_gq=piece.min_block_gq,
        end_readable=units.end_readable,
        keep_gq="GQ" in fields,
        keep_dp="DP" in fields,
    )
    decoder = Decoder(piece, head, contig, assembly, fields, scratch, units, limits, apart)
    threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    waiting: deque[Future[Unit]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for task in _tasks(piece):
            waiting.append(pool.submit(decoder.decode, task))
            if len(waiting) >= threads + UNITS_AHEAD:
                yield decoder.finish(waiting.popleft().result())
        while waiting:
            yield decoder.finish(waiting.popleft().result())


def _head(piece: Piece) -> bytes:
    if piece.container == "gzip":
        return next(read_in_order(piece.path, [((0, 0), piece.body)]))
    return read_between(piece.path, piece.container, (0, 0), piece.body)


def _units(
    piece: Piece,
    head: bytes,
    fields: tuple[str, ...],
    index: npt.NDArray[np.uint32],
    scratch: Path,
    apart: Apart,
) -> Units:
    if piece.format == "bcf":
        return RecordUnits(piece, parse_header(piece.path, head[BCF_HEADER:].rstrip(b"\0")), fields, index)
    beside = scratch.with_name(scratch.name + ".filter")
    return TextUnits(piece, parse_header(piece.path, head), fields, index, beside, apart)


def _tasks(piece: Piece) -> Iterator[_Task]:
    units = [unit for run in piece.runs for unit in run.units()]
    if piece.container == "gzip":
        texts = read_in_order(piece.path, [(start, end) for _, _, start, end in units])
        for (first, records, _, _), text in zip(units, texts, strict=True):
            yield _Task(first, records, partial(_given, text))
        return
    for first, records, start, end in units:
        yield _Task(first, records, partial(_read, piece, start, end))


def _given(text: bytes) -> bytes:
    return text


def _read(piece: Piece, start: Place, end: Place) -> bytes:
    assert piece.container != "gzip"
    return read_between(piece.path, piece.container, start, end)
