"""Masks that cancel only in the sum over all nodes: cryptography over arrays, and nothing else.

Every two nodes share a secret (X25519). Of it, and of the whole `Agreement` on one sum, they derive a key
of that sum (HKDF-SHA256), and of the key a stream of words (ChaCha20). The node whose id comes first adds
the stream to its numbers, the other one takes it away, modulo 2^64. Whoever lacks one node's words has
nothing but uniform noise; the sum over all nodes is the sum of the numbers. The protocol around it, and
who learns what: `docs/sealed-sums.md`.

Numbers within 64 bits are one word. Larger ones, up to 2^126, are three digits of 48 bits, each a word, so
that no digit's sum over the nodes passes 64 bits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from goe_lake.errors import GoeError

#: Whole numbers modulo 2^64.
Words: TypeAlias = npt.NDArray[np.uint64]
Numbers: TypeAlias = npt.NDArray[np.int64]
#: Whole numbers modulo a power of two, that of their own width.
Modular: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]

VERSION: Final = b"goe_lake/sealed/1"
#: Fewer nodes than this, and a sum tells a node what the only other one has.
LEAST_NODES: Final = 3
#: Zeros that every node seals behind its numbers: their sum is zero only if all masks cancelled.
WITNESSES: Final = 4
DIGIT_BITS: Final = 48
DIGITS: Final = 3
#: Words of a mask that are made at a time: they stay in the processor's cache.
_STEP: Final = 1 << 15
_DIGIT: Final = np.uint64((1 << DIGIT_BITS) - 1)


class SealBroken(GoeError):
    """Sealed cells cannot be made or opened; carries no number."""


@dataclass(frozen=True, order=True)
class KeyOf:
    """Which of its keys a node uses."""

    node_id: str
    key_id: str


@dataclass(frozen=True)
class Agreement:
    """All that the nodes of one sum must agree on: a node that holds another view of any of it opens nothing.

    *question* is the digest of what is asked, *epoch* that of the federation as the nodes know it, and
    *nonce* is used once. *keys* are the nodes whose sum it is, in the order of their ids, each with the
    key that it uses; *words* is the length of the numbers of each.
    """

    question: str
    epoch: str
    nonce: str
    keys: tuple[KeyOf, ...]
    words: int

    def __post_init__(self) -> None:
        if len(self.keys) < LEAST_NODES:
            raise SealBroken(f"a sealed sum is over at least {LEAST_NODES} nodes")
        if any(left.node_id >= right.node_id for left, right in pairwise(self.keys)):
            raise SealBroken("the nodes of a sealed sum are named once each, in the order of their ids")

    @property
    def node_ids(self) -> tuple[str, ...]:
        """The nodes whose sum it is."""
        return tuple(key.node_id for key in self.keys)

    def digest(self) -> bytes:
        """The identity of the sum, 32 bytes; every mask is derived from it."""
        fields = {**vars(self), "keys": [[key.node_id, key.key_id] for key in self.keys]}
        return sha256(VERSION + json.dumps(fields, sort_keys=True).encode()).digest()


class Sealer:
    """One node's keys, and the public keys of all nodes by `KeyOf`."""

    def __init__(
        self, node_id: str, own: Mapping[str, X25519PrivateKey], public: Mapping[KeyOf, bytes]
    ) -> None:
        self.node_id = node_id
        self._own, self._public = dict(own), dict(public)
        self._shared: dict[tuple[str, KeyOf], bytes] = {}

    def seal(self, numbers: Words, agreement: Agreement) -> Words:
        """*numbers* and the witnesses, behind the masks that this node shares with each of the others.

        Raises SealBroken where the node has no part in the sum, or lacks a key of it.
        """
        if len(numbers) != agreement.words:
            raise SealBroken("there are other numbers than were agreed on")
        sealed = np.concatenate([numbers, np.zeros(WITNESSES, dtype=np.uint64)])
        add_masks(sealed, self.masks(agreement))
        return sealed

    def masks(self, agreement: Agreement) -> list[tuple[ChaChaStream, bool]]:
        """The stream that this node shares with each of the others, and whether it adds or takes it away.

        Raises as `seal` does. A stream is of one agreement, and masks one vector.
        """
        own = self._own_key(agreement)
        return [
            (ChaChaStream(self._pair_key(own, other, agreement)), own < other)
            for other in agreement.keys
            if other != own
        ]

    def key_with(self, node_id: str, agreement: Agreement, purpose: str) -> bytes:
        """A key of 32 bytes that this node and *node_id* alone share, for one *purpose* of *agreement*."""
        own = self._own_key(agreement)
        other = next((key for key in agreement.keys if key.node_id == node_id), None)
        if other is None or other == own:
            raise SealBroken(f"{node_id} has no key in this sum")
        return self._pair_key(own, other, agreement, purpose)

    def _own_key(self, agreement: Agreement) -> KeyOf:
        own = next((key for key in agreement.keys if key.node_id == self.node_id), None)
        if own is None or own.key_id not in self._own:
            raise SealBroken(f"{self.node_id} has no key in this sum")
        return own

    def _pair_key(self, own: KeyOf, other: KeyOf, agreement: Agreement, purpose: str = "") -> bytes:
        first, second = sorted((own, other))
        named = [first.node_id, first.key_id, second.node_id, second.key_id]
        pair = json.dumps([*named, purpose] if purpose else named).encode()
        secret = self._secret(own.key_id, other)
        return HKDF(SHA256(), 32, salt=VERSION, info=agreement.digest() + pair).derive(secret)

    def _secret(self, own: str, other: KeyOf) -> bytes:
        if (own, other) not in self._shared:
            if other not in self._public:
                raise SealBroken(f"the key {other.key_id} of {other.node_id} is not known here")
            try:
                public = X25519PublicKey.from_public_bytes(self._public[other])
                self._shared[own, other] = self._own[own].exchange(public)
            except ValueError:
                raise SealBroken(f"the key {other.key_id} of {other.node_id} is no X25519 key") from None
        return self._shared[own, other]


