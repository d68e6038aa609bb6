"""The bytes of a VCF or BCF file: plain, gzip, or BGZF (blocked gzip, as bgzip writes it).

A *place* is where something begins in a file: (offset of a BGZF block in the file, offset inside
the block's text), or (offset in the text, 0) where the file has no blocks. Offsets are 0-based bytes.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from goe_lake.errors import InputError
from goe_lake.vcf.rooms import room

Container = Literal["plain", "gzip", "bgzf"]
Place = tuple[int, int]
Bytes = npt.NDArray[np.uint8]

CHUNK: Final = 1 << 20
BGZF_END: Final = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
BLOCK_TEXT: Final = 0xFF00
#: The most text that a block may hold.
MOST_TEXT: Final = 1 << 16
#: Groups of blocks that are unpacked at the same time, ahead of the reader.
AHEAD: Final = 2
#: Bytes of a BGZF block before its deflated text.
BLOCK_HEAD: Final = 18
_HEAD: Final = struct.Struct("<4s8x2s2xH")
#: The least bytes of a block: its end says what its text sums to.
BLOCK_LEAST: Final = 26
#: What is free before a chunk's text: room for the end of the chunk before, a line that goes on in this one.
ROOM: Final = 1 << 20
RECOPY: Final = "copy it again from where it came from, or make it anew"


#: What isal raises; its stubs do not say that it is an exception.
_BAD: Final[type[Exception]] = isal_zlib.error  # type: ignore[assignment]


class Digest(Protocol):
    """What `hashlib` objects do."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more bytes."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """A piece of a file's text; *marks* pair an offset in the text with the place that begins there.

    *raw* is the end of *room*, the beginning of which is free; None where there is no room.
    """

    raw: Bytes
    marks: tuple[tuple[int, Place], ...]
    room: Bytes | None = None

    @classmethod
    def of(cls, text: bytes, marks: tuple[tuple[int, Place], ...]) -> Chunk:
        """A chunk of *text*."""
        return cls(np.frombuffer(text, np.uint8), marks)

    @cached_property
    def text(self) -> bytes:
        """A copy of the text."""
        return self.raw.tobytes()

    def starts_with(self, text: bytes) -> bool:
        """Whether it begins with *text*."""
        return self.raw[: len(text)].tobytes() == text

    def last_line_end(self) -> int:
        """The offset behind the last newline, 0 where there is none."""
        size = 1 << 12
        while not (found := self.raw[-size:].tobytes().rfind(b"\n") + 1) and size < len(self.raw):
            size *= 8
        return found and max(0, len(self.raw) - size) + found

    def place(self, offset: int) -> Place:
        """The place of *offset* in the text."""
        start, (block, within) = self.marks[bisect_right(self.marks, offset, key=_start) - 1]
        return block, within + offset - start

    def keep_from(self, offset: int) -> Chunk:
        """The rest of the chunk from *offset* on."""
        first = bisect_right(self.marks, offset, key=_start) - 1
        return Chunk(self.raw[offset:], tuple((start - offset, place) for start, place in self.marks[first:]))

    def __add__(self, other: Chunk) -> Chunk:
        """Both, one after the other; the *room* of the other one is used up."""
        size = len(self.raw)
        marks = self.marks + tuple((start + size, place) for start, place in other.marks)
        start = -1 if other.room is None else len(other.room) - len(other.raw) - size
        if other.room is None or start < 0:
            return Chunk(np.concatenate([self.raw, other.raw]), marks)
        other.room[start : start + size] = self.raw
        return Chunk(other.room[start:], marks, other.room)


def _start(mark: tuple[int, Place]) -> int:
    return mark[0]


def container_of(path: Path) -> Container:
    """How the file at *path* is packed, judged by its first bytes."""
    with path.open("rb") as file:
        head = file.read(18)
    if head[:2] != b"\x1f\x8b":
        return "plain"
    return "bgzf" if len(head) == 18 and head[3] & 4 and head[12:14] == b"BC" else "gzip"


