"""Parts of filters that change too few persons: against a search over single persons."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.disclosure.effects import (
    FALSE,
    NULL,
    TRUE,
    Junction,
    Kinds,
    Leaf,
    Part,
    left_out,
    ordered,
    truth,
)

LEAVES = 4
Person = list[tuple[int, ...]]


def leaf(column: int, *, tried: bool = True) -> Leaf:
    """A leaf named by its column."""
    return Leaf(f"{column}{tried}", column, tried)


def trees() -> st.SearchStrategy[Junction]:
    """Conjunctions of leaves and of what is made of them."""
    leaves = st.builds(
        lambda column, tried: leaf(column, tried=tried), st.integers(0, LEAVES - 1), st.booleans()
    )
    some: st.SearchStrategy[Part] = st.recursive(
        leaves,
        lambda parts: st.builds(
            lambda every, inner: Junction(every, tuple(inner)),
            st.booleans(),
            st.lists(parts, min_size=2, max_size=3),
        ),
        max_leaves=6,
    )
    return st.lists(some, min_size=1, max_size=3).map(lambda parts: Junction(True, tuple(parts)))


PATTERN = st.tuples(*[st.sampled_from((FALSE, NULL, TRUE))] * LEAVES)
PERSONS = st.lists(st.lists(PATTERN, min_size=1, max_size=3), min_size=1, max_size=24)


def says(part: Part, row: tuple[int, ...], gone: set[int], every: bool = True) -> int:
    """What *part* says of one row, its parts in *gone* (by identity) left out."""
    if isinstance(part, Leaf):
        said = row[part.column]
    else:
        # of a part that is left out, what it said before is asked, and not what was left of it
        whole = set() if id(part) in gone else gone
        inner = [says(one, row, whole, part.every) for one in ordered(part)]
        said = min(inner) if part.every else max(inner)
    if id(part) in gone:
        return NULL if said == NULL else TRUE if every else FALSE
    return said


def by_hand(root: Junction, others: list[Junction], persons: list[Person], k: int) -> list[set[int]]:
    """What is left out of each tree, person by person."""
    states: list[set[int]] = []
    for tree in [root, *others]:
        states.append(_gone(root, tree, states[:1], persons, k))
    return states


def _gone(root: Junction, tree: Junction, first: list[set[int]], persons: list[Person], k: int) -> set[int]:
    gone: set[int] = set()

    def inside(rows: Person, without: set[int]) -> list[bool]:
        kept = [not first or says(root, row, first[0]) == TRUE for row in rows]
        return [one and says(tree, row, without) == TRUE for one, row in zip(kept, rows, strict=True)]

    def visit(part: Part) -> None:
        if id(part) in gone:
            return
        if part.tried:
            changed = sum(inside(rows, gone) != inside(rows, gone | {id(part)}) for rows in persons)
            if changed < k:
                gone.add(id(part))
                return
        for inner in ordered(part) if isinstance(part, Junction) else ():
            visit(inner)

    before = -1
    while len(gone) > before:
        before = len(gone)
        for part in ordered(tree):
            visit(part)
    return gone


@given(root=trees(), other=trees(), cells=st.lists(PERSONS, min_size=1, max_size=3), k=st.integers(1, 8))
def test_equal_to_a_search_over_persons(
    root: Junction, other: Junction, cells: list[list[Person]], k: int
) -> None:
    """Kinds of persons, all cells at once, decide as a count of single persons in each cell does."""
    rows = sorted({row for persons in cells for rows in persons for row in rows})
    sets = sorted({tuple(sorted(set(rows))) for persons in cells for rows in persons})
    number = {row: place for place, row in enumerate(rows)}
    has = np.array([[row in kind for row in rows] for kind in sets])
    found = [
        (cell, sets.index(tuple(sorted(set(one))))) for cell, persons in enumerate(cells) for one in persons
    ]
    cell, kind = (np.array(column, dtype=np.int64) for column in zip(*found, strict=True))
    kinds = Kinds(np.array(rows, dtype=np.int8), cell, kind, np.ones(len(found), dtype=np.int64), has)
    answers = left_out([root, other], kinds, len(cells), k)
    assert sorted(place for _, some in answers for place in some) == list(range(len(cells)))
    for state, some in answers:
        for place in some:
            expected = by_hand(root, [other], cells[place], k)
            for tree, paths, gone in zip((root, other), state, expected, strict=True):
                told = truth(tree, kinds.truths, paths)
                assert [int(told[number[row]]) for row in rows] == [says(tree, row, gone) for row in rows]


def cell_of(*numbers: tuple[tuple[int, ...], int]) -> Kinds:
    """One cell with so many persons of each pattern."""
    patterns = np.array([pattern for pattern, _ in numbers], dtype=np.int8)
    places = np.arange(len(numbers), dtype=np.int64)
    persons = np.array([count for _, count in numbers], dtype=np.int64)
    return Kinds(patterns, np.zeros(len(numbers), dtype=np.int64), places, persons)


def test_none_and_few_look_alike() -> None:
    """Whether a condition leaves out nobody, one person or nine, it is left out."""
    both = Junction(True, (leaf(0),))
    states = [left_out([both], cell_of(((TRUE,), 90), ((FALSE,), few)), 1, 10) for few in (0, 1, 9)]
    assert [state for ((state, _),) in states] == [(frozenset({(0,)}),)] * 3
    ((state, _),) = left_out([both], cell_of(((TRUE,), 90), ((FALSE,), 10)), 1, 10)
    assert state == (frozenset(),)


def test_conjuncts_that_have_an_effect_together_only() -> None:
    """Each leaves out six persons and both twelve: one after the other they go."""
    both = Junction(True, (leaf(0), leaf(1)))
    kinds = cell_of(((TRUE, TRUE), 80), ((FALSE, TRUE), 6), ((TRUE, FALSE), 6))
    (((without,), _),) = left_out([both], kinds, 1, 10)
    assert without == frozenset({(0,), (1,)})


def test_what_loses_its_weight_goes_too() -> None:
    """Of `(a OR b) AND c` b concerns few; without b so does c, though it was tried before."""
    either = Junction(False, (leaf(0), leaf(1)))
    kinds = cell_of(((TRUE, FALSE, TRUE), 60), ((FALSE, TRUE, FALSE), 30), ((FALSE, FALSE, TRUE), 30))
    (((without,), _),) = left_out([Junction(True, (leaf(2), either))], kinds, 1, 10)
    (((again,), _),) = left_out([Junction(True, (either, leaf(2)))], kinds, 1, 10)
    assert without == again == frozenset({(0,), (1, 1)})


def test_what_is_said_twice_is_said_once() -> None:
    """x AND x AND x is x: it stays where x has an effect."""
    thrice = Junction(True, (leaf(0), leaf(0), leaf(0)))
    (((without,), _),) = left_out([thrice], cell_of(((TRUE,), 50), ((FALSE,), 50)), 1, 10)
    assert without == frozenset()


def test_the_order_of_writing_does_not_matter() -> None:
    """Of two conditions that leave out the same persons one stays, however they are written."""
    kinds = cell_of(((TRUE, TRUE), 80), ((FALSE, FALSE), 30))
    one, other = Junction(True, (leaf(0), leaf(1))), Junction(True, (leaf(1), leaf(0)))
    assert (
        left_out([one], kinds, 1, 10)[0][0] == left_out([other], kinds, 1, 10)[0][0] == (frozenset({(0,)}),)
    )


def test_a_missing_value_stays_missing() -> None:
    """Leaving a condition out brings in whoever has a value, and nobody else."""
    root = Junction(True, (leaf(0),))
    truths = np.array([[TRUE], [FALSE], [NULL]], dtype=np.int8)
    assert truth(root, truths, frozenset({(0,)})).tolist() == [TRUE, TRUE, NULL]
