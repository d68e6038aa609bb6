"""Intervals of a column's public bounds that each hold enough persons: what a quantile may be read off.

The bounds are split at edges of a public grid, and only where enough persons stay on either side. All
intervals of a group together are a partition, so that no difference between them is about few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from goe_lake.disclosure.families import Counts

MOST_LEAVES = 256  # intervals of one group, about


@dataclass(frozen=True)
class Spread:
    """The persons of one group along a grid: at each cell *at*, ascending, those in and out of conditions."""

    at: Counts
    inside: Counts
    outside: Counts


def edges_of(spread: Spread, cells: int, least: int) -> list[int]:
    """The edges between the intervals of *spread* on a grid of *cells*: ascending, without both ends.

    At each edge at least *least* persons are on either side; where the conditions keep out at least as
    many, so are they. An edge is the coarsest of the dyadic grid that is possible, so that it tells
    where persons are no finer than it must. Conditions that keep out fewer than *least* persons of the
    group look like none: whom they keep out counts as inside.
    """
    inside = spread.inside
    kinds = [inside]
    if spread.outside.sum() >= least:
        kinds.append(spread.outside)
    else:
        kinds = [inside + spread.outside]
    sums = [np.concatenate([[0], np.cumsum(kind)]) for kind in kinds]
    enough = [max(least, int(total[-1]) // MOST_LEAVES) for total in sums]
    edges: list[int] = []
    open_parts = [(0, cells)]
    while open_parts:
        start, end = open_parts.pop()
        first, last = np.searchsorted(spread.at, [start, end])
        low, high = start + 1, end - 1
        for total, most in zip(sums, enough, strict=True):
            # the first edge with enough persons before it, and the last one with enough behind it
            before = int(np.searchsorted(total, total[first] + most))
            behind = int(np.searchsorted(total, total[last] - most, side="right")) - 1
            if before > last or behind < first:
                low, high = end, start
                break
            low = max(low, int(spread.at[before - 1]) + 1)
            high = min(high, int(spread.at[behind]))
        if low <= high:
            edge = coarsest(low, high)
            edges.append(edge)
            open_parts += [(start, edge), (edge, end)]
    return sorted(edges)


def coarsest(low: int, high: int) -> int:
    """The number from *low* to *high* that the highest power of two divides; both are above 0."""
    shift = ((low - 1) ^ high).bit_length() - 1
    return high >> shift << shift
