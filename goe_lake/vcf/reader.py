"""Records and genotypes of one contig of one file, decoded by cyvcf2 into chunks of arrays.

Nothing is done per genotype in Python: the genotypes of a chunk are one array of allele numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from goe_lake.errors import InputError
from goe_lake.genome import Assembly
from goe_lake.vcf.alleles import (
    PLACEHOLDERS,
    Record,
    Refused,
    lengths_of,
    rows_of,
    rs_identifier,
    whole_number,
)
from goe_lake.vcf.blocks import BLOCK_ALLELES, BLOCK_QUALITY, GOOD_FILTERS, block_of
from goe_lake.vcf.chunk import (
    MISSING,
    MISSING_ALLELE,
    NO_ALLELE,
    Alleles,
    Chunk,
    EncodedChunk,
    Quarantined,
    Values,
)
from goe_lake.vcf.container import Container, Cutter, Place
from goe_lake.vcf.scan import Run, worth_loops

CHUNK_GENOTYPES: Final = 1_500_000
MOST_RECORDS: Final = 2048
#: FORMAT fields from which genotypes could be called, but are not.
LIKELIHOODS: Final = frozenset({"GP", "GL", "PL", "PP", "DS", "HDS", "GLE"})
#: A chunk also ends after so many records that made no row.
MOST_SEEN: Final = 20_000


@dataclass(frozen=True)
class Piece:
    """The records of one contig in one file.

    *order* gives for each person of the batch the person's column in this file, None where they are
    the same; *whole* says that the file holds nothing else. *bytes* and *changed* (nanoseconds) are
    the file's size and time when it was scanned. *kept* are the 0-based places, in that order of
    persons, of those who are not left out afterwards; None where nobody is.
    *first_person* is the index in the batch of the first of those who stay; in a reference block a person
    whose quality is below *min_block_gq* is not called.
    """

    path: Path
    container: Container
    runs: tuple[Run, ...]
    body: Place
    persons: int
    order: tuple[int, ...] | None
    format: str
    whole: bool
    bytes: int
    changed: int
    kept: tuple[int, ...] | None = None
    first_person: int = 0
    min_block_gq: int = 1

    @property
    def staying(self) -> int:
        """The persons who are not left out."""
        return self.persons if self.kept is None else len(self.kept)

    @property
    def records(self) -> int:
        """The records of the piece."""
        return sum(run.records for run in self.runs)

    @property
    def ordered(self) -> bool:
        """Whether positions never fall from record to record."""
        meet = all(
            left.max_pos <= right.first_pos for left, right in zip(self.runs, self.runs[1:], strict=False)
        )
        return meet and all(run.ordered for run in self.runs)

    def numbers(self) -> Iterator[int]:
        """The number of each record in its file: its line, or its count in a BCF."""
        for run in self.runs:
            yield from range(run.first, run.first + run.records)

    def name_record(self, number: int) -> str:
        """Record *number* as messages call it."""
        return f"{'line' if self.format == 'vcf' else 'record'} {number}"


@dataclass(frozen=True)
class Wanted:
    """What is kept of each record besides genotypes: names of FORMAT *fields*, and of *info* fields."""

    fields: tuple[str, ...]
    info: tuple[str, ...] = ()


def read_piece(
    piece: Piece,
    contig: str,
    assembly: Assembly,
    wanted: Wanted,
    scratch: Path,
    apart: Callable[..., Any] | None = None,
) -> Iterator[Chunk | EncodedChunk]:
    """The records of *piece* in file order, in chunks.

    Where the piece is ordered, no row of a later chunk sorts before a row of an earlier one.
    *scratch* is a file that may be written; for *apart* see `odd.Apart`. Raises InputError
    about the record that cannot be read.
    """
    stat = piece.path.stat()
    if (stat.st_size, stat.st_mtime_ns) != (piece.bytes, piece.changed):
        raise InputError(piece.path, "changed while it was ingested", "run the ingest again")
    if decodes_fast(piece, wanted.info):
        # compiled code takes half a second to load, which small files are not worth
        from goe_lake.vcf.fast import read_fast
        from goe_lake.vcf.odd import here

        yield from read_fast(piece, contig, assembly, wanted.fields, scratch, apart or here)
        return
    source = piece.path
    if not piece.whole:
        cut_out(piece, scratch)
        source = scratch
    try:
        yield from _chunks(piece, source, contig, assembly, wanted)
    finally:
        scratch.unlink(missing_ok=True)


@cache
def load_fast() -> bool:
    """Load the vectorised decoder; False where compiled code cannot be used here."""
    try:
        import goe_lake.vcf.fast  # noqa: F401
    except ImportError:
        return False
    return sys.byteorder == "little"


def decodes_fast(piece: Piece, info: tuple[str, ...]) -> bool:
    """Whether *piece* is read by the vectorised decoder, and only what is unusual in it by cyvcf2.

    *info* are the INFO fields that are read of it.
    """
    able = piece.kept is None and not info
    return able and worth_loops(piece.bytes) and load_fast()


def cut_out(piece: Piece, target: Path) -> None:
    """Write the header and the records of *piece* to *target*, a file of the same format."""
    with target.open("wb") as file:
        cutter = Cutter(piece.path, piece.container, file)
        cutter.copy((((0, 0), piece.body), *((run.start, run.end) for run in piece.runs)))


def _chunks(piece: Piece, source: Path, contig: str, assembly: Assembly, wanted: Wanted) -> Iterator[Chunk]:
    height = max(1, min(MOST_RECORDS, CHUNK_GENOTYPES // piece.persons))
    chunk = new_chunk(height, piece.persons, wanted)
    order = np.array(piece.order) if piece.order is not None else None
    for number, variant in variants_of(piece, source, piece.numbers(), piece.runs[0].first):
        enough = (
            len(chunk.records) >= height
            or len(chunk.blocks) * piece.persons >= CHUNK_GENOTYPES
            or chunk.seen >= MOST_SEEN
        )
        # a trimmed allele may start after the next record: the chunk ends where no row can overtake
        if enough and (not piece.ordered or chunk.last_pos < variant.POS):
            yield chunk
            chunk = new_chunk(height, piece.persons, wanted)
        if chunk.full():
            _grow(chunk)
        if add_record(chunk, piece, number, variant, contig, assembly, order) and chunk.info is not None:
            chunk.info.append(_info_text(variant, wanted.info))
    yield chunk


def new_chunk(height: int, persons: int, wanted: Wanted) -> Chunk:
    """A chunk without records that has room for *height* of them."""

    def values(name: str) -> Values | None:
        return np.empty((height, persons), np.int32) if name in wanted.fields else None

    info: list[str] | None = [] if wanted.info else None
    return Chunk(np.empty((height, persons, 2), np.int16), values("GQ"), values("DP"), info=info)


def _grow(chunk: Chunk) -> None:
    def longer(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate([array, np.empty_like(array)])

    chunk.alleles = longer(chunk.alleles)
    chunk.gq = longer(chunk.gq) if chunk.gq is not None else None
    chunk.dp = longer(chunk.dp) if chunk.dp is not None else None


def variants_of(piece: Piece, source: Path, numbers: Iterable[int], first: int) -> Iterator[tuple[int, Any]]:
    """Each record of *source*, some of *piece*, as cyvcf2 sees it, with its number; exactly so many.

    *first* is the record to name where the header cannot be read.
    """
    number = first
    # here, because whoever only asks for odd records to be read elsewhere needs no htslib
    from cyvcf2 import VCF

    try:
        reader = VCF(str(source))
        for number in numbers:
            yield number, next(reader)
        reader.close()
    except Exception as error:  # noqa: BLE001  cyvcf2 raises nothing more exact
        problem = "htslib cannot read it" if not isinstance(error, StopIteration) else "htslib ends before it"
        raise InputError(
            piece.path, problem, "mend or remove the record", piece.name_record(number)
        ) from None


def add_record(
    chunk: Chunk,
    piece: Piece,
    number: int,
    variant: Any,
    contig: str,
    assembly: Assembly,
    order: npt.NDArray[Any] | None,
) -> bool:
    """Add one record to *chunk*, or what is wrong with it; whether it made rows."""
    chunk.seen += 1
    try:
        record = _record(number, variant)
    except UnicodeDecodeError:
        raise InputError(
            piece.path, "its text is not UTF-8", "mend or remove the record", piece.name_record(number)
        ) from None
    rows, refused = rows_of(record, assembly, contig)
    for item in refused:
        _put_aside(chunk, piece, record, item)
    if not rows and refused:
        return False
    chunk.without_alt += not rows
    if not rows and "GT" in variant.FORMAT and not _names_alleles(record, variant.genotype.array()[:, :-1]):
        _put_aside(chunk, piece, record, Refused("allele_not_in_record"))
        return False
    alleles = _alleles(piece, record, variant)
    if alleles is None:
        _put_aside(chunk, piece, record, Refused("ploidy_above_2"))
        return False
    if not rows:
        _add_block(chunk, piece, record, variant, alleles, order, assembly.lengths[contig])
        return False
    chunk.likelihoods_only += "GT" not in variant.FORMAT and not LIKELIHOODS.isdisjoint(variant.FORMAT)
    place = len(chunk.records)
    chunk.alleles[place] = alleles if order is None else alleles[order]
    for name, target, has in (("GQ", chunk.gq, chunk.has_gq), ("DP", chunk.dp, chunk.has_dp)):
        has.append(target is not None and _fill(target[place], piece, record, variant, name, order))
    chunk.records.append(record)
    chunk.rows.extend((place, row) for row in rows)
    chunk.last_pos = max(chunk.last_pos, *(row.pos for row in rows))
    return True


def _info_text(variant: Any, names: tuple[str, ...]) -> str:
    """The INFO fields *names* of a record as a VCF writes them."""
    found = ((name, variant.INFO.get(name)) for name in names)
    return ";".join(
        name if value is True else f"{name}={_info_value(value)}"
        for name, value in found
        if value is not None and value is not False
    )


def _info_value(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_info_value, value))
    if isinstance(value, float):
        # htslib keeps 32 bits of a number with a point: their shortest spelling is what was written
        return np.format_float_positional(np.float32(value), trim="-")
    return "." if value is None else str(value)


def _add_block(
    chunk: Chunk,
    piece: Piece,
    record: Record,
    variant: Any,
    alleles: Alleles,
    order: npt.NDArray[Any] | None,
    last: int,
) -> None:
    """Add a record without an alternate allele of its own: a reference block, or one reference site."""
    site_end = record.pos + len(record.ref) - 1
    ends = np.full(piece.persons, max(site_end, whole_number(variant.INFO.get("END")) or 0), np.int32)
    lengths = _numbers(variant, "LEN")
    if lengths is not None:
        ends = np.maximum(ends, record.pos + np.maximum(lengths, 1) - 1)
    if ends.max() > last:
        _put_aside(chunk, piece, record, Refused("end_outside_contig"))
        return
    called = np.count_nonzero(alleles >= 0, axis=1).astype(np.int8)
    if not set(variant.FILTERS) <= GOOD_FILTERS:
        called[:] = 0
    name = next((name for name in BLOCK_QUALITY if name in variant.FORMAT), None)
    quality = _numbers(variant, name) if name else None
    if quality is not None:
        called[(quality != MISSING) & (quality < piece.min_block_gq)] = 0
    if order is not None:
        ends, called = ends[order], called[order]
    spanning = not BLOCK_ALLELES.isdisjoint(record.alts) or bool(ends.max() > site_end)
    chunk.blocks.append(block_of(record.pos, ends, called, spanning=spanning))


def _numbers(variant: Any, name: str) -> npt.NDArray[np.int64] | None:
    """FORMAT field *name* as one whole number a person, MISSING where absent; None where it is no such."""
    values = variant.format(name) if name in variant.FORMAT else None
    if values is None or values.dtype.kind not in "if" or values.shape[1] != 1:
        return None
    numbers = np.where(np.isfinite(values[:, 0]), values[:, 0], MISSING).astype(np.int64)
    # htslib marks an absent value with the least number, and one cut short with the next
    return np.where(numbers <= MISSING + 1, MISSING, numbers)


def _put_aside(chunk: Chunk, piece: Piece, record: Record, refused: Refused) -> None:
    value = f"{record.ref[:40]} {(refused.alt or ','.join(record.alts))[:40]}"
    chunk.quarantined.append(Quarantined(piece.name_record(record.number), record.pos, refused.reason, value))


def _record(number: int, variant: Any) -> Record:
    alts = tuple(variant.ALT)
    end: int | None = None
    lengths: tuple[int | None, ...] = ()
    if any(alt.startswith("<") and alt not in PLACEHOLDERS for alt in alts):
        end = whole_number(variant.INFO.get("END"))
        lengths = lengths_of(variant.INFO.get("SVLEN"), len(alts))
    filters = ";".join(variant.FILTERS) or None
    return Record(number, variant.POS, variant.REF, alts, rs_identifier(variant.ID), filters, end, lengths)


def _alleles(piece: Piece, record: Record, variant: Any) -> Alleles | None:
    """The (persons, 2) allele numbers of a record; None where somebody has more than two alleles."""
    found = np.full((piece.persons, 2), MISSING_ALLELE, np.int16)
    if "GT" not in variant.FORMAT:
        return found
    # the last column says whether the genotype is phased
    numbers: Alleles = variant.genotype.array()[:, :-1]
    if numbers.shape[1] > 2 and np.any(numbers[:, 2:] != NO_ALLELE):
        return None
    if not _names_alleles(record, numbers):
        raise InputError(
            piece.path,
            f"a genotype names an allele that the record lacks (it has {len(record.alts)} alternate)",
            "mend or remove the record",
            piece.name_record(record.number),
        )
    found[:, : numbers.shape[1]] = numbers[:, :2]
    if numbers.shape[1] == 1:
        found[:, 1] = NO_ALLELE
    return found


def _names_alleles(record: Record, numbers: Alleles) -> bool:
    """Whether all allele *numbers* are of alleles that the record has; htslib wraps large ones around."""
    return bool(numbers.max(initial=0) <= len(record.alts) and numbers.min(initial=0) >= NO_ALLELE)


def _fill(
    target: Values, piece: Piece, record: Record, variant: Any, name: str, order: npt.NDArray[Any] | None
) -> bool:
    """Write FORMAT field *name* into *target*; False where the record has no such number a person."""
    if name not in variant.FORMAT:
        return False
    values = variant.format(name)
    if values is None or values.dtype.kind not in "if" or values.shape[1] != 1:
        raise InputError(
            piece.path,
            f"FORMAT/{name} is not one number a person",
            f"take {name} out of format_fields in node.toml, or mend the header",
            piece.name_record(record.number),
        )
    column = values[:, 0] if order is None else values[order, 0]
    if values.dtype.kind == "f":
        column = np.where(
            np.isfinite(column), np.clip(np.rint(column), -1, np.iinfo(np.int32).max // 2), MISSING
        )
    # htslib marks an absent value with the least number, and one cut short with the next
    target[:] = np.where(column <= MISSING + 1, MISSING, column)
    return True
