"""A compiled loop that tells pairs of persons apart by their genotypes, as bits."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from goe_lake.vcf.compiled import compiled

#: Words of 64 sites that are compared before the loop looks whether two persons differ enough.
STEP: Final = 4


def packed(truths: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """(persons, sites) truths as bits, (persons, words): a multiple of STEP words, the rest of them 0."""
    words = -(-truths.shape[1] // (64 * STEP)) * STEP
    found = np.zeros((len(truths), 8 * words), np.uint8)
    bits = np.packbits(truths, axis=1)
    found[:, : bits.shape[1]] = bits
    return found.view(np.uint64)


@compiled
def near_pairs(some, two, limits, missing, left, right, found):  # type: ignore[no-untyped-def]
    """Mark in *found*, (left persons, right persons) of False, who differ less than they may.

    *some* and *two* are `packed`: the persons with a copy of the alternate allele at a site, and with two.
    Persons from *left* on are compared with those from *right* on that come after them. They are near
    where the sum of their squared differences is below the less of their *limits* and their *missing*
    together.
    """
    words = some.shape[1]
    for row in range(len(found)):
        one = left + row
        for column in range(max(0, one + 1 - right), found.shape[1]):
            other = right + column
            limit = min(limits[one], limits[other]) + missing[one] + missing[other]
            distance, word = np.int64(0), 0
            while word < words and distance < limit:
                for step in range(word, word + STEP):
                    differ = some[one, step] ^ some[other, step]
                    differ_more = two[one, step] ^ two[other, step]
                    # who differs by two copies is in both: 1 + 1 + 2 = 4
                    distance += _ones(differ) + _ones(differ_more) + 2 * _ones(differ & differ_more)
                word += STEP
            found[row, column] = distance < limit


@compiled
def _ones(word):  # type: ignore[no-untyped-def]
    """The bits of *word* that are set, in the steps that compilers know as one instruction."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