class ChaChaStream:
    """The words of one mask, in order. A key is of one sum and one pair, so the cipher's nonce is zero."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor()

    def next_bytes(self, count: int) -> bytes:
        """The next *count* bytes."""
        return self._encryptor.update(bytes(count))


def add_masks(numbers: Modular, masks: Iterable[tuple[ChaChaStream, bool]]) -> None:
    """Add to *numbers*, in place, the words of their own width of each stream, or take them away."""
    streams = list(masks)
    little_endian = numbers.dtype.newbyteorder("<")
    for start in range(0, len(numbers), _STEP):
        part = numbers[start : start + _STEP]
        for stream, added in streams:
            words = np.frombuffer(stream.next_bytes(part.nbytes), dtype=little_endian)
            if added:
                part += words
            else:
                part -= words


def open_sum(sealed: Iterable[Words], agreement: Agreement) -> Words:
    """The sums of the numbers of all nodes, of whom each gives what it *sealed*, in any order.

    Raises SealBroken where a node is missing, came twice, or sealed for another sum: nothing is opened then.
    What a node counted falsely cannot be told from the masks; see `checked_counts`.
    """
    total = np.zeros(agreement.words + WITNESSES, dtype=np.uint64)
    nodes = 0
    for words in sealed:
        if words.shape != total.shape or words.dtype != np.uint64:
            raise SealBroken("a node sealed other numbers than were agreed on")
        total += words
        nodes += 1
    if nodes != len(agreement.keys) or total[agreement.words :].any():
        raise SealBroken("the masks do not cancel: a node is missing, or sealed for another sum")
    return total[: agreement.words]


def checked_counts(opened: Words, most: int) -> Numbers:
    """*opened* as counts of 0..*most* persons; SealBroken where one is not, which no honest nodes give."""
    if bool((opened > np.uint64(most)).any()):
        raise SealBroken("an opened sum is outside its public bounds")
    return opened.astype(np.int64)


def words_of(numbers: Numbers) -> Words:
    """Numbers within 64 bits, with their signs, as words."""
    return numbers.astype(np.int64, copy=False).view(np.uint64)


def digits_of(low: Words, high: Numbers) -> Words:
    """The numbers `high * 2^64 + low` as digits: all lowest ones, then the middle ones, then the highest.

    Numbers are within ±2^126, as DuckDB's HUGEINT and Arrow's 128-bit decimals write them.
    """
    upper = high.view(np.uint64)
    middle = (low >> np.uint64(48)) | ((upper & np.uint64(0xFFFFFFFF)) << np.uint64(16))
    return np.concatenate([low & _DIGIT, middle, (high >> 32).view(np.uint64)])


def from_digits(opened: Words) -> tuple[Words, Numbers]:
    """The numbers whose summed digits were *opened*: low words, and high words with the sign.

    Raises SealBroken where one is outside ±2^126.
    """
    lowest, middle, highest = opened.reshape(DIGITS, -1)
    carried = middle + (lowest >> np.uint64(DIGIT_BITS))
    top = highest.view(np.int64) + (carried >> np.uint64(DIGIT_BITS)).astype(np.int64)
    if bool((np.abs(top) >= 1 << 30).any()):
        raise SealBroken("an opened sum is outside its public bounds")
    kept = carried & _DIGIT
    low = (lowest & _DIGIT) | (kept << np.uint64(48))
    high = (top << 32) | (kept >> np.uint64(16)).astype(np.int64)
    return low, high


def key_pairs(node_ids: Sequence[str], key_id: str = "in-memory") -> dict[str, Sealer]:
    """A sealer for each of *node_ids* with a new key, for nodes in one process that keep none."""
    private = {node_id: X25519PrivateKey.generate() for node_id in node_ids}
    public = {KeyOf(node, key_id): key.public_key().public_bytes_raw() for node, key in private.items()}
    return {node: Sealer(node, {key_id: key}, public) for node, key in private.items()}
