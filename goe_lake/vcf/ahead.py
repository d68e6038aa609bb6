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
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Final

from goe_lake.genome import ASSEMBLIES, Assembly, canonical_contig
from goe_lake.vcf.container import Bytes
from goe_lake.vcf.header import Header
from goe_lake.vcf.scan import Scan, scan, worth_loops

if TYPE_CHECKING:
    from goe_lake.vcf.fast import Decoded, Decoder
    from goe_lake.vcf.odd import Apart
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
    """A file of which everything is about to be asked for; see `config.GenotypeDelivery`."""

    path: Path
    assembly: str
    fields: tuple[str, ...]
    min_block_gq: int


@contextmanager
def ahead(wishes: Sequence[Wish], apart: Apart) -> Iterator[None]:
    """Begin to scan and to decode the files of *wishes*, one after the other, if they are not too large.

    What they hold is given out by `scanned` and `units_ahead`, and dropped in the end. For *apart*
    see `odd.Apart`.
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
        TemporaryDirectory(prefix="goe-") as folder,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as decodes,
        ThreadPoolExecutor(1) as scans,
    ):
        room = _Room(Path(folder), apart, decodes)
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
    """What all files share: a *folder* for scratch files, the threads that decode, and memory."""

    def __init__(self, folder: Path, apart: Apart, decodes: ThreadPoolExecutor) -> None:
        self.folder, self.apart, self.decodes = folder, apart, decodes
        self.bytes = 0
        self.closed = False
        self.lock = Lock()


class _File:
    """A file that is scanned, and its units, which are decoded meanwhile; a `scan.Watch`."""

    def __init__(self, wish: Wish, room: _Room, scans: ThreadPoolExecutor) -> None:
        self._wish, self._room = wish, room
        self._source: Source | None = None
        self._state = (0, 0)
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

    def unit(self, contig: str, first: int, records: int, text: Bytes) -> None:
        """See Watch."""
        if self._room.closed:
            raise CancelledError
        name = canonical_contig(contig)
        if name is None or self._room.bytes > MOST_DECODED:
            return
        while len(self._waiting) >= MOST_WAITING:
            wait([self._waiting.popleft()])
        future = self._room.decodes.submit(self._decode, name, first, records, text)
        self._waiting.append(future)
        self.units.setdefault(name, {})[first, records] = future

    def _decode(self, contig: str, first: int, records: int, text: Bytes) -> Decoded:
        if self._room.closed:
            raise CancelledError
        found = self._decoder(contig).decode(first, records, text)
        with self._room.lock:
            self._room.bytes += found.bytes
        return found

    def _decoder(self, contig: str) -> Decoder:
        from goe_lake.vcf.fast import decoder

        assert self._source is not None
        with self._room.lock:
            if contig not in self._decoders:
                scratch = self._room.folder / f"{id(self)}-{contig}"
                self._decoders[contig] = decoder(self._source, contig, None, scratch, self._room.apart)
            return self._decoders[contig]
