"""Numbers modulo the prime 2^61 - 1, many at a time, and slots that tell a value only if it is the only one.

A *slot* is a pair of sums over all nodes. Each holder of a value w adds (r, r w) with an r that it draws
anew. Holders of one value alone, however many, make (R, R w) with R uniform: the quotient is w, and nothing
else is told. Where two values or more meet in a slot, the pair is uniform, whatever they are: with w and v
apart, (r + s, r w + s v) takes each pair for exactly one choice of r and s.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from goe_lake.federation.sealing import WITNESSES, Agreement, ChaChaStream, SealBroken, Sealer, Words

PRIME: Final = (1 << 61) - 1
_P: Final = np.uint64(PRIME)
_LOW31: Final = np.uint64((1 << 31) - 1)
_LOW30: Final = np.uint64((1 << 30) - 1)
_LOW32: Final = np.uint64((1 << 32) - 1)
_STEP: Final = 1 << 16


def reduced(numbers: Words) -> Words:
    """*numbers* modulo the prime."""
    folded = (numbers & _P) + (numbers >> np.uint64(61))
    return np.where(folded >= _P, folded - _P, folded)


def product(left: Words, right: Words) -> Words:
    """The products of *left* and *right*, each below the prime."""
    a1, a0 = left >> np.uint64(31), left & _LOW31
    b1, b0 = right >> np.uint64(31), right & _LOW31
    middle = a1 * b0 + a0 * b1  # below 2^62, and 2^61 is 1
    shifted = (middle >> np.uint64(30)) + ((middle & _LOW30) << np.uint64(31))
    return reduced(reduced((a1 * b1) << np.uint64(1)) + reduced(shifted) + reduced(a0 * b0))


def inverse(numbers: Words) -> Words:
    """What times *numbers* is one, by Fermat's little theorem; zero for zero."""
    found, power, exponent = np.ones_like(numbers), numbers.copy(), PRIME - 2
    while exponent:
        if exponent & 1:
            found = product(found, power)
        power = product(power, power)
        exponent >>= 1
    return found


def drawn(count: int) -> Words:
    """*count* numbers from the machine's source of randomness, as good as uniform (within 2^-58)."""
    return _elements(ChaChaStream(os.urandom(32)), count)


def _elements(stream: ChaChaStream, count: int) -> Words:
    return reduced(np.frombuffer(stream.next_bytes(8 * count), dtype="<u8"))


def filled_slots(slots: int, places: npt.NDArray[np.int64], values: Words) -> Words:
    """A node's part of so many *slots*, each of *values* at its place: all first sums, then all second ones.

    Shapes: (values,), (values,) and (2 x slots,).
    """
    random = drawn(len(places))
    return np.concatenate([_summed(slots, places, part) for part in (random, product(random, values))])


def _summed(slots: int, places: npt.NDArray[np.int64], numbers: Words) -> Words:
    low, high = np.zeros(slots, dtype=np.uint64), np.zeros(slots, dtype=np.uint64)
    np.add.at(low, places, numbers & _LOW32)  # halves, whose sums stay within 64 bits
    np.add.at(high, places, numbers >> np.uint64(32))
    return reduced(product(reduced(high), np.uint64(1 << 32) * np.ones_like(high)) + reduced(low))


def seal_elements(sealer: Sealer, elements: Words, agreement: Agreement) -> Words:
    """*elements* and the witnesses behind masks that are uniform modulo the prime."""
    if len(elements) != agreement.words:
        raise SealBroken("there are other numbers than were agreed on")
    sealed = np.concatenate([elements, np.zeros(WITNESSES, dtype=np.uint64)])
    masks = sealer.masks(agreement)
    for start in range(0, len(sealed), _STEP):
        part = sealed[start : start + _STEP]
        for stream, added in masks:
            mask = _elements(stream, len(part))
            part[:] = reduced(part + (mask if added else _P - mask))
    return sealed


def open_elements(sealed: Iterable[Words], agreement: Agreement) -> Words:
    """The sums modulo the prime of what all nodes *sealed*; SealBroken where the masks do not cancel."""
    total, nodes = np.zeros(agreement.words + WITNESSES, dtype=np.uint64), 0
    for words in sealed:
        if words.shape != total.shape or words.dtype != np.uint64 or bool((words >= _P).any()):
            raise SealBroken("a node sealed other numbers than were agreed on")
        total = reduced(total + words)
        nodes += 1
    if nodes != len(agreement.keys) or total[agreement.words :].any():
        raise SealBroken("the masks do not cancel: a node is missing, or sealed for another sum")
    return total[: agreement.words]


def read_slots(opened: Words) -> Words:
    """The values of the slots whose two sums were *opened*; noise where a slot has several values."""
    half = len(opened) // 2
    return product(opened[half:], inverse(opened[:half]))