def read_chunks(
    path: Path, container: Container, digest: Digest | None = None, size: int | None = None
) -> Iterator[Chunk]:
    """The text of the file at *path*, about *size* bytes at a time, or CHUNK; *digest* gets the raw bytes.

    Raises InputError where the file is cut off or damaged.
    """
    readers: dict[Container, Callable[[Path, BufferedReader, Digest | None, int], Iterator[Chunk]]] = {
        "plain": _plain,
        "gzip": _gzip,
        "bgzf": _bgzf,
    }
    with path.open("rb") as file:
        yield from readers[container](path, file, digest, size or CHUNK)


def _plain(_path: Path, file: BufferedReader, digest: Digest | None, size: int) -> Iterator[Chunk]:
    offset = 0
    while True:
        space = room(ROOM + size)
        length = file.readinto(space.data[ROOM:])
        if not length:
            return
        raw = space[ROOM : ROOM + length]
        if digest is not None:
            digest.update(raw.data)
        yield Chunk(raw, ((0, (offset, 0)),), space[: ROOM + length])
        offset += length


def _gzip(path: Path, file: BufferedReader, digest: Digest | None, size: int) -> Iterator[Chunk]:
    offset, unpack, inside = 0, isal_zlib.decompressobj(31), True
    while packed := file.read(CHUNK // 4):
        if digest is not None:
            digest.update(packed)
        while packed:
            try:
                text = unpack.decompress(packed, size)
            except _BAD as error:
                raise InputError(path, f"its gzip stream is damaged: {error}", RECOPY) from None
            if text:
                yield Chunk.of(text, ((0, (offset, 0)),))
                offset += len(text)
            inside = not unpack.eof
            packed = unpack.unconsumed_tail if inside else unpack.unused_data
            if not inside:
                unpack = isal_zlib.decompressobj(31)
    if inside:
        raise InputError(path, "is cut off inside its gzip stream", RECOPY)


def _bgzf(path: Path, file: BufferedReader, digest: Digest | None, size: int) -> Iterator[Chunk]:
    """The blocks of a BGZF file, about *size* bytes of text at a time."""
    groups = _groups(path, file, digest, size)
    waiting: deque[Future[Chunk]] = deque()
    problem: InputError | None = None
    with ThreadPoolExecutor(AHEAD) as pool:
        while True:
            try:
                group = next(groups, None)
            except InputError as error:
                # what lies before the damage comes first, and may be damaged too
                group, problem = None, error
            if group is None:
                break
            waiting.append(pool.submit(_unpacked, path, group))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()
    if problem is not None:
        raise problem


@dataclass(frozen=True)
class _Group:
    """Blocks of a BGZF file that follow each other from *offset* on; for each where it begins, and its text.

    *blocks* are offsets in *packed*, and the bytes of text that the block's end says it holds.
    """

    offset: int
    packed: bytes
    blocks: tuple[tuple[int, int], ...]

    @property
    def length(self) -> int:
        """The bytes of text."""
        return sum(text for _, text in self.blocks)

    def marks(self) -> Iterator[tuple[int, Place]]:
        """See Chunk."""
        length = 0
        for start, text in self.blocks:
            yield length, (self.offset + start, 0)
            length += text


def _groups(path: Path, file: BufferedReader, digest: Digest | None, size: int) -> Iterator[_Group]:
    """The blocks of a BGZF file as they lie there, so many together that they hold *size* bytes of text."""
    held, offset, at, length = b"", 0, 0, 0
    blocks: list[tuple[int, int]] = []
    last = b""
    while True:
        end = _block_end(path, held, at, offset)
        if end > len(held):
            more = file.read(CHUNK)
            if not more:
                break
            if digest is not None:
                digest.update(more)
            held += more
            continue
        last = held[at:end]
        blocks.append((at, _text_size(held, end)))
        length, at = length + blocks[-1][1], end
        if length >= size:
            yield _Group(offset, held[:at], tuple(blocks))
            held, offset, at, length, blocks = held[at:], offset + at, 0, 0, []
    if at < len(held):
        where = "inside the block" if len(held) - at >= BLOCK_HEAD else "or damaged"
        raise InputError(path, f"is cut off {where} at byte {offset + at}", RECOPY)
    if blocks:
        yield _Group(offset, held, tuple(blocks))
    if last != BGZF_END:
        raise InputError(path, "is cut off: the end-of-file block of bgzip is absent", RECOPY)


def _block_end(path: Path, packed: bytes, at: int, offset: int) -> int:
    """Where the block at *at* ends, perhaps behind all of *packed*, which lies at *offset* in the file."""
    if at + BLOCK_HEAD > len(packed):
        return at + BLOCK_HEAD
    # the size minus one follows the subfield name BC, which bgzip always puts first
    magic, name, size = _HEAD.unpack_from(packed, at)
    if magic != b"\x1f\x8b\x08\x04" or name != b"BC" or size + 1 < BLOCK_LEAST:
        raise InputError(path, f"is cut off or damaged at byte {offset + at}", RECOPY)
    return at + int(size) + 1


def _text_size(packed: bytes, end: int) -> int:
    """The bytes of text in the block that ends at *end*, as its end says."""
    return int.from_bytes(packed[end - 4 : end], "little")


def _unpacked(path: Path, group: _Group) -> Chunk:
    """The text of *group*, with ROOM before it."""
    if all(text <= MOST_TEXT for _, text in group.blocks):
        space = room(ROOM + group.length)
        if _unpack_into(group.packed, space[ROOM:]):
            return Chunk(space[ROOM:], tuple(group.marks()), space)
    return Chunk(_unpacked_slowly(path, group), tuple(group.marks()))


def _unpack_into(packed: bytes, target: Bytes) -> bool:
    """Unpack gzip members, as many as there are; False where they are damaged or do not fill *target*.

    One call unpacks all of them without the interpreter's lock. `isal.igzip.decompress` is this and a copy.
    """
    # it takes bytes as well as files, whatever its stub says
    reader = isal_zlib._GzipReader(packed, len(packed))  # type: ignore[arg-type]
    done = 0
    try:
        while done < len(target):
            length = reader.readinto(target.data[done:])
            if not length:
                return False
            done += length
        return not reader.read(1)
    except (_BAD, OSError, EOFError):
        return False


def _unpacked_slowly(path: Path, group: _Group) -> Bytes:
    """The same block by block by zlib, which says what is wrong, and where."""
    ends = [*(start for start, _ in group.blocks[1:]), len(group.packed)]
    texts = [
        _inflate(path, group.offset + start, group.packed[start:end])
        for (start, _), end in zip(group.blocks, ends, strict=True)
    ]
    return np.frombuffer(b"".join(texts), np.uint8)


def read_between(path: Path, container: Literal["plain", "bgzf"], start: Place, end: Place) -> Bytes:
    """The text of the file at *path* from *start* up to *end*, the place of the byte after the last.

    Raises InputError where the file is damaged or became shorter.
    """
    with path.open("rb") as file:
        if container == "plain":
            file.seek(sum(start))
            text = file.read(sum(end) - sum(start))
            _check_length(path, len(text), sum(end) - sum(start))
            return np.frombuffer(text, np.uint8)
        file.seek(start[0])
        packed = file.read(end[0] - start[0])
        _check_length(path, len(packed), end[0] - start[0])
        if end[1]:
            head = file.read(BLOCK_HEAD)
            _check_length(path, len(head), BLOCK_HEAD)
            packed += head + file.read(_block_end(path, head, 0, end[0]) - BLOCK_HEAD)
    group = _Group(start[0], packed, tuple(_blocks_in(path, packed, start[0])))
    before = sum(text for at, text in group.blocks if start[0] + at < end[0])
    return _unpacked(path, group).raw[start[1] : before + end[1]]


def _blocks_in(path: Path, packed: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """See _Group."""
    at = 0
    while at < len(packed):
        end = _block_end(path, packed, at, offset)
        _check_length(path, len(packed), end)
        yield at, _text_size(packed, end)
        at = end


def read_in_order(path: Path, stretches: Sequence[tuple[Place, Place]]) -> Iterator[bytes]:
    """The texts of *stretches* of a gzip file without blocks, which is read from its beginning."""
    chunks = read_chunks(path, "gzip")
    text, offset = b"", 0
    for start, end in ((sum(first), sum(last)) for first, last in stretches):
        parts: list[bytes] = []
        while True:
            parts.append(text[max(0, start - offset) : max(0, end - offset)])
            if offset + len(text) >= end:
                break
            offset += len(text)
            following = next(chunks, None)
            _check_length(path, following is not None, True)
            assert following is not None
            text = following.text
        yield b"".join(parts)


def _check_length(path: Path, found: int, wanted: int) -> None:
    if found < wanted:
        raise InputError(path, "became shorter while it was read", "run the ingest again")


def _inflate(path: Path, offset: int, raw: bytes) -> bytes:
    try:
        return zlib.decompress(raw, 31)
    except zlib.error as error:
        raise InputError(path, f"the block at byte {offset} is damaged: {error}", RECOPY) from None


class Cutter:
    """Copies stretches of one file into a smaller file of the same kind.

    BGZF blocks that lie wholly inside a stretch are copied as they are; only the two at its ends
    are packed anew. A gzip file without blocks has to be read from its beginning.
    """

    def __init__(self, path: Path, container: Container, target: BinaryIO) -> None:
        self._path, self._container, self._target = path, container, target
        self._block: tuple[int, bytes] = (-1, b"")

    def write_text(self, text: bytes) -> None:
        """Append *text*, packed as the target is."""
        if self._container != "bgzf":
            self._target.write(text)
            return
        for start in range(0, len(text), BLOCK_TEXT):
            self._target.write(pack_block(text[start : start + BLOCK_TEXT]))

    def copy(self, stretches: tuple[tuple[Place, Place], ...]) -> None:
        """Append the text of *stretches*: the places of a first byte and of the byte after a last one."""
        if self._container == "bgzf":
            with self._path.open("rb") as file:
                for start, end in stretches:
                    self._copy_blocks(file, start, end)
            self._target.write(BGZF_END)
        else:
            self._copy_text(stretches)

    def _copy_blocks(self, file: BinaryIO, start: Place, end: Place) -> None:
        if start[0] == end[0]:
            self.write_text(self._text(file, start[0])[start[1] : end[1]])
            return
        whole = start[0]
        if start[1]:
            self.write_text(self._text(file, start[0])[start[1] :])
            whole = file.tell()
        file.seek(whole)
        remaining = end[0] - whole
        while remaining > 0:
            raw = file.read(min(CHUNK, remaining))
            if not raw:
                raise InputError(self._path, "became shorter while it was read", "run the ingest again")
            self._target.write(raw)
            remaining -= len(raw)
        if end[1]:
            self.write_text(self._text(file, end[0])[: end[1]])

    def _text(self, file: BinaryIO, offset: int) -> bytes:
        """The text of the block at *offset*; leaves *file* at the block after it."""
        file.seek(offset)
        head = file.read(18)
        if len(head) < 18:
            raise InputError(self._path, "became shorter while it was read", "run the ingest again")
        size = struct.unpack_from("<H", head, 16)[0] + 1
        if self._block[0] != offset:
            self._block = (offset, _inflate(self._path, offset, head + file.read(size - 18)))
        file.seek(offset + size)
        return self._block[1]

    def _copy_text(self, stretches: tuple[tuple[Place, Place], ...]) -> None:
        wanted = iter(sorted((sum(start), sum(end)) for start, end in stretches))
        current = next(wanted, None)
        for chunk in read_chunks(self._path, self._container):
            first = chunk.marks[0][1][0]
            last = first + len(chunk.text)
            while current is not None and current[0] < last:
                self._target.write(chunk.text[max(0, current[0] - first) : current[1] - first])
                if current[1] > last:
                    break
                current = next(wanted, None)


def pack_block(text: bytes) -> bytes:
    """One BGZF block that holds *text*, at most BLOCK_TEXT bytes."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush()
    head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(packed) + 25)
    return head + packed + struct.pack("<II", zlib.crc32(text), len(text))
