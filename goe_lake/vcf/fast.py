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

from goe_lake.errors import InputError
from goe_lake.genome import Assembly
from goe_lake.vcf.blocks import Blocks, joined_blocks
from goe_lake.vcf.chunk import EncodedChunk
from goe_lake.vcf.container import Place, read_between, read_in_order
from goe_lake.vcf.encode import KEY, encode
from goe_lake.vcf.fast_known import KnownTexts
from goe_lake.vcf.fast_table import Unit, blocks_of, table_of
from goe_lake.vcf.fast_text import (
    FACTS,
    NEW_FILTER,
    NEW_FORMAT,
    NO_ALT,
    ODD,
    RS_END,
    RS_START,
    START,
    STATE,
    Limits,
    Lines,
    Text,
    parse_lines,
)
from goe_lake.vcf.header import Header, parse_header
from goe_lake.vcf.odd import Apart, OddLines, read_odd
from goe_lake.vcf.reader import Piece
from goe_lake.vcf.scan_text import count_lines

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

    *index* gives the person of each of the file's columns; *apart* calls what uses cyvcf2.
    """

    piece: Piece
    header: Header
    contig: str
    assembly: Assembly
    fields: tuple[str, ...]
    scratch: Path
    known: KnownTexts
    index: npt.NDArray[np.uint32]
    limits: Limits
    apart: Apart

    def decode(self, task: _Task) -> Unit:
        """Parse a unit and make its table."""
        text = self._checked(task)
        lines = self._lines(task.records, len(text))
        line = at = 0
        while True:
            line, at = parse_lines(text, at, line, task.records, self.known.known, self.limits, lines)
            if line == task.records:
                break
            facts = lines.facts[line]
            found = bytes(text[facts[RS_START] : facts[RS_END]])
            add = {NEW_FILTER: self.known.add_filter, NEW_FORMAT: self.known.add_format}[int(facts[STATE])]
            add(found)
        unit = Unit(task.first, text, lines, self.known.known, self.known.filters, self.index)
        return table_of(unit, self.limits)

    def _checked(self, task: _Task) -> Text:
        text = task.text()
        if not text.endswith(b"\n"):
            text += b"\n"
        found = np.frombuffer(text, np.uint8)
        if count_lines(found) != task.records:
            raise InputError(self.piece.path, "changed while it was ingested", "run the ingest again")
        return found

    def _lines(self, records: int, size: int) -> Lines:
        persons = self.piece.persons
        most = min(records * persons, size // 2) + 1
        kept = {name: (records if name in self.fields else 1, persons) for name in ("GQ", "DP")}
        return Lines(
            facts=np.empty((records, FACTS), np.int64),
            person=np.empty(most, np.uint32),
            first=np.empty(most, np.int8),
            second=np.empty(most, np.int8),
            gq=np.empty(kept["GQ"], np.int32),
            dp=np.empty(kept["DP"], np.int32),
            called=np.empty((records, persons), np.int8),
            scratch=np.zeros(4 * persons + 8, np.uint8),
        )

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
        starts = np.append(unit.lines.facts[:, START], len(unit.text))
        with self.scratch.open("wb") as file:
            file.write(self.header.text.encode())
            for line in odd:
                file.write(bytes(unit.text[starts[line] : starts[line + 1]]))
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
    header = _header(piece)
    index = np.empty(piece.persons, np.uint32)
    index[np.arange(piece.persons) if piece.order is None else np.array(piece.order)] = np.arange(
        piece.persons
    )
    known = KnownTexts(piece.path, header, fields, scratch.with_name(scratch.name + ".filter"), apart)
    limits = Limits(
        last_pos=assembly.lengths[contig],
        persons=piece.persons,
        min_block_gq=piece.min_block_gq,
        end_readable=known.end_readable,
        keep_gq="GQ" in fields,
        keep_dp="DP" in fields,
    )
    decoder = Decoder(piece, header, contig, assembly, fields, scratch, known, index, limits, apart)
    threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    waiting: deque[Future[Unit]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for task in _tasks(piece):
            waiting.append(pool.submit(decoder.decode, task))
            if len(waiting) >= threads + UNITS_AHEAD:
                yield decoder.finish(waiting.popleft().result())
        while waiting:
            yield decoder.finish(waiting.popleft().result())


def _header(piece: Piece) -> Header:
    if piece.container == "gzip":
        return parse_header(piece.path, next(read_in_order(piece.path, [((0, 0), piece.body)])))
    return parse_header(piece.path, read_between(piece.path, piece.container, (0, 0), piece.body))


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
