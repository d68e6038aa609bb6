"""Scans that begin, and units that are decoded, while the rest of the program still loads.

A file is unpacked once then: what the scan has at hand is decoded at once. It is kept, as far as memory
allows, or handed over in a Stream to whoever converts it meanwhile.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Condition, Event, Lock
from typing import TYPE_CHECKING, Any, Final

from goe_lake.genome import ASSEMBLIES, Assembly, canonical_contig
from goe_lake.vcf.container import Bytes, Place
from goe_lake.vcf.header import CONSEQUENCE_FIELDS, Header
from goe_lake.vcf.scan import Scan, load_loops, scan, worth_loops

if TYPE_CHECKING:
    from goe_lake.vcf.fast import Decoded, Decoder
    from goe_lake.vcf.odd import Apart, Asking
    from goe_lake.vcf.reader import Piece

#: Files of more bytes, all together, gain nothing; and whatever else is wrong is to be told soon.
MOST_AHEAD: Final = 256 << 20
#: About so many bytes of decoded units are kept; the others are decoded when they are asked for.
MOST_DECODED: Final = 128 << 20
#: Units of a file whose text waits to be decoded.
MOST_WAITING: Final = 2
#: Units of a stream that were not taken yet, decoded or not.
MOST_STREAMED: Final = 3

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
    With *streamed* its units are handed over in `streams`, which somebody has to take; see `let_ask` too.
    """

    path: Path
    assembly: str
    fields: tuple[str, ...]
    min_block_gq: int
    info_fields: tuple[str, ...] = ()
    streamed: bool = False


