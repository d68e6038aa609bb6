"""The vectorised decoder: large VCF text, unit by unit over threads, to encoded rows.

A unit is about 16 MB of text that begins and ends with a record. Compiled loops that do not hold the
interpreter's lock read it; what they do not fully understand is read by cyvcf2, record by record.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.genome import Assembly
from goe_lake.vcf.ahead import Source, units_ahead
from goe_lake.vcf.blocks import Blocks, joined_blocks
from goe_lake.vcf.chunk import EncodedChunk
from goe_lake.vcf.container import Place, read_between, read_in_order
from goe_lake.vcf.encode import KEY, encode
from goe_lake.vcf.fast_table import blocks_of, table_of
from goe_lake.vcf.fast_text import NO_ALT, ODD, START, STATE, Limits, Text
from goe_lake.vcf.fast_units import RecordUnits, TextUnits, Units
from goe_lake.vcf.header import parse_header
from goe_lake.vcf.odd import Apart, Asking, OddLines, read_odd
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
    text: Callable[[], Text]


@dataclass(frozen=True, eq=False)
class Decoded:
    """A unit of *records* records, the first of which is number *first*: all but its odd records.

    *table*, *values* and *outside* are those of an EncodedChunk. *without* are the lines, from 0, of
    records without an alternate allele, whose *blocks* follow each other; *odd* are lines and their text.
    """

    first: int
    records: int
    table: pa.Table
    values: Mapping[str, int]
    outside: Mapping[str, int]
    without: npt.NDArray[np.int64]
    blocks: Blocks
    odd: tuple[tuple[int, bytes], ...]

    @property
    def bytes(self) -> int:
        """About the memory it takes."""
        odd = sum(len(text) for _, text in self.odd)
        return int(self.table.nbytes) + odd + self.blocks.end_pos.nbytes + self.blocks.called.nbytes


@dataclass(frozen=True, eq=False)
class Decoder:
    """What decodes units of one contig; *order* is that of a Piece."""

    units: Units
    limits: Limits
    order: tuple[int, ...] | None

    def decode(self, first: int, records: int, raw: Text) -> Decoded:
        """Read the unit *raw*, surely so many *records*."""
        unit = table_of(self.units.parse(first, records, raw, self.limits), self.limits)
        state, starts = unit.lines.facts[:, STATE], np.append(unit.lines.facts[:, START], len(unit.raw))
        odd = ((line, unit.raw[starts[line] : starts[line + 1]]) for line in np.flatnonzero(state == ODD))
        assert unit.table is not None
        return Decoded(
            first,
            records,
            unit.table,
            unit.values,
            unit.outside,
            np.flatnonzero(state == NO_ALT),
            blocks_of(unit, self.order),
            tuple((int(line), bytes(text)) for line, text in odd),
        )


def decoder(
    source: Source,
    contig: str,
    order: tuple[int, ...] | None,
    asking: Asking | None = None,
) -> Decoder:
    """What decodes the units of *contig* in a file; for *order* see Piece, for *asking* `KnownTexts`."""
    persons = len(source.header.samples)
    index = np.empty(persons, np.uint32)
    index[np.arange(persons) if order is None else np.array(order)] = np.arange(persons)
    units: Units
    if source.format == "bcf":
        units = RecordUnits(source.path, source.header, source.fields, index)
    else:
        units = TextUnits(source.path, source.header, source.fields, index, asking)
    limits = Limits(
        last_pos=source.assembly.lengths[contig],
        persons=persons,
        min_block_gq=source.min_block_gq,
        end_readable=units.end_readable,
        keep_gq="GQ" in source.fields,
        keep_dp="DP" in source.fields,
    )
    return Decoder(units, limits, order)


@dataclass(frozen=True)
class _Odd:
    """What reads the odd records of a piece: the arguments of `read_fast`, and its *head*."""

    piece: Piece
    head: bytes
    contig: str
    assembly: Assembly
    fields: tuple[str, ...]
    scratch: Path
    apart: Apart

    def finish(self, unit: Decoded) -> EncodedChunk:
        """The chunk of a unit, its odd records read by cyvcf2."""
        if not unit.odd:
            found = [unit.blocks] if len(unit.blocks) else []
            return EncodedChunk(
                unit.table, unit.values, unit.outside, [], found, unit.records, len(unit.without), 0
            )
        with self.scratch.open("wb") as file:
            file.write(self.head)
            for _, text in unit.odd:
                file.write(text)
        numbers = tuple(unit.first + line for line, _ in unit.odd)
        asked = OddLines(
            self.piece, self.scratch, numbers, unit.first, self.contig, self.assembly, self.fields
        )
        try:
            chunk, others = self.apart(self.piece.path, read_odd, asked)
        finally:
            self.scratch.unlink(missing_ok=True)
        read = encode(chunk, 0)
        rows = pa.concat_tables([unit.table, read.table.drop_columns("source")])
        return EncodedChunk(
            rows.sort_by(list(SORTED_BY)) if len(read.table) else rows,
            {name: count + read.values[name] for name, count in unit.values.items()},
            {name: count + read.outside[name] for name, count in unit.outside.items()},
            chunk.quarantined,
            _merged(unit.blocks, unit.without, others),
            unit.records,
            len(unit.without) + chunk.without_alt,
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
    text = head[BCF_HEADER:].rstrip(b"\0") if piece.format == "bcf" else head
    source = Source(
        piece.path, piece.format, parse_header(piece.path, text), assembly, fields, piece.min_block_gq
    )
    beside = scratch.with_name(scratch.name + ".filter")
    decodes = decoder(source, contig, piece.order, lambda: (beside, apart))
    odd = _Odd(piece, head, contig, assembly, fields, scratch, apart)
    begun = units_ahead(piece, source, contig)
    threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    waiting: deque[Future[Decoded]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for task in _tasks(piece):
            ahead = begun.pop((task.first, task.records), None)
            waiting.append(pool.submit(_decode, decodes, task, ahead))
            if len(waiting) >= threads + UNITS_AHEAD:
                yield odd.finish(waiting.popleft().result())
        while waiting:
            yield odd.finish(waiting.popleft().result())


def read_decoded(
    piece: Piece, contig: str, source: Source, scratch: Path, apart: Apart, units: Iterable[Decoded]
) -> Iterator[EncodedChunk]:
    """The records of *units*, some of *piece*, as `read_fast` gives them."""
    odd = _Odd(piece, _head(piece), contig, source.assembly, source.fields, scratch, apart)
    return map(odd.finish, units)


def _decode(decoder: Decoder, task: _Task, ahead: Future[Decoded] | None) -> Decoded:
    """The unit of *task*, perhaps decoded *ahead*; what went wrong then goes wrong again."""
    if ahead is not None and ahead.exception() is None:
        return ahead.result()
    raw = task.text()
    decoder.units.check(task.records, raw)
    return decoder.decode(task.first, task.records, raw)


def _head(piece: Piece) -> bytes:
    if piece.container == "gzip":
        return next(read_in_order(piece.path, [((0, 0), piece.body)]))
    return read_between(piece.path, piece.container, (0, 0), piece.body).tobytes()


def _tasks(piece: Piece) -> Iterator[_Task]:
    units = [unit for run in piece.runs for unit in run.units()]
    if piece.container == "gzip":
        texts = read_in_order(piece.path, [(start, end) for _, _, start, end in units])
        for (first, records, _, _), text in zip(units, texts, strict=True):
            yield _Task(first, records, partial(_given, text))
        return
    for first, records, start, end in units:
        yield _Task(first, records, partial(_read, piece, start, end))


def _given(text: bytes) -> Text:
    return np.frombuffer(text, np.uint8)


def _read(piece: Piece, start: Place, end: Place) -> Text:
    assert piece.container != "gzip"
    return read_between(piece.path, piece.container, start, end)
