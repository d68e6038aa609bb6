"""Intervals for quantiles: a partition, each part of enough persons, at the coarsest possible edges."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.disclosure.leaves import MOST_LEAVES, Spread, coarsest, edges_of

CELLS = 64
persons = st.lists(st.integers(0, 9), min_size=CELLS, max_size=CELLS)


def spread_of(inside: list[int], outside: list[int]) -> Spread:
    """The cells with anybody."""
    at = [cell for cell in range(CELLS) if inside[cell] or outside[cell]]
    return Spread(
        np.array(at, dtype=np.int64),
        np.array([inside[cell] for cell in at], dtype=np.int64),
        np.array([outside[cell] for cell in at], dtype=np.int64),
    )


@given(inside=persons, outside=st.one_of(st.just([0] * CELLS), persons), least=st.integers(1, 25))
def test_every_interval_holds_enough_persons(inside: list[int], outside: list[int], least: int) -> None:
    """Inside the conditions, and outside where they keep out enough at all; few kept out look like none."""
    edges = edges_of(spread_of(inside, outside), CELLS, least)
    assert edges == sorted(set(edges))
    if not edges:
        return
    assert edges[0] > 0
    assert edges[-1] < CELLS
    few = sum(outside) < least
    for low, high in pairwise([0, *edges, CELLS]):
        inner, outer = sum(inside[low:high]), sum(outside[low:high])
        assert (inner + outer if few else min(inner, outer)) >= least


@given(inside=persons, least=st.integers(1, 25))
def test_no_interval_could_be_split(inside: list[int], least: int) -> None:
    """Every edge that leaves enough persons on both sides within an interval is used."""
    edges = [0, *edges_of(spread_of(inside, [0] * CELLS), CELLS, least), CELLS]
    for low, high in pairwise(edges):
        for edge in range(low + 1, high):
            assert min(sum(inside[low:edge]), sum(inside[edge:high])) < least


@given(inside=persons, moved=st.integers(1, CELLS - 1), least=st.integers(2, 25))
def test_few_persons_outside_the_conditions_look_like_none(inside: list[int], moved: int, least: int) -> None:
    """The edges are the same whether one person is kept out by the conditions or not."""
    if not inside[moved]:
        return
    left, kept_out = list(inside), [0] * CELLS
    left[moved] -= 1
    kept_out[moved] = 1
    whole = edges_of(spread_of(inside, [0] * CELLS), CELLS, least)
    assert edges_of(spread_of(left, kept_out), CELLS, least) == whole


@given(low=st.integers(1, 10_000), more=st.integers(0, 10_000))
def test_the_coarsest_number_of_a_range(low: int, more: int) -> None:
    """It is the one that the highest power of two divides."""
    found = coarsest(low, low + more)
    assert low <= found <= low + more
    power = found & -found
    assert all(number & -number < power for number in range(low, low + more + 1) if number != found)


def test_the_number_of_intervals_is_bounded() -> None:
    """A large group is not told in intervals of k persons each: they would be most of the values."""
    cells = 2**14
    spread = Spread(np.arange(cells), np.full(cells, 20), np.zeros(cells, dtype=np.int64))
    assert MOST_LEAVES / 4 < len(edges_of(spread, cells, 10)) < 2 * MOST_LEAVES
