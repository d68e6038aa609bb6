"""Scans that begin, and units that are decoded, while the rest of the program still loads.

A file is unpacked once then: what the scan has at hand is decoded at once, as far as memory allows.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from goe_lake.genome import ASSEMBLIES, Assembly, canonical_contig
from goe_lake.vcf.container import Bytes
from goe_lake.vcf.header import CONSEQUENCE_FIELDS, Header
from goe_lake.vcf.scan import Scan, scan, worth_loops

if TYPE_CHECKING:
    from goe_lake.vcf.fast import Decoded, Decoder
    from goe_lake.vcf.reader import Piece

#: Files of more bytes, all together, gain nothing; and whatever else is wrong is to be told soon.
MOST_AHEAD: Final = 256 << 20
#: About so many bytes of decoded units are kept; the others are decoded when they are asked for.
MOST_DECODED: Final = 128 << 20
#: Units of a file whose text waits to be decoded.
MOST_WAITING: Final = 2

#: Units by the number of their first record, and their records.
Units = dict[tuple[int, int], "Future[Decoded]"]
_files: dict[Path, _File] = {}


@dataclass(frozen=True)
class Source:
    """A file, and all that decides how its units are decoded but for the order of its persons."""

    path: Path
    format: str
    header: Header
    assembly: Assembly
    fields: tuple[str, ...]
    min_block_gq: int


@dataclass(frozen=True)
class Wish:
    """A file of which everything is about to be asked for; see `config.GenotypeDelivery`.

    *info_fields* are asked for too: a file that declares one is read by cyvcf2, and not decoded ahead.
    """

    path: Path
    assembly: str
    fields: tuple[str, ...]
    min_block_gq: int
    info_fields: tuple[str, ...] = ()


@contextmanager
def ahead(wishes: Sequence[Wish]) -> Iterator[None]:
    """Begin to scan and to decode the files of *wishes*, one after the other, if they are not too large.

    What they hold is given out by `scanned` and `units_ahead`, and dropped in the end. Nothing is
    written: units with a FILTER that cyvcf2 has to explain are not decoded.
    """
    try:
        sizes = [wish.path.stat().st_size for wish in wishes]
    except OSError:
        # whoever needs the file says what is wrong
        sizes = [MOST_AHEAD + 1]
    if sum(sizes) > MOST_AHEAD:
        yield
        return
    if any(map(worth_loops, sizes)):
        # here and not in the threads that decode: of two that load modules at once each may want the other's
        from goe_lake.vcf.reader import load_fast

        load_fast()
    with (
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as decodes,
        ThreadPoolExecutor(1) as scans,
    ):
        room = _Room(decodes)
        for wish in {wish.path: wish for wish in wishes}.values():
            _files[wish.path] = _File(wish, room, scans)
        try:
            yield
        finally:
            room.closed = True
            _files.clear()


def scanned(path: Path) -> Scan:
    """The scan of the file at *path*: the one begun ahead, once, or a new one. Raises as `scan` does."""
    file = _files.get(path)
    begun = file.take_scan() if file is not None else None
    return scan(path) if begun is None else begun.result()


def units_ahead(piece: Piece, source: Source, contig: str) -> Units:
    """The units of *piece*, i.e. of *contig* in a file, that were or are decoded ahead, once."""
    file = _files.get(piece.path)
    same = file is not None and piece.order is None and file.is_of(source, (piece.bytes, piece.changed))
    return file.units.pop(contig, {}) if file is not None and same else {}


class _Room:
    """What all files share: the threads that decode, and memory."""

    def __init__(self, decodes: ThreadPoolExecutor) -> None:
        self.decodes = decodes
        self.bytes = 0
        self.closed = False
        self.lock = Lock()


class _File:
    """A file that is scanned, and its units, which are decoded meanwhile; a `scan.Watch`."""

    def __init__(self, wish: Wish, room: _Room, scans: ThreadPoolExecutor) -> None:
        self._wish, self._room = wish, room
        self._source: Source | None = None
        self._state = (0, 0)
        self._ended = False
        self._decoders: dict[str, Decoder] = {}
        self._waiting: deque[Future[Decoded]] = deque()
        self.units: dict[str, Units] = {}
        self._scan: Future[Scan] | None = scans.submit(scan, wish.path, self)

    def take_scan(self) -> Future[Scan] | None:
        """The scan, once."""
        found, self._scan = self._scan, None
        return found

    def is_of(self, source: Source, state: tuple[int, int]) -> bool:
        """Whether the file was decoded as *source* asks, when its size and time of change were *state*."""
        return self._source == source and self._state == state

    def begin(self, found: Scan) -> None:
        """See Watch."""
        wish = self._wish
        assembly = ASSEMBLIES[wish.assembly]
        self._source = Source(wish.path, found.format, found.header, assembly, wish.fields, wish.min_block_gq)
        self._state = found.bytes, found.changed
        asked = (*CONSEQUENCE_FIELDS, *wish.info_fields)
        self._ended = any(found.header.info_field(name) is not None for name in asked)

    def unit(self, contig: str, first: int, records: int, text: Bytes) -> None:
        """See Watch."""
        if self._room.closed:
            raise CancelledError
        name = canonical_contig(contig)
        if name is None or self._ended or self._room.bytes > MOST_DECODED:
            return
        while len(self._waiting) >= MOST_WAITING:
            wait([self._waiting.popleft()])
        future = self._room.decodes.submit(self._decode, name, first, records, text)
        self._waiting.append(future)
        self.units.setdefault(name, {})[first, records] = future

    def _decode(self, contig: str, first: int, records: int, text: Bytes) -> Decoded:
        if self._room.closed:
            raise CancelledError
        try:
            found = self._decoder(contig).decode(first, records, text)
        except Exception:
            # whoever asks for the unit meets the same, and the others are likely to fail as well
            self._ended = True
            raise
        with self._room.lock:
            self._room.bytes += found.bytes
        return found

    def _decoder(self, contig: str) -> Decoder:
        from goe_lake.vcf.fast import decoder

        assert self._source is not None
        with self._room.lock:
            if contig not in self._decoders:
                self._decoders[contig] = decoder(self._source, contig, None)
            return self._decoders[contig]