class Stream:
    """The units of one contig of a file, decoded and in order, from the scan to whoever takes them.

    *found* has neither runs nor a digest yet; *body* is where the first record begins. *outcome* is
    for whoever takes the units to say what became of them; *records* counts those taken.
    """

    def __init__(self, source: Source, found: Scan, body: Place, contig: str) -> None:
        self.source, self.found, self.body, self.contig = source, found, body, contig
        self.outcome: Future[Any] = Future()
        self.records = 0
        self.closed = False
        self._units: deque[Future[Decoded]] = deque()
        self._ended = False
        self._change = Condition()

    def put(self, unit: Future[Decoded]) -> None:
        """Hand over one unit; waits while too many were not taken."""
        with self._change:
            self._change.wait_for(lambda: self.closed or len(self._units) < MOST_STREAMED)
            self._units.append(unit)
            self._change.notify_all()

    def end(self) -> None:
        """There are no more units."""
        with self._change:
            self._ended = True
            self._change.notify_all()

    def close(self) -> None:
        """Nobody takes units any more, or they will never be whole: whoever waits need not."""
        with self._change:
            self.closed = True
            self._units.clear()
            self._change.notify_all()

    def units(self) -> Iterator[Decoded]:
        """Each unit, once; raises CancelledError where the stream was closed."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self.closed or self._ended or bool(self._units))
                if self.closed:
                    raise CancelledError
                if not self._units:
                    self.closed = True
                    return
                unit = self._units.popleft()
                self._change.notify_all()
            found = unit.result()
            self.records += found.records
            yield found


@contextmanager
def ahead(wishes: Sequence[Wish]) -> Iterator[None]:
    """Scan and decode the files of *wishes*, as `begin` does or has done, and drop in the end what they hold.

    That is given out by `scanned` and `units_ahead` meanwhile.
    """
    if {path: file.wish for path, file in _files.items()} != {wish.path: wish for wish in wishes}:
        drop()
        begin(wishes)
    try:
        yield
    finally:
        drop()


def begin(wishes: Sequence[Wish]) -> bool:
    """Begin to scan and to decode the files of *wishes*, one after the other; False if they are too large.

    Nothing is written: a FILTER that cyvcf2 has to explain ends it, but for streams: see `let_ask`.
    """
    try:
        sizes = [wish.path.stat().st_size for wish in wishes]
    except OSError:
        # whoever needs the file says what is wrong
        return False
    if sum(sizes) > MOST_AHEAD or not wishes:
        return False
    loops = any(map(worth_loops, sizes))
    room = _Room()
    for wish in {wish.path: wish for wish in wishes}.values():
        _files[wish.path] = _File(wish, room)
    try:
        if loops:
            load_loops()
            room.loops.set()
            # here and not in threads that decode: of two that load modules at once each may want the other's
            from goe_lake.vcf.reader import load_fast

            load_fast()
    finally:
        room.loops.set()
        room.loaded.set()
    return True


def drop() -> None:
    """End what goes on ahead, and forget it."""
    stop()
    rooms = {file.room for file in _files.values()}
    _files.clear()
    for room in rooms:
        room.scans.shutdown()
        room.decodes.shutdown()


def stop() -> None:
    """Let what goes on ahead end: nothing of it is asked for any more."""
    for file in _files.values():
        file.stop()


def streams() -> Iterator[Stream]:
    """The streams of all files that are streamed, as they begin, up to `stop`."""
    rooms = {file.room for file in _files.values()}
    for room in rooms:
        while (stream := room.streams.get()) is not None:
            yield stream


def let_ask(asking: Asking) -> None:
    """Let *asking* give those who decode for streams what tells them the meaning of a FILTER."""
    for room in {file.room for file in _files.values()}:
        if not room.asking.done():
            room.asking.set_result(asking)


def stream_of(path: Path, contig: str) -> Stream | None:
    """The stream of a contig of a file that was scanned."""
    file = _files.get(path)
    return file.streams.get(contig) if file is not None else None


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
    """What all files share: threads, which look at lines once the *loops* are there, and memory.

    They decode once all is *loaded* that this needs.
    """

    def __init__(self) -> None:
        self.decodes = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        self.scans = ThreadPoolExecutor(1)
        self.loops, self.loaded = Event(), Event()
        self.bytes = 0
        self.closed = False
        self.lock = Lock()
        self.streams: SimpleQueue[Stream | None] = SimpleQueue()
        self.asking: Future[Asking] = Future()

    def ask(self) -> tuple[Path, Apart]:
        """What `let_ask` gave, once it did; raises CancelledError where that will not be."""
        return self.asking.result()()


class _File:
    """A file that is scanned, and its units, which are decoded meanwhile; a `scan.Watch`."""

    def __init__(self, wish: Wish, room: _Room) -> None:
        self.wish, self.room = wish, room
        self._source: Source | None = None
        self._found: tuple[Scan, Place] | None = None
        self._state = (0, 0)
        self._ended = False
        self._decoders: dict[str, Decoder] = {}
        self._waiting: deque[Future[Decoded]] = deque()
        self.units: dict[str, Units] = {}
        self.streams: dict[str, Stream] = {}
        self._stream: Stream | None = None
        self._scan: Future[Scan] | None = room.scans.submit(self._scan_all)

    def _scan_all(self) -> Scan:
        try:
            found = scan(self.wish.path, self)
        except BaseException:
            self._close_streams()
            raise
        self._end_stream()
        return found

    def stop(self) -> None:
        """Let the scan and the streams end, at their next unit."""
        self.room.closed = True
        self.room.asking.cancel()
        self._close_streams()
        self.room.streams.put(None)

    def _close_streams(self) -> None:
        for stream in list(self.streams.values()):
            stream.close()

    def _end_stream(self) -> None:
        if self._stream is not None:
            self._stream.end()
        self._stream = None

    def take_scan(self) -> Future[Scan] | None:
        """The scan, once."""
        found, self._scan = self._scan, None
        return found

    def is_of(self, source: Source, state: tuple[int, int]) -> bool:
        """Whether the file was decoded as *source* asks, when its size and time of change were *state*."""
        return self._source == source and self._state == state

    def begin(self, found: Scan, body: Place) -> None:
        """See Watch."""
        # unpacking needs none, and goes on meanwhile
        self.room.loops.wait()
        self._found = found, body
        wish = self.wish
        assembly = ASSEMBLIES[wish.assembly]
        self._source = Source(wish.path, found.format, found.header, assembly, wish.fields, wish.min_block_gq)
        self._state = found.bytes, found.changed
        asked = (*CONSEQUENCE_FIELDS, *wish.info_fields)
        self._ended = any(found.header.info_field(name) is not None for name in asked)

    def unit(self, contig: str, first: int, records: int, text: Bytes) -> None:
        """See Watch."""
        if self.room.closed:
            raise CancelledError
        name = canonical_contig(contig)
        if name is None or self._ended:
            return
        stream = self._stream_for(name) if self.wish.streamed else None
        if stream is not None and not stream.closed:
            stream.put(self.room.decodes.submit(self._decode, name, first, records, text))
        elif self.room.bytes <= MOST_DECODED:
            while len(self._waiting) >= MOST_WAITING:
                wait([self._waiting.popleft()])
            future = self.room.decodes.submit(self._decode_to_keep, name, first, records, text)
            self._waiting.append(future)
            self.units.setdefault(name, {})[first, records] = future

    def _stream_for(self, contig: str) -> Stream | None:
        """The stream of *contig*, None where another contig came between."""
        if self._stream is None or self._stream.contig != contig:
            self._end_stream()
            if contig not in self.streams:
                assert self._source is not None
                assert self._found is not None
                self._stream = self.streams[contig] = Stream(self._source, *self._found, contig)
                self.room.streams.put(self._stream)
        return self._stream

    def _decode(self, contig: str, first: int, records: int, text: Bytes) -> Decoded:
        if self.room.closed:
            raise CancelledError
        self.room.loaded.wait()
        try:
            return self._decoder(contig).decode(first, records, text)
        except Exception:
            # whoever asks for the unit meets the same, and the others are likely to fail as well
            self._ended = True
            raise

    def _decode_to_keep(self, contig: str, first: int, records: int, text: Bytes) -> Decoded:
        found = self._decode(contig, first, records, text)
        with self.room.lock:
            self.room.bytes += found.bytes
        return found

    def _decoder(self, contig: str) -> Decoder:
        from goe_lake.vcf.fast import decoder

        assert self._source is not None
        with self.room.lock:
            if contig not in self._decoders:
                asking = self.room.ask if self.wish.streamed else None
                self._decoders[contig] = decoder(self._source, contig, None, asking)
            return self._decoders[contig]
