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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol

import deflate
from isal import isal_zlib

from goe_lake.errors import InputError

Container = Literal["plain", "gzip", "bgzf"]
Place = tuple[int, int]

CHUNK: Final = 1 << 20
BGZF_END: Final = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
BLOCK_TEXT: Final = 0xFF00
#: The most text that a block may hold.
MOST_TEXT: Final = 1 << 16
#: Groups of blocks that are unpacked at the same time, ahead of the reader.
AHEAD: Final = 2
RECOPY: Final = "copy it again from where it came from, or make it anew"


#: What isal raises; its stubs do not say that it is an exception.
_BAD: Final[type[Exception]] = isal_zlib.error  # type: ignore[assignment]


class Digest(Protocol):
    """What `hashlib` objects do."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a file's text; *marks* pair an offset in *text* with the place that begins there."""

    text: bytes
    marks: tuple[tuple[int, Place], ...]

    def place(self, offset: int) -> Place:
        """The place of *offset* in the text."""
        start, (block, within) = self.marks[bisect_right(self.marks, offset, key=_start) - 1]
        return block, within + offset - start

    def keep_from(self, offset: int) -> Chunk:
        """The rest of the chunk from *offset* on."""
        first = bisect_right(self.marks, offset, key=_start) - 1
        return Chunk(
            self.text[offset:], tuple((start - offset, place) for start, place in self.marks[first:])
        )

    def __add__(self, other: Chunk) -> Chunk:
        moved = tuple((start + len(self.text), place) for start, place in other.marks)
        return Chunk(self.text + other.text, self.marks + moved)


def _start(mark: tuple[int, Place]) -> int:
    return mark[0]


def container_of(path: Path) -> Container:
    """How the file at *path* is packed, judged by its first bytes."""
    with path.open("rb") as file:
        head = file.read(18)
    if head[:2] != b"\x1f\x8b":
        return "plain"
    return "bgzf" if len(head) == 18 and head[3] & 4 and head[12:14] == b"BC" else "gzip"


def read_chunks(path: Path, container: Container, digest: Digest | None = None) -> Iterator[Chunk]:
    """The text of the file at *path*, piece by piece; *digest* is fed with the raw bytes.

    Raises InputError where the file is cut off or damaged.
    """
    readers: dict[Container, Callable[[Path, BinaryIO, Digest | None], Iterator[Chunk]]] = {
        "plain": _plain,
        "gzip": _gzip,
        "bgzf": _bgzf,
    }
    with path.open("rb") as file:
        yield from readers[container](path, file, digest)


def _plain(_path: Path, file: BinaryIO, digest: Digest | None) -> Iterator[Chunk]:
    offset = 0
    while text := file.read(CHUNK):
        if digest is not None:
            digest.update(text)
        yield Chunk(text, ((0, (offset, 0)),))
        offset += len(text)


def _gzip(path: Path, file: BinaryIO, digest: Digest | None) -> Iterator[Chunk]:
    offset, unpack, inside = 0, isal_zlib.decompressobj(31), True
    while packed := file.read(CHUNK // 4):
        if digest is not None:
            digest.update(packed)
        while packed:
            try:
                text = unpack.decompress(packed, CHUNK)
            except _BAD as error:
                raise InputError(path, f"its gzip stream is damaged: {error}", RECOPY) from None
            if text:
                yield Chunk(text, ((0, (offset, 0)),))
                offset += len(text)
            inside = not unpack.eof
            packed = unpack.unconsumed_tail if inside else unpack.unused_data
            if not inside:
                unpack = isal_zlib.decompressobj(31)
    if inside:
        raise InputError(path, "is cut off inside its gzip stream", RECOPY)


def _bgzf(path: Path, file: BinaryIO, digest: Digest | None) -> Iterator[Chunk]:
    """The blocks of a BGZF file, about CHUNK bytes of text at a time."""
    groups = _groups(path, file, digest)
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


def _groups(path: Path, file: BinaryIO, digest: Digest | None) -> Iterator[list[tuple[int, bytes]]]:
    """The blocks of a BGZF file as they lie there, so many together that they hold CHUNK bytes of text."""
    group: list[tuple[int, bytes]] = []
    length, raw = 0, b""
    for offset, raw in _raw_blocks(path, file):
        if digest is not None:
            digest.update(raw)
        group.append((offset, raw))
        length += _text_size(raw)
        if length >= CHUNK:
            yield group
            group, length = [], 0
    if length:
        yield group
    if raw != BGZF_END:
        raise InputError(path, "is cut off: the end-of-file block of bgzip is absent", RECOPY)


def _unpacked(path: Path, group: list[tuple[int, bytes]]) -> Chunk:
    marks: list[tuple[int, Place]] = []
    texts: list[bytes | bytearray] = []
    length = 0
    for offset, raw in group:
        marks.append((length, (offset, 0)))
        texts.append(_inflate(path, offset, raw))
        length += len(texts[-1])
    return Chunk(b"".join(texts), tuple(marks))


def _text_size(raw: bytes) -> int:
    """The bytes of text in a block, as its end says."""
    size: int = struct.unpack_from("<I", raw, len(raw) - 4)[0]
    return size


def read_between(path: Path, container: Literal["plain", "bgzf"], start: Place, end: Place) -> bytes:
    """The text of the file at *path* from *start* up to *end*, the place of the byte after the last.

    Raises InputError where the file is damaged or became shorter.
    """
    with path.open("rb") as file:
        if container == "plain":
            file.seek(sum(start))
            text = file.read(sum(end) - sum(start))
            _check_length(path, len(text), sum(end) - sum(start))
            return text
        file.seek(start[0])
        packed = file.read(end[0] - start[0])
        _check_length(path, len(packed), end[0] - start[0])
        texts, offset = list[bytes | bytearray](), 0
        while offset < len(packed):
            size = struct.unpack_from("<H", packed, offset + 16)[0] + 1
            texts.append(_inflate(path, start[0] + offset, packed[offset : offset + size]))
            offset += size
        if end[1]:
            head = file.read(18)
            _check_length(path, len(head), 18)
            size = struct.unpack_from("<H", head, 16)[0] + 1
            texts.append(_inflate(path, end[0], head + file.read(size - 18))[: end[1]])
    if texts:
        # both places may lie in one block, and then the text was cut at its end first
        texts[0] = texts[0][start[1] :]
    return b"".join(texts)


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


def _raw_blocks(path: Path, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each block of a BGZF file as it lies there, with its offset."""
    offset = 0
    while head := file.read(18):
        # the size minus one follows the subfield name BC, which bgzip always puts first
        if len(head) < 18 or head[:4] != b"\x1f\x8b\x08\x04" or head[12:14] != b"BC":
            raise InputError(path, f"is cut off or damaged at byte {offset}", RECOPY)
        size = struct.unpack_from("<H", head, 16)[0] + 1
        raw = head + file.read(size - 18)
        if len(raw) < size:
            raise InputError(path, f"is cut off inside the block at byte {offset}", RECOPY)
        yield offset, raw
        offset += size


def _inflate(path: Path, offset: int, raw: bytes) -> bytes | bytearray:
    size = _text_size(raw)
    if 0 < size <= MOST_TEXT:
        with suppress(deflate.DeflateError):
            text: bytes | bytearray = deflate.gzip_decompress(raw, size)
            if len(text) == size:
                return text
    # zlib says more exactly what is wrong, and knows empty blocks
    return _inflate_slowly(path, offset, raw)


def _inflate_slowly(path: Path, offset: int, raw: bytes) -> bytes:
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
            self._block = (offset, bytes(_inflate(self._path, offset, head + file.read(size - 18))))
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
