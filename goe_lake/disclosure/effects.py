"""Parts of a filter that change too few persons to be asked: which of them stay, cell by cell.

A condition that leaves out nobody and one that leaves out 1..k-1 persons must look alike. So the parts
of a filter are left out one at a time (a conjunct becomes true, a disjunct false), each against the
filter that is left, and a part whose leaving out changes fewer than k persons stays out.

A leaf is FALSE, NULL or TRUE; and is the least of its parts and or is the largest. A NULL is a missing
value, which is public, and stays NULL whatever is left out: "true for whoever has a value".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from goe_lake.disclosure.families import Counts, Mask

Truths: TypeAlias = npt.NDArray[np.int8]

FALSE: Final = 0
NULL: Final = 1
TRUE: Final = 2


@dataclass(frozen=True)
class Leaf:
    """A condition without parts: a column of the truths. *tried* says whether it may be left out."""

    text: str
    column: int
    tried: bool = True


@dataclass(frozen=True)
class Junction:
    """A conjunction (*every*) or a disjunction of *parts*; *whole* says whether it may be left out as one."""

    every: bool
    parts: tuple[Part, ...]
    whole: bool = True

    @property
    def text(self) -> str:
        """The junction written in one way, however its parts were ordered."""
        return f"{'and' if self.every else 'or'}({','.join(part.text for part in ordered(self))})"

    @property
    def tried(self) -> bool:
        """Whether it may be left out: a junction of nothing but public parts is public."""
        return self.whole and any(part.tried for part in self.parts)


Part: TypeAlias = Leaf | Junction
#: Where a part stands: the numbers of the parts that lead to it, from the root, in order of text.
Path: TypeAlias = tuple[int, ...]
#: The parts of one filter that are left out.
LeftOut: TypeAlias = frozenset[Path]


@dataclass(frozen=True, eq=False)
class Kinds:
    """How many *persons* of each *kind* are in each *cell*.

    *truths* has a row a pattern and a column a leaf. *has* says which patterns the rows of a person of
    each kind have (kinds x patterns); None where a kind is a pattern.
    """

    truths: Truths
    cell: Counts
    kind: Counts
    persons: Counts
    has: Mask | None = None


def ordered(junction: Junction) -> list[Part]:
    """The parts in their canonical order, each text once: to say a thing twice changes nothing."""
    found = {part.text: part for part in junction.parts}
    return [found[text] for text in sorted(found)]


def paths(root: Junction) -> Iterator[tuple[Path, Part]]:
    """Every part that is tried, in order: those of one junction by their text, the whole before its parts."""
    for number, part in enumerate(ordered(root)):
        if part.tried:
            yield (number,), part
        if isinstance(part, Junction):
            for path, inner in paths(part):
                yield (number, *path), inner


def truth(part: Part, truths: Truths, left_out: LeftOut, path: Path = ()) -> Truths:
    """What *part* says of each pattern when the parts *left_out* are left out."""
    if isinstance(part, Leaf):
        return truths[:, part.column]
    neutral = np.int8(TRUE if part.every else FALSE)
    whole = np.full(len(truths), neutral, dtype=np.int8)
    for number, inner in enumerate(ordered(part)):
        here = (*path, number)
        said = truth(inner, truths, left_out, here)
        if here in left_out:
            said = np.where(said == NULL, np.int8(NULL), neutral)
        whole = np.minimum(whole, said) if part.every else np.maximum(whole, said)
    return whole


def left_out(
    roots: Sequence[Junction], kinds: Kinds, cells: int, least: int
) -> list[tuple[tuple[LeftOut, ...], Counts]]:
    """The parts that each cell is answered without, and the cells of which that is so.

    The first of *roots* are the conditions; each of the others is a filter, and is judged among the
    persons whom the conditions that are left select. Every cell is in one of the results.
    """
    states: list[tuple[tuple[LeftOut, ...], Counts]] = [((), np.arange(cells, dtype=np.int64))]
    for root in roots:
        found = []
        for state, here in states:
            inside = np.ones(len(kinds.truths), dtype=bool)
            if state:
                inside = truth(roots[0], kinds.truths, state[0]) == TRUE
            found += [
                ((*state, without), some)
                for without, some in _of_root(root, kinds, inside, here, cells, least)
            ]
        states = found
    return states


def _of_root(
    root: Junction, kinds: Kinds, inside: Mask, here: Counts, cells: int, least: int
) -> list[tuple[LeftOut, Counts]]:
    """The same for one filter, among the cells *here* and the patterns *inside*.

    To leave a part out can make an earlier one of no weight (`(a OR b) AND c`, where b goes), so the parts
    are tried again until all that are left have enough.
    """
    settled: list[tuple[LeftOut, Counts]] = []
    states: list[tuple[LeftOut, Counts]] = [(frozenset(), here)]
    while states:
        before, some = states.pop()
        for without, those in _pass(root, kinds, inside, (before, some), cells, least):
            (settled if without == before else states).append((without, those))
    together: dict[LeftOut, list[Counts]] = {}
    for without, some in settled:
        together.setdefault(without, []).append(some)
    return [(without, np.sort(np.concatenate(some))) for without, some in together.items()]


def _pass(
    root: Junction, kinds: Kinds, inside: Mask, state: tuple[LeftOut, Counts], cells: int, least: int
) -> list[tuple[LeftOut, Counts]]:
    """Every part tried once, in order, against what is left."""
    states = [state]
    for path, _ in paths(root):
        found = []
        for without, some in states:
            if any(path[: len(outer)] == outer for outer in without):
                found.append((without, some))
                continue
            less = frozenset(part for part in without if part[: len(path)] != path) | {path}
            now = truth(root, kinds.truths, without) == TRUE
            then = truth(root, kinds.truths, less) == TRUE
            few = _changed(kinds, inside & (now != then), cells)[some] < least
            found += [(less, some[few]), (without, some[~few])]
        states = [(without, some) for without, some in found if len(some)]
    return states


def _changed(kinds: Kinds, patterns: Mask, cells: int) -> Counts:
    """How many persons of each cell have a row of *patterns*."""
    changed: Mask = patterns
    if kinds.has is not None:
        changed = np.asarray((kinds.has & patterns).any(axis=1), dtype=bool)
    chosen = changed[kinds.kind]
    counts = np.bincount(kinds.cell[chosen], kinds.persons[chosen], minlength=cells)
    return counts.astype(np.int64)
