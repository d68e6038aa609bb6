"""One pass over a VCF or BCF file before it is decoded: its digest, and where each contig's records lie.

The decoder ends the whole process on some malformed lines and passes over others in silence, so the
shape of every line is checked here: the number of columns, the position, and blank lines.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from goe_lake.errors import InputError
from goe_lake.vcf.container import RECOPY, Bytes, Chunk, Container, Place, container_of, read_chunks
from goe_lake.vcf.header import Header, parse_header
from goe_lake.vcf.memory import keep_freed_memory

Numbers = npt.NDArray[np.int64]

#: Bytes of text that are decoded together.
UNIT: Final = 16 << 20
LARGEST_POS: Final = 2**31 - 1
MOST_RUNS: Final = 100_000
BCF_MAGIC: Final = b"BCF\2"
#: Bytes before the text of a BCF header: the magic number, the version, and the length of the text.
BCF_HEADER: Final = 9
#: The least bytes of a BCF record.
BCF_LEAST: Final = 32
VCF_MAGIC: Final = b"##fileformat=VCF"
SORT: Final = "sort it: bcftools sort"
#: Files of so many bytes are worth the time that compiled loops take to load.
FAST_FROM: Final = 1 << 20


@dataclass(frozen=True)
class Run:
    """Consecutive records of one contig, spelt as in the file.

    *first* is the number of the first record: its line in a VCF, its count from 1 in a BCF.
    *start* and *end* are the places of its first byte and of the byte after its last. Positions are
    1-based; *ordered* says that they never fall. *cuts* are places at which the run can be cut into
    units, mostly of about UNIT bytes of text, each with the number of the run's records before it.
    """

    contig: str
    records: int
    first: int
    start: Place
    end: Place
    first_pos: int
    max_pos: int
    ordered: bool
    cuts: tuple[tuple[Place, int], ...] = ()

    def units(self) -> Iterator[tuple[int, int, Place, Place]]:
        """The units of the run: number of the first record, records, start and end."""
        places = ((self.start, 0), *self.cuts, (self.end, self.records))
        for (start, before), (end, after) in pairwise(places):
            yield self.first + before, after - before, start, end


@dataclass(frozen=True)
class Scan:
    """What one pass over a file found.

    *bytes* is its size on disk and *changed* the time of its last change, in nanoseconds, when the
    pass began.
    """

    sha256: str
    bytes: int
    changed: int
    container: Container
    format: Literal["vcf", "bcf"]
    header: Header
    runs: tuple[Run, ...]

    @property
    def records(self) -> int:
        """All records of the file."""
        return sum(run.records for run in self.runs)


class Watch(Protocol):
    """Sees the text of a file while it is scanned."""

    def begin(self, found: Scan, body: Place) -> None:
        """Hear of the file before its records; *found* has neither runs nor a digest yet.

        *body* is the place of the first record.
        """

    def unit(self, contig: str, first: int, records: int, text: Bytes) -> None:
        """See records of one contig, spelt as in the file: mostly a unit of a run.

        *first* is the number of the first record, and *text* is that of all *records*.
        """


def worth_loops(size: int) -> bool:
    """Whether a file of *size* bytes on disk is read by compiled loops.

    GOE_DECODER in the environment may say `fast` or `cyvcf2` for all files.
    """
    wanted = os.environ.get("GOE_DECODER", "")
    return wanted != "cyvcf2" and (size >= FAST_FROM or wanted == "fast")


def load_loops() -> None:
    """Load the compiled loops of scans, where they can be had, before threads scan."""
    with suppress(ImportError):
        import goe_lake.vcf.fast_bcf
        import goe_lake.vcf.scan_text  # noqa: F401


def scan(path: Path, watch: Watch | None = None) -> Scan:
    """Read the file at *path* once; *watch* sees what the compiled loops read.

    Raises InputError where it cannot be read, is not a VCF or BCF, is cut off or damaged, or has a
    malformed line.
    """
    try:
        return _scan(path, watch)
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}", "check the path and its rights") from None


def _scan(path: Path, watch: Watch | None) -> Scan:
    state = path.stat()
    keep_freed_memory()
    container = container_of(path)
    digest = hashlib.sha256()
    chunks = read_chunks(path, container, digest, UNIT if worth_loops(state.st_size) else None)
    first = next(chunks, None)
    if first is None:
        raise InputError(path, "is empty", RECOPY)
    runs = _Runs(path, watch)
    kind: Literal["vcf", "bcf"] = "bcf" if first.starts_with(BCF_MAGIC) else "vcf"
    if kind == "bcf":
        header, chunk = _bcf_header(path, first, chunks)
    elif first.starts_with(VCF_MAGIC):
        header, chunk = _text_header(path, first, chunks)
    else:
        raise InputError(
            path,
            f"is not a VCF: it does not begin with {VCF_MAGIC.decode()}",
            "give a VCF (plain or bgzip) or a BCF",
        )
    found = Scan("", state.st_size, state.st_mtime_ns, container, kind, header, ())
    if watch is not None:
        watch.begin(found, chunk.place(0))
    if kind == "bcf":
        _scan_bcf(path, header, chunk, chunks, runs, _places_loop(state.st_size))
    else:
        _scan_text(path, header, chunk, chunks, runs, _loop(state.st_size))
    return replace(found, sha256=digest.hexdigest(), runs=runs.done())


def _loop(size: int) -> Any:
    """`scan_text.read_lines` for a file of *size* bytes, None where it is not worth it or cannot be had."""
    if not worth_loops(size):
        return None
    try:
        from goe_lake.vcf.scan_text import read_lines
    except ImportError:
        return None
    return read_lines


def _places_loop(size: int) -> Any:
    """The same of `fast_bcf.read_places`."""
    if not worth_loops(size):
        return None
    try:
        from goe_lake.vcf.fast_bcf import read_places
    except ImportError:
        return None
    return read_places


class _Runs:
    """Collects runs; a run that goes on in the next chunk is joined."""

    def __init__(self, path: Path, watch: Watch | None) -> None:
        self._path, self._watch = path, watch
        self._runs: list[Run] = []
        self._cuts: list[tuple[Place, int]] = []
        self._size = 0

    def add(
        self, contig: str, first: int, places: tuple[Place, Place], positions: Numbers, size: int
    ) -> None:
        """Add records of *size* bytes that lie between *places*."""
        ordered = bool(np.all(positions[1:] >= positions[:-1]))
        low, high = int(positions[0]), int(positions.max())
        last = self._runs[-1] if self._runs else None
        if last is not None and last.contig == contig:
            cut = max(self._size, size) >= UNIT // 2
            self._size = size if cut else self._size + size
            if cut:
                self._cuts.append((places[0], last.records))
            self._runs[-1] = replace(
                last,
                records=last.records + len(positions),
                end=places[1],
                max_pos=max(last.max_pos, high),
                ordered=last.ordered and ordered and last.max_pos <= low,
            )
        elif len(self._runs) == MOST_RUNS:
            raise InputError(self._path, f"its contigs alternate more than {MOST_RUNS} times", SORT)
        else:
            self._close()
            self._runs.append(Run(contig, len(positions), first, *places, low, high, ordered))
            self._size = size

    def show(self, contig: str, first: int, records: int, text: Bytes) -> None:
        """Let whoever watches see the *text* of so many *records*."""
        if self._watch is not None:
            self._watch.unit(contig, first, records, text)

    def _close(self) -> None:
        if self._runs:
            self._runs[-1] = replace(self._runs[-1], cuts=tuple(self._cuts))
        self._cuts = []

    def done(self) -> tuple[Run, ...]:
        self._close()
        return tuple(self._runs)


def _scan_text(
    path: Path, header: Header, chunk: Chunk, rest: Iterator[Chunk], runs: _Runs, loop: Any
) -> None:
    lines = header.text.count("\n")
    while True:
        cut = chunk.last_line_end()
        if cut:
            found = _read_quickly(loop, header, chunk, cut, lines, runs) if loop is not None else 0
            lines += found or _scan_lines(path, header, chunk, cut, lines, runs)
            chunk = chunk.keep_from(cut)
        more = next(rest, None)
        if more is None:
            break
        chunk += more
    if len(chunk.raw):
        # the last line may lack its newline
        ended = Chunk.of(chunk.text + b"\n", chunk.marks)
        _scan_lines(path, header, ended, len(ended.raw), lines, runs, missing_newline=True)


def _text_header(path: Path, chunk: Chunk, rest: Iterator[Chunk]) -> tuple[Header, Chunk]:
    """The header, and the chunk from the first record on."""
    offset, lines = 0, 0
    while True:
        end = chunk.text.find(b"\n", offset)
        if end < 0:
            more = next(rest, None)
            if more is None:
                # a header without records may lack its newline
                end = len(chunk.text) - 1
            else:
                chunk += more
                continue
        line = chunk.text[offset : end + 1]
        if not line.startswith(b"#"):
            raise InputError(
                path,
                "has no line #CHROM POS … before its first record",
                "add the header",
                f"line {lines + 1}",
            )
        offset, lines = end + 1, lines + 1
        if not line.startswith(b"##"):
            return parse_header(path, chunk.text[:offset]), chunk.keep_from(offset)


def _read_quickly(loop: Any, header: Header, chunk: Chunk, cut: int, before: int, runs: _Runs) -> int:
    """As `_scan_lines`, by the compiled *loop*; 0, and nothing done, where any line is unusual."""
    wanted = len(header.columns) - 1
    most = cut // (wanted + 1) + 1
    text = chunk.raw
    starts, tabs, positions = (np.empty(most, np.int64) for _ in range(3))
    same = np.empty(most, np.bool_)
    # lines of fewer columns may be more than the arrays hold
    lines = int(loop(text, cut, starts, tabs, positions, same))
    positions = positions[:lines]
    if not lines or np.any(tabs[:lines] != wanted) or positions.min() < 0 or positions.max() > LARGEST_POS:
        return 0
    cuts = [0, *(np.flatnonzero(~same[1:lines]) + 1).tolist(), lines]
    for first, end in pairwise(cuts):
        start, after = int(starts[first]), int(starts[end]) if end < lines else cut
        name = _first_column(text, start).decode("utf-8", "replace")
        places = chunk.place(start), chunk.place(after)
        runs.add(name, before + first + 1, places, positions[first:end], after - 1 - start)
        runs.show(name, before + first + 1, end - first, text[start:after])
    return lines


def _first_column(text: Bytes, start: int) -> bytes:
    """What stands before the first tab of the line at *start*, which has one."""
    size = 64
    while b"\t" not in (found := text[start : start + size].tobytes()):
        size *= 8
    return found.partition(b"\t")[0]


def _scan_lines(
    path: Path,
    header: Header,
    chunk: Chunk,
    cut: int,
    before: int,
    runs: _Runs,
    *,
    missing_newline: bool = False,
) -> int:
    """Check the whole lines of *chunk* up to *cut* and collect their runs; the number of lines.

    *before* lines of the file lie before the chunk.
    """
    text = chunk.raw[:cut]
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    _check_lines(path, header, text, starts, ends, before)
    line, total = 0, len(starts)
    # blank lines are allowed at the very end of a file, and `_check_lines` saw that there are no others
    while line < total and text[starts[line]] not in (ord("\n"), ord("\r")):
        name = chunk.text[starts[line] : chunk.text.index(b"\t", starts[line])]
        count = _same_contig(text, starts[line:], name + b"\t")
        span = slice(line, line + count)
        positions = _positions(path, chunk.text, starts[span] + len(name) + 1, before + line)
        first, last = int(starts[line]), int(ends[line + count - 1])
        places = chunk.place(first), chunk.place(last + (0 if missing_newline else 1))
        runs.add(name.decode("utf-8", "replace"), before + line + 1, places, positions, last - first)
        line += count
    return total


def _check_lines(
    path: Path, header: Header, text: Bytes, starts: Numbers, ends: Numbers, before: int
) -> None:
    """Refuse lines with another number of columns than the header has."""
    wanted = len(header.columns) - 1
    tabs = _tabs_of_lines(text, starts, ends, wanted)
    for line in np.flatnonzero(tabs != wanted):
        record = f"line {before + int(line) + 1}"
        if ends[line] - starts[line] <= 1 and not tabs[line]:
            if np.all(ends[line:] - starts[line:] <= 1):
                return
            raise InputError(path, "a blank line stands between records", "remove blank lines", record)
        raise InputError(
            path,
            f"has {tabs[line] + 1} columns, the header names {wanted + 1}",
            "the line is cut off or damaged: make the file anew",
            record,
        )


def _tabs_of_lines(text: Bytes, starts: Numbers, ends: Numbers, wanted: int) -> Numbers:
    """The tabs of each line."""
    is_tab = text == ord("\t")
    if wanted < 256:
        # sums modulo 256 are much the fastest, and with the right total none can hide a multiple of 256
        low = np.add.reduceat(is_tab.view(np.uint8), starts, dtype=np.uint8)
        if np.count_nonzero(is_tab) == wanted * len(starts) and np.all(low == wanted):
            return low.astype(np.int64)
        return np.add.reduceat(is_tab, starts, dtype=np.int64)
    counted = map(np.count_nonzero, map(is_tab.__getitem__, map(slice, starts.tolist(), ends.tolist())))
    return np.fromiter(counted, np.int64, len(starts))


def _same_contig(text: Bytes, starts: Numbers, name: bytes) -> int:
    """How many of the lines at *starts* begin with *name*, counted from the first."""
    wanted = np.frombuffer(name, np.uint8)
    steps = np.arange(len(wanted))
    done, width = 1, 64
    # growing windows: one comparison for a sorted file, and little waste for a shuffled one
    while done < len(starts):
        window = starts[done : done + width]
        same = np.all(text[np.minimum(window[:, None] + steps, len(text) - 1)] == wanted, axis=1)
        if not same.all():
            return done + int(np.argmin(same))
        done, width = done + len(window), width * 4
    return done


def _positions(path: Path, text: bytes, starts: Numbers, before: int) -> Numbers:
    """The 1-based positions that begin at *starts*; InputError where one is not a whole number."""
    characters = np.frombuffer(text, np.uint8)
    positions = np.zeros(len(starts), np.int64)
    live = np.ones(len(starts), bool)
    broken = characters[starts] == ord("\t")
    for step in range(11):
        character = characters[np.minimum(starts + step, len(characters) - 1)]
        digit = character - np.uint8(ord("0"))
        broken |= live & (digit > 9) & (character != ord("\t"))
        live &= digit <= 9
        positions = np.where(live, positions * 10 + digit, positions)
    broken |= live | (positions > LARGEST_POS)
    if broken.any():
        line = int(np.argmax(broken))
        shown = text[starts[line] : text.index(b"\t", starts[line])][:20].decode("utf-8", "replace")
        raise InputError(
            path, f"POS {shown!r} is not a position", "mend or remove the record", f"line {before + line + 1}"
        )
    return positions


def _bcf_header(path: Path, chunk: Chunk, rest: Iterator[Chunk]) -> tuple[Header, Chunk]:
    """The header, and the chunk from the first record on."""
    chunk = _at_least(path, chunk, rest, BCF_HEADER)
    end = BCF_HEADER + struct.unpack_from("<I", chunk.raw.data, 5)[0]
    chunk = _at_least(path, chunk, rest, end)
    return parse_header(path, chunk.raw[BCF_HEADER:end].tobytes().rstrip(b"\0")), chunk.keep_from(end)


def _scan_bcf(
    path: Path, header: Header, chunk: Chunk, rest: Iterator[Chunk], runs: _Runs, loop: Any
) -> None:
    done = 0
    while True:
        found = _read_places(loop, header, chunk, done, runs) if loop is not None else None
        used, records = found or _scan_records(path, header, chunk, done, runs)
        chunk, done = chunk.keep_from(used), done + records
        more = next(rest, None)
        if more is None:
            break
        chunk += more
    if len(chunk.raw):
        raise InputError(path, "is cut off inside a record", RECOPY, f"record {done + 1}")


def _at_least(path: Path, chunk: Chunk, rest: Iterator[Chunk], length: int) -> Chunk:
    while len(chunk.raw) < length:
        more = next(rest, None)
        if more is None:
            raise InputError(path, "is cut off inside its header", RECOPY)
        chunk += more
    return chunk


def _read_places(loop: Any, header: Header, chunk: Chunk, before: int, runs: _Runs) -> tuple[int, int] | None:
    """As `_scan_records`, by the compiled *loop*; None, and nothing done, where a record is malformed."""
    most = len(chunk.raw) // BCF_LEAST + 1
    starts, contigs, positions = (np.empty(most, np.int64) for _ in range(3))
    raw = chunk.raw
    records, used = map(int, loop(raw, starts, contigs, positions))
    if records < 0:
        return None
    changes = np.flatnonzero(contigs[1:records] != contigs[: max(0, records - 1)]) + 1
    for first, end in pairwise([0, *changes.tolist(), records] if records else []):
        start, after = int(starts[first]), int(starts[end]) if end < records else used
        name = header.contig_numbers.get(int(contigs[first]), "")
        places = chunk.place(start), chunk.place(after)
        runs.add(name, before + first + 1, places, positions[first:end], after - start)
        runs.show(name, before + first + 1, end - first, raw[start:after])
    return used, records


def _scan_records(path: Path, header: Header, chunk: Chunk, before: int, runs: _Runs) -> tuple[int, int]:
    """Collect the runs of the whole records of *chunk*; the bytes and the records used."""
    text, offset, count = chunk.text, 0, 0
    number, start, positions = -1, 0, list[int]()

    def close() -> None:
        if positions:
            name = header.contig_numbers.get(number, "")
            first = before + count - len(positions) + 1
            places = chunk.place(start), chunk.place(offset)
            runs.add(name, first, places, np.array(positions, np.int64), offset - start)

    while offset + 16 <= len(text):
        shared, individual, contig, pos = struct.unpack_from("<IIii", text, offset)
        if offset + 8 + shared + individual > len(text):
            break
        if pos < -1 or shared < 24:
            raise InputError(path, "is not a readable BCF record", RECOPY, f"record {before + count + 1}")
        if contig != number:
            close()
            number, start, positions = contig, offset, []
        positions.append(pos + 1)
        offset, count = offset + 8 + shared + individual, count + 1
    close()
    return offset, count
