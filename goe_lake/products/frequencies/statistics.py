"""Statistics of an allele-frequency reference, computed for whole columns at once.

All functions take numpy arrays of one length. A count of -1 stands for one that is not known
(withheld); NaN in a result says that the statistic is not defined or its counts are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

#: One-sided confidence of the filtering allele frequency.
CONFIDENCE: Final = 0.95
#: Two numbers of heterozygotes whose probabilities differ by less (relative) are equally probable: the
#: running products below are that exact up to millions of persons.
TIE: Final = 1e-11
#: Terms below this share of what is summed already are too small to change it.
NEGLIGIBLE: Final = 1e-17
#: Genotype counts that are worked on together: few enough to stay in the processor's cache.
_CHUNK: Final = 4096
#: A number of heterozygotes this much likelier than the observed one makes p 0.
_TOO_LIKELY: Final = 1e307


def hwe_exact(n_hom_ref: Counts, n_het: Counts, n_hom_alt: Counts) -> Floats:
    """The exact two-sided Hardy-Weinberg p-value of each site (0..1), over diploid persons only.

    The sum of the probabilities of all numbers of heterozygotes that are at most as probable as the
    observed one, given the allele counts (Wigginton, Cutler and Abecasis, Am J Hum Genet 2005,
    76:887, no mid-p). On chrX outside the pseudo-autosomal regions give the counts of diploid persons;
    haploid calls have no place in it. 1 where only one allele was seen; NaN where a count is -1 or
    nobody is counted; 0 where p is below 1e-307.

    >>> hwe_exact(np.array([1469, 0]), np.array([138, 0]), np.array([5, 0])).round(6).tolist()
    [0.382519, nan]
    """
    counts = np.stack([np.asarray(column, np.int64) for column in (n_hom_ref, n_het, n_hom_alt)])
    total = counts.sum(axis=0)
    p = np.full(total.shape, np.nan)
    known = (counts >= 0).all(axis=0) & (total > 0)
    # the test does not know which allele is the reference one
    rare = 2 * np.minimum(counts[0], counts[2]) + counts[1]
    unique, place = _unique_triples(counts[1][known], rare[known], total[known])
    p[known] = _p_values(*unique)[place]
    return p


def faf95(ac: Counts, an: Counts) -> Floats:
    """The filtering allele frequency of each site: how common the allele is at least, with 95 % confidence.

    The largest true frequency at which the one-sided 95 % upper bound of a Poisson allele count is
    still below *ac* (Whiffin et al., Genet Med 2017, 19:1151): the λ with P(X < ac; λ) = 0.95, divided by
    *an*. As in gnomAD it is 0 for singletons and where *ac* or *an* is 0; NaN where a count is -1.
    gnomAD's own values are rounded to 1e-6 (1e-8 in later releases); these are exact.

    >>> faf95(np.array([0, 1, 2, 100, -1]), np.array([1000] * 5)).round(6).tolist()
    [0.0, 0.0, 0.000355, 0.084139, nan]
    """
    # a third of a second, which every command would take
    from scipy.special import gammaincinv

    alleles, called = np.asarray(ac, np.int64), np.asarray(an, np.int64)
    found = np.zeros(np.broadcast(alleles, called).shape)
    # P(X < ac; λ) is the regularised upper incomplete gamma function Q(ac, λ)
    several, place = np.unique(np.maximum(alleles, 1), return_inverse=True)
    rate = gammaincinv(several, 1 - CONFIDENCE)[place]
    np.divide(rate, called, out=found, where=(alleles > 1) & (called > 0))
    found[(alleles < 0) | (called < 0)] = np.nan
    return found


def group_maximum(
    sites: Counts, groups: Sequence[str], group: Counts, faf: Floats, n_sites: int
) -> tuple[npt.NDArray[np.object_], Floats]:
    """The group with the largest filtering allele frequency of each site, and its value.

    Row i says that at site ``sites[i]`` (0-based) group ``groups[group[i]]`` has frequency ``faf[i]``.
    Ties go to the first name in order. (None, NaN) where no group has a frequency above 0: gnomAD, too,
    names no group for an allele that nowhere reaches one.

    >>> group_maximum(np.array([0, 0, 1]), ["fin", "est"], np.array([0, 1, 0]), np.array([.2, .2, 0]), 2)
    (array(['est', None], dtype=object), array([0.2, nan]))
    """
    by_name = np.argsort(np.argsort(np.asarray(groups, object)))
    usable = np.flatnonzero(np.nan_to_num(faf) > 0)
    order = usable[np.lexsort((by_name[group[usable]], -faf[usable], sites[usable]))]
    place, first = np.unique(sites[order], return_index=True)
    best = order[first]
    names = np.full(n_sites, None, object)
    values = np.full(n_sites, np.nan)
    names[place] = np.asarray(groups, object)[group[best]]
    values[place] = faf[best]
    return names, values


def _unique_triples(het: Counts, rare: Counts, total: Counts) -> tuple[Counts, npt.NDArray[np.int64]]:
    """The different triples as three rows, and for each triple its place among them."""
    _, pair = np.unique(total * (2 * total.max(initial=0) + 1) + rare, return_inverse=True)
    _, first, place = np.unique(pair * (het.max(initial=0) + 1) + het, return_index=True, return_inverse=True)
    return np.stack([het[first], rare[first], total[first]]), place


def _p_values(het: Counts, rare: Counts, total: Counts) -> Floats:
    """The p-value of each triple: heterozygotes, copies of the rarer allele, diploid persons."""
    p = np.ones(len(het))
    # triples that need about as many steps are worked on together
    order = np.argsort(rare * (2.0 * total - rare) / np.maximum(total, 1), kind="stable")
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        state = het[chunk], rare[chunk], total[chunk]
        rarer = np.ones(len(chunk))  # the observed number itself
        likelier = np.zeros(len(chunk))
        with np.errstate(over="ignore"):
            _walk(state, rarer, likelier, up=True)
            _walk(state, rarer, likelier, up=False)
        p[chunk] = np.where(likelier < _TOO_LIKELY, rarer / (rarer + likelier), 0.0)
    return p


def _walk(state: tuple[Counts, Counts, Counts], rarer: Floats, likelier: Floats, *, up: bool) -> None:
    """Add up the probabilities of more (*up*) or fewer heterozygotes, relative to the observed number's.

    What is at most as probable as the observed number goes to *rarer*, the rest to *likelier*. Of two
    neighbours the one with two heterozygotes more, h + 2, is 4 n_AA n_aa / ((h + 2)(h + 1)) times as
    probable as the other.
    """
    het, rare, total = (np.asarray(column, np.float64) for column in state)
    twice_rare, twice_common = rare - het, 2 * total - rare - het  # 2 n_aa and 2 n_AA
    # each factor changes by 2 from one step to the next
    over = np.stack([twice_rare, twice_common] if up else [het, het - 1])
    under = np.stack([het + 2, het + 1] if up else [twice_rare + 2, twice_common + 2])
    term, ratio, part = np.ones(len(het)), np.empty(len(het)), np.empty(len(het))
    while True:
        np.multiply(over[0], over[1], out=ratio)
        np.multiply(under[0], under[1], out=part)
        ratio /= part
        term *= ratio
        np.minimum(term, _TOO_LIKELY, out=term)  # no overflow
        likely = term > 1 + TIE
        np.multiply(term, likely, out=part)
        likelier += part
        np.subtract(term, part, out=part)
        rarer += part
        if not (term > NEGLIGIBLE * rarer).any():
            return
        over -= 2
        under += 2
