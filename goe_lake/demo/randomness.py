"""Independent random streams that depend on nothing but a seed and what they are for."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *purpose: str) -> np.random.Generator:
    """The random stream of *seed* for one *purpose*, such as ("calls", "EE", "PCSK9").

    Streams of different purposes are independent, so adding a draw in one place changes nothing elsewhere.
    """
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in purpose)])


def small_seed(seed: int, *purpose: str) -> int:
    """A seed for a library that takes a whole number from 1 to 2**31 only."""
    return int(stream(seed, *purpose).integers(1, 2**31))
