"""Sites as numbers: what a holder writes into a slot, and how a name is read back from it.

A site's *mark* is 61 bits of the SHA-256 of its name, `chr1-1000-A-C`. Its *word* tells the name of a
substitution whole. A longer name's word tells how long it is, and 48 bits of the mark; its letters follow on
*pages* of seven, each covered by noise of the mark, so that two names never agree on a page. A slot with
several names is noise (`field`), and passes for a name with a chance of 2^-48 at the most.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.federation.listing.field import PRIME, reduced
from goe_lake.federation.sealing import Words
from goe_lake.genome import CONTIGS
from goe_lake.vcf.arrow import Vector, pc

BASES: Final = "ACGT"
#: Letters of the longest name that takes part.
MOST_LETTERS: Final = 1024
PAGE: Final = 7
#: No contig is longer than positions are wide.
MOST_POSITION: Final = 2**31 - 1
_NAME: Final = re.compile(r"(chr[0-9XYM]{1,2})-([1-9][0-9]{0,9})-([ACGTN]+)-([ACGTN]+)")
_BASE_CODE: Final = np.full(256, 255, dtype=np.uint8)
_BASE_CODE[np.frombuffer(BASES.encode(), dtype=np.uint8)] = np.arange(4, dtype=np.uint8)
_LONG: Final = 1
_MARK_BITS: Final = 48
_LENGTH_BITS: Final = 11


def digests_of(names: pa.Table) -> npt.NDArray[np.uint8]:
    """The bytes of the column `digest` of *names*, SHA-256 of each name; shape (names, 32)."""
    column: Vector = names.column("digest").combine_chunks().cast(pa.binary(32))
    whole = np.frombuffer(column.buffers()[1], dtype=np.uint8).reshape(-1, 32)
    digests: npt.NDArray[np.uint8] = whole[column.offset : column.offset + len(column)]
    return digests


def marks_of(digests: npt.NDArray[np.uint8]) -> Words:
    """The marks of names whose SHA-256 are *digests*, shape (names, 32)."""
    return reduced(np.ascontiguousarray(digests[:, 16:24]).view("<u8").reshape(-1).astype(np.uint64))


def mark_of(name: str) -> int:
    """The mark of one *name*."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[16:24], "little") % PRIME


def words_of_names(
    contigs: npt.NDArray[np.uint64], positions: npt.NDArray[np.uint64], names: pa.Table, marks: Words
) -> Words:
    """The word of each of *names* (columns ref, alt, name); *contigs* are places in `CONTIGS`."""
    refs, alts = (_codes(names.column(column)) for column in ("ref", "alt"))
    short = (refs < 4) & (alts < 4)
    packed = contigs << np.uint64(1) | positions << np.uint64(6)
    packed |= refs.astype(np.uint64) << np.uint64(38) | alts.astype(np.uint64) << np.uint64(40)
    lengths = pc.binary_length(names.column("name")).to_numpy().astype(np.uint64)
    kept = marks & np.uint64((1 << _MARK_BITS) - 1)
    long = np.uint64(_LONG) | lengths << np.uint64(1) | kept << np.uint64(1 + _LENGTH_BITS)
    return np.where(short, packed, long)


def _codes(alleles: Vector) -> npt.NDArray[np.uint8]:
    """The code of each one-letter allele, 255 for any other."""
    first = pc.utf8_slice_codeunits(alleles, 0, 1).combine_chunks().cast(pa.binary())
    letters = np.frombuffer(b"".join(first.to_pylist()), dtype=np.uint8)
    single = pc.equal(pc.binary_length(alleles), 1).to_numpy()
    return np.where(single, _BASE_CODE[letters], 255).astype(np.uint8)


def short_name(word: int) -> str | None:
    """The name that *word* tells whole; None where it tells none."""
    contig, position = word >> 1 & 31, word >> 6 & 0xFFFFFFFF
    ref, alt = word >> 38 & 3, word >> 40 & 3
    if word & _LONG or word >> 42 or contig >= len(CONTIGS) or not position or ref == alt:
        return None
    return f"{CONTIGS[contig]}-{position}-{BASES[ref]}-{BASES[alt]}"


def pages_of(word: int, mark: int) -> int:
    """How many pages follow *word* beside *mark*: 0 where it does not announce a long name."""
    length = word >> 1 & ((1 << _LENGTH_BITS) - 1)
    fits = word >> 1 + _LENGTH_BITS == mark & ((1 << _MARK_BITS) - 1)
    return -(-length // PAGE) if word & _LONG and fits and 0 < length <= MOST_LETTERS else 0


def pages(name: str, mark: int, count: int) -> list[int]:
    """The letters of *name* on *count* pages, seven a page, each page under noise of *mark*.

    A name that ends before gives noise alone, so that nobody else's page ever stands by itself.
    """
    letters = name.encode().ljust(PAGE * count, b"\0")
    return [
        int.from_bytes(letters[PAGE * page : PAGE * (page + 1)], "little") ^ _noise(mark, page)
        for page in range(count)
    ]


def name_from(found: Sequence[int], word: int, mark: int) -> str | None:
    """The name on the pages *found*; None where they hold none."""
    length = word >> 1 & ((1 << _LENGTH_BITS) - 1)
    try:
        whole = b"".join(
            (part ^ _noise(mark, page)).to_bytes(PAGE, "little") for page, part in enumerate(found)
        )
        return whole[:length].decode("ascii")
    except (OverflowError, UnicodeDecodeError):
        return None


def _noise(mark: int, page: int) -> int:
    key = mark.to_bytes(8, "little")
    return int.from_bytes(hashlib.blake2b(page.to_bytes(4, "little"), key=key, digest_size=PAGE).digest())


def site_of(name: str | None, mark: int) -> tuple[str, int, str, str] | None:
    """Contig, position, ref and alt of *name*, if it is a site's and its mark is *mark*."""
    found = _NAME.fullmatch(name) if name is not None else None
    if name is None or found is None or mark_of(name) != mark or found[1] not in CONTIGS:
        return None
    position, ref, alt = int(found[2]), found[3], found[4]
    return (found[1], position, ref, alt) if position <= MOST_POSITION and ref != alt else None
