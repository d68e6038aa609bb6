"""Compiled loops that count the members of classes by stratum: of short lists, and of bitmaps."""

from __future__ import annotations

import numpy as np

from goe_lake.vcf.compiled import compiled
from goe_lake.vcf.fast_pairs import _ones


@compiled
def count_listed(sizes, members, stratum, counts):  # type: ignore[no-untyped-def]
    """Add to *counts*, (rows, strata), the *members* by their *stratum*: the next of *sizes* of each row."""
    at = 0
    for row in range(len(sizes)):
        for _ in range(sizes[row]):
            counts[row, stratum[members[at]]] += 1
            at += 1


@compiled
def count_mapped(rows, words, masks, counts):  # type: ignore[no-untyped-def]
    """Add to *counts* the bits of bitmaps of some *rows*, (rows, *words*), under each stratum's mask."""
    for place in range(len(rows)):
        for group in range(len(masks)):
            found = np.int64(0)
            for word in range(words.shape[1]):
                found += _ones(words[place, word] & masks[group, word])
            counts[rows[place], group] += found
