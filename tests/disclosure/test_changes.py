"""Tables of allele frequencies over releases, against the differences that anybody can take.

Each test plays a sequence of snapshots in which persons join, leave and are genotyped again, and keeps
what every release told. Then it looks, sharing nothing with the control, for a combination of
differences, or of all numbers ever told, that rests on 1..k-1 persons.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from goe_lake.disclosure import DEFAULT_POLICY
from goe_lake.disclosure.changes import Change, Fresh, fresh, in_step_after
from goe_lake.disclosure.frequencies import CLASSES, REFERENCE, tell

K = 5
POLICY = replace(DEFAULT_POLICY, min_persons=1, min_contributors=K, min_carriers=K)
REFERENCES = {"het": 1, "hom_alt": 0, "hemi": 0, "ref2": 2, "ref1": 1}
COPIES = {"het": 1, "hom_alt": 2, "hemi": 1, "ref2": 0, "ref1": 0}
#: All classes together give the number of called persons, which AN tells: that is public.
WITH_ALT, WITH_REF = ("ac", "het", "hom_alt", "hemi"), ("het", "ref2", "ref1")
#: AN less AC
REFERENCE_ALLELES = ("rc",)
CALLS = ("het", "hom_alt", "ref2")
ZERO = 1e-7
AS_DRAWN = (Phase.explicit, Phase.generate)  # a sequence of snapshots shrinks slowly

#: person -> (atom, class)
Snapshot = Mapping[int, tuple[int, str]]
#: (row, column) -> the releases in which AC and classes of the standing row were computed, None if withheld
Table = dict[tuple[int, int], tuple[int | None, int | None]]


def few(numbers: Iterable[np.ndarray], persons: np.ndarray, k: int) -> bool:
    """Whether a combination of *numbers* rests on 1..k-1 of *persons*, by the smallest supports there are.

    A number is its coefficients for each kind of persons. Combinations that vanish for every kind of at
    least k persons form a space; those of them with the fewest kinds vanish at as many others as they can.
    """
    table = np.array([number for number in numbers if number.any()], float)
    if not len(table):
        return False
    merged: Counter[tuple[float, ...]] = Counter()
    for kind, count in zip(table.T, persons, strict=True):
        if kind.any():
            merged[tuple(np.round(kind / kind[np.flatnonzero(kind)[0]], 9))] += int(count)
    vectors, counts = np.array(list(merged)).T, np.array(list(merged.values()))
    small = counts < k
    space = vectors[:, small]
    if (~small).any():
        space = null_space(vectors[:, ~small].T).T @ space
    if not space.size:
        return False
    _, values, right = np.linalg.svd(space, full_matrices=False)
    basis = right[values > ZERO]
    for zeros in itertools.islice(
        itertools.combinations(range(basis.shape[1]), max(0, len(basis) - 1)), 3000
    ):
        chosen = null_space(basis[:, list(zeros)].T)
        if len(basis) and chosen.shape[1] == 1:
            about = counts[small][np.abs(chosen[:, 0] @ basis) > ZERO].sum()
            if 0 < about < k:
                return True
    return False


def null_space(matrix: np.ndarray) -> np.ndarray:
    """A basis (as columns) of what *matrix* takes to 0."""
    if not len(matrix):
        return np.eye(matrix.shape[1])
    _, values, right = np.linalg.svd(matrix)
    return right[int((values > ZERO).sum()) :].T


@dataclass
class Node:
    """A node that releases one site of *rows* x *columns* atoms again and again."""

    rows: int
    columns: int
    snapshots: list[dict[int, tuple[int, str]]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    in_step: np.ndarray | None = None
    total: int = 0
    computed: list[bool] = field(default_factory=list)

    def counts(self, snapshot: Snapshot) -> dict[str, np.ndarray]:
        """Persons by class and atom."""
        found = {name: np.zeros((1, self.rows, self.columns), np.int64) for name in CLASSES}
        for atom, name in snapshot.values():
            found[name][0, atom // self.columns, atom % self.columns] += 1
        return found

    def change(self, before: Snapshot, now: Snapshot) -> Change:
        """Who joined, left or has another genotype, person by person."""
        shape = (1, self.rows, self.columns)
        carriers, others, reference = (np.zeros(shape, np.int64) for _ in range(3))
        classes = {name: np.zeros(shape, np.int64) for name in CLASSES}
        for person in {*before, *now}:
            calls = {before.get(person), now.get(person)}
            if len(calls) == 1:
                continue
            known = [call for call in calls if call is not None]
            place = (0, known[0][0] // self.columns, known[0][0] % self.columns)
            for _, name in known:
                classes[name][place] += 1
            carriers[place] += any(COPIES[name] for _, name in known)
            others[place] += any(not COPIES[name] for _, name in known)
            reference[place] += any(name in REFERENCE for _, name in known)
        touched = {name: counts > 0 for name, counts in classes.items()}
        return Change(carriers, others, reference, classes, touched)

    def release(self, snapshot: Snapshot) -> None:
        """Publish the next table."""
        number = len(self.snapshots)
        counts = self.counts(snapshot)
        told = tell(counts, sum(counts.values())[0], POLICY)
        if self.in_step is None:
            new, self.in_step = Fresh(told.groups, told.ac, told.classes), told.ac
        else:
            changes = {n: self.change(before, snapshot) for n, before in enumerate(self.snapshots)}
            since = [(change, np.array([self.computed[n]])) for n, change in changes.items()]
            new = fresh(told, counts, since, self.in_step, K, 1)
            self.in_step = in_step_after(new, self.in_step, np.array([self.total]), changes)
        table = dict(self.tables[-1]) if self.tables else {}
        for row, column in zip(*np.nonzero(new.cells[0]), strict=True):
            table[int(row), int(column)] = (
                number if new.ac[0, row, column] else None,
                number if new.classes[0, row, column] else None,
            )
        self.computed.append(bool(new.cells[0, -1, -1]))
        if self.computed[-1]:
            self.total = number
        self.snapshots.append(dict(snapshot))
        self.tables.append(table)

    def kinds(self) -> tuple[list[tuple[tuple[int, str] | None, ...]], np.ndarray]:
        """Persons who had the same calls in every snapshot, and how many they are."""
        everybody = set().union(*self.snapshots)
        counted = Counter(tuple(snapshot.get(person) for snapshot in self.snapshots) for person in everybody)
        return list(counted), np.array(list(counted.values()))

    def numbers(self, number: int, names: tuple[str, ...]) -> dict[tuple[int, int, str], np.ndarray]:
        """What release *number* told of *names*, by cell and quantity, as coefficients of kinds."""
        patterns, _ = self.kinds()
        found: dict[tuple[int, int, str], np.ndarray] = {}
        for (row, column), (ac, classes) in self.tables[number].items():
            inside = {
                r * self.columns + c
                for r in range(self.rows)
                for c in range(self.columns)
                if row in (r, self.rows) and column in (c, self.columns)
            }
            for name in names:
                computed = ac if name in ("ac", "rc") else classes
                if computed is not None:
                    found[row, column, name] = np.array(
                        [weight(pattern[computed], inside, name) for pattern in patterns]
                    )
        return found


def weight(call: tuple[int, str] | None, inside: set[int], name: str) -> int:
    """What a person of that call adds to AC, or to the count of a class."""
    if call is None or call[0] not in inside:
        return 0
    copies = {"ac": COPIES, "rc": REFERENCES}.get(name)
    return copies[call[1]] if copies else int(call[1] == name)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """A node after two to four releases; deliveries of few and of many persons, departures, new calls."""
    node = Node(draw(st.integers(1, 3)), draw(st.integers(1, 2)))
    snapshot: dict[int, tuple[int, str]] = {}
    ids = itertools.count()
    some = st.one_of(st.just(0), st.integers(0, 4), st.integers(5, 8), st.integers(5, 30))
    for number in range(draw(st.integers(2, 4))):
        random = draw(st.randoms(use_true_random=False))
        leaving = draw(st.sampled_from((0, 0.05, 0.3)))
        again = draw(st.sampled_from((0, 0, 0.1)))
        for person in list(snapshot) if number else ():
            if random.random() < leaving:
                del snapshot[person]
            elif random.random() < again:
                snapshot[person] = (snapshot[person][0], random.choice(CALLS))
        for atom in range(node.rows * node.columns):
            if draw(st.booleans()) or not number:
                for name in CALLS:
                    snapshot |= {next(ids): (atom, name) for _ in range(draw(some))}
        node.release(snapshot)
    return node


@pytest.mark.parametrize("names", [WITH_ALT, WITH_REF, REFERENCE_ALLELES])
@settings(phases=AS_DRAWN)
@given(node=nodes())
def test_no_difference_of_two_releases_rests_on_few(names: tuple[str, ...], node: Node) -> None:
    """What one release tells less what another told: every combination is about nobody, or k persons."""
    _, persons = node.kinds()
    told = [node.numbers(number, names) for number in range(len(node.tables))]
    for before, after in itertools.combinations(told, 2):
        differences = [after[key] - before[key] for key in after.keys() & before.keys()]
        assert not few(differences, persons, K)


@pytest.mark.parametrize("names", [WITH_ALT, WITH_REF, REFERENCE_ALLELES])
@settings(phases=AS_DRAWN)
@given(node=nodes())
def test_all_releases_together_tell_nothing_of_few(names: tuple[str, ...], node: Node) -> None:
    """The same for every number that was ever told, of any release, added and subtracted as one likes."""
    _, persons = node.kinds()
    every = {
        (key, node.tables[number][key[0], key[1]][key[2] not in ("ac", "rc")]): vector
        for number in range(len(node.tables))
        for key, vector in node.numbers(number, names).items()
    }
    assert not few(every.values(), persons, K)


def grown(*atoms: Mapping[str, int]) -> dict[int, tuple[int, str]]:
    """A snapshot with so many persons of each class in each atom."""
    ids = itertools.count()
    return {
        next(ids): (atom, name)
        for atom, classes in enumerate(atoms)
        for name, count in classes.items()
        for _ in range(count)
    }


def with_more(snapshot: Snapshot, *atoms: Mapping[str, int]) -> dict[int, tuple[int, str]]:
    """*snapshot* with further persons."""
    first = max(snapshot) + 1
    return dict(snapshot) | {first + place: call for place, call in grown(*atoms).items()}


def test_a_row_stands_until_k_contributors_joined_or_left() -> None:
    """4 carriers more: the earlier row, AN too. One more, and it is computed afresh."""
    node = Node(1, 1)
    first = grown({"het": 20, "ref2": 100})
    second = with_more(first, {"het": 4, "ref2": 80})
    third = with_more(second, {"het": 1})
    for snapshot in (first, second, third):
        node.release(snapshot)
    assert [table[1, 1] for table in node.tables] == [(0, 0), (0, 0), (2, 2)]


def test_a_steady_delivery_refreshes_its_population_alone() -> None:
    """60 persons of one population join: its rows and the totals are new, the other's stand."""
    node = Node(2, 1)
    first = grown({"het": 20, "hom_alt": 8, "ref2": 100}, {"het": 30, "hom_alt": 9, "ref2": 100})
    node.release(first)
    node.release(with_more(first, {"het": 15, "hom_alt": 6, "ref2": 39}))
    assert {key: ac for key, (ac, _) in node.tables[1].items()} == {
        (0, 0): 1, (0, 1): 1, (1, 0): 0, (1, 1): 0, (2, 0): 1, (2, 1): 1,
    }  # fmt: skip


def test_a_small_difference_beneath_the_total_makes_a_sibling_stand() -> None:
    """3 carriers join one population and 20 another: total less the other would tell of the 3."""
    node = Node(2, 1)
    first = grown({"het": 20, "ref2": 100}, {"het": 30, "ref2": 100})
    node.release(first)
    node.release(with_more(first, {"het": 3, "ref2": 40}, {"het": 20, "ref2": 40}))
    table = {key: ac for key, (ac, _) in node.tables[1].items()}
    assert (table[2, 1], table[0, 1], table[1, 1]) == (1, 0, 0)


def test_catching_up_tells_nothing_of_what_was_left_out() -> None:
    """3 joined unseen, then 20 more: the row that stood would tell the 3, being the total's twin."""
    node = Node(2, 1)
    first = grown({"het": 20, "ref2": 100}, {"het": 30, "ref2": 100})
    second = with_more(first, {"het": 20, "ref2": 40}, {"het": 3, "ref2": 40})
    third = with_more(second, {}, {"het": 20, "ref2": 40})
    for snapshot in (first, second, third):
        node.release(snapshot)
    assert [table[2, 1][0] for table in node.tables] == [0, 1, 2]
    assert [table[1, 1][0] for table in node.tables] == [0, 0, 0]
