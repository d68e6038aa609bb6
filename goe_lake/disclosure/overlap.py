"""Earlier cells: whether a new one rests on nearly the same persons as one that was told before.

Two numbers of the same quantity tell, by their difference, of the persons who add something else to the
one than to the other. Where these are fewer than k the new number is not told: the earlier one stands.

Who is behind a number is a `Selection`: a code for each person of the node, 0 for whoever adds nothing.
Persons of one code add the same wherever they stand. Mostly there is one code, and the selection is a
bitmap; two of them are compared by the number of bits that differ. A *shelf* holds the selections of one
quantity in the order of their answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from goe_lake.disclosure.families import Counts, Mask

Words: TypeAlias = npt.NDArray[np.uint64]
Codes: TypeAlias = npt.NDArray[np.uint64]

NOWHERE: Final = -1
#: Stretches of persons that are counted by themselves, to tell distant selections apart at a glance.
STRETCHES: Final = 16
_ROOM: Final = 64


@dataclass(frozen=True, eq=False)
class Selection:
    """Who is behind a number: *words* is a bitmap over the node's persons, bit i of word j person 64 j + i.

    *code* is what all of them add; where they differ, *codes* gives it by person (0 for those outside)
    and *code* is 0.
    """

    words: Words
    code: int = 1
    codes: Codes | None = None

    @cached_property
    def persons(self) -> int:
        """How many persons are in it."""
        return int(np.bitwise_count(self.words).sum())

    def dense(self, persons: int) -> Codes:
        """The code of each of the node's first *persons* persons, 0 for those outside."""
        found = np.zeros(persons, dtype=np.uint64)
        if self.codes is not None:
            found[: len(self.codes)] = self.codes
            return found
        members = bits_of(self.words)[:persons]
        found[: len(members)] = np.where(members, np.uint64(self.code), np.uint64(0))
        return found


def selection_of(numbers: Counts, codes: Codes) -> Selection:
    """The selection of the persons *numbers*, each at most once, with their *codes*; 0 is outside."""
    inside = codes != 0
    numbers, codes = numbers[inside], codes[inside]
    words = words_of(numbers)
    if not len(codes) or (codes == codes[0]).all():
        return Selection(words, int(codes[0]) if len(codes) else 1)
    dense = np.zeros(int(numbers.max()) + 1, dtype=np.uint64)
    dense[numbers] = codes
    return Selection(words, 0, dense)


def words_of(numbers: Counts) -> Words:
    """The bitmap of the persons *numbers*."""
    width = (int(numbers.max(initial=-1)) + 64) // 64
    flags = np.zeros(width * 64, dtype=np.uint8)
    flags[numbers] = 1
    return np.packbits(flags, bitorder="little").view(np.uint64)


def bits_of(words: Words) -> Mask:
    """Whether each person is in the bitmap *words*."""
    return np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)


def wider(words: Words, width: int) -> Words:
    """*words* with as many empty ones as make *width*."""
    if len(words) >= width:
        return words
    return np.concatenate([words, np.zeros(width - len(words), dtype=np.uint64)])


def distance(one: Selection, other: Selection) -> int:
    """How many persons add something else to the one than to the other."""
    width = max(len(one.words), len(other.words))
    if one.codes is None and other.codes is None and one.code == other.code:
        return int(np.bitwise_count(wider(one.words, width) ^ wider(other.words, width)).sum())
    return int((one.dense(width * 64) != other.dense(width * 64)).sum())


def united(selections: Sequence[Selection]) -> Selection:
    """Everybody who is in any of *selections*; of persons in several, the code of the last counts."""
    width = max((len(selection.words) for selection in selections), default=0)
    codes = {selection.code for selection in selections}
    if len(codes) == 1 and 0 not in codes:
        words = np.zeros(width, dtype=np.uint64)
        for selection in selections:
            words[: len(selection.words)] |= selection.words
        return Selection(words, codes.pop())
    dense = np.zeros(width * 64, dtype=np.uint64)
    for selection in selections:
        here = selection.dense(width * 64)
        dense = np.where(here != 0, here, dense)
    return selection_of(np.arange(len(dense), dtype=np.int64), dense)


@dataclass(eq=False)
class _Bitmaps:
    """Bitmaps of one code, in the order in which they came; rows beyond *count* are room for more.

    *stretches* counts the persons of each by stretch: word j lies in stretch j modulo `STRETCHES`.
    """

    words: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros((_ROOM, 1), dtype=np.uint64))
    stretches: Counts = field(default_factory=lambda: np.zeros((_ROOM, STRETCHES), dtype=np.int64))
    ids: Counts = field(default_factory=lambda: np.zeros(_ROOM, dtype=np.int64))
    sizes: Counts = field(default_factory=lambda: np.zeros(_ROOM, dtype=np.int64))
    count: int = 0
    by_size: Counts | None = None

    def add(self, number: int, words: Words) -> None:
        """Keep the selection *number*."""
        rows, width = self.words.shape
        if self.count == rows:
            for name in ("words", "stretches", "ids", "sizes"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros_like(getattr(self, name))]))
        if len(words) > width:
            self.words = np.pad(self.words, ((0, 0), (0, len(words) - width)))
        self.words[self.count, : len(words)] = words
        self.stretches[self.count] = _by_stretch(words)
        self.ids[self.count] = number
        self.sizes[self.count] = self.stretches[self.count].sum()
        self.count += 1
        self.by_size = None

    def near(self, words: Words, least: int) -> tuple[Counts, Counts]:
        """The ids of those that differ in fewer than *least* persons from *words*, and in how many."""
        stretches = _by_stretch(words)
        places = self.of_size(int(stretches.sum()), least)
        # whoever is in one of the two only makes a difference of one in some stretch
        places = places[np.abs(self.stretches[places] - stretches).sum(axis=1) < least]
        width = self.words.shape[1]
        wanted = wider(words, width)
        apart = np.bitwise_count(self.words[places] ^ wanted[:width]).sum(axis=1, dtype=np.int64)
        apart += int(np.bitwise_count(wanted[width:]).sum())
        close = apart < least
        return self.ids[places[close]], apart[close]

    def of_size(self, size: int, least: int) -> Counts:
        """The places of those that have fewer than *least* persons more or fewer than *size*."""
        if self.by_size is None:
            self.by_size = np.argsort(self.sizes[: self.count], kind="stable")
        ordered = self.sizes[self.by_size]
        first, end = np.searchsorted(ordered, [size - least + 1, size + least])
        return self.by_size[first:end]


def _by_stretch(words: Words) -> Counts:
    """How many persons of *words* lie in each stretch."""
    counts = np.zeros(-(-len(words) // STRETCHES) * STRETCHES, dtype=np.int64)
    counts[: len(words)] = np.bitwise_count(words)
    return np.asarray(counts.reshape(-1, STRETCHES).sum(axis=0), dtype=np.int64)


@dataclass(eq=False)
class Shelf:
    """The selections of one quantity by their ids: the smaller, the older."""

    bitmaps: dict[int, _Bitmaps] = field(default_factory=dict)
    mixed: list[tuple[int, Selection]] = field(default_factory=list)

    def add(self, number: int, selection: Selection) -> None:
        """Keep *selection* under the id *number*."""
        if selection.codes is not None:
            self.mixed.append((number, selection))
        else:
            self.bitmaps.setdefault(selection.code, _Bitmaps()).add(number, selection.words)

    def near(self, selection: Selection, least: int) -> dict[int, int]:
        """The ids of those from which *selection* differs in fewer than *least* persons, and in how many."""
        found: dict[int, int] = {}
        for code, bitmaps in self.bitmaps.items():
            if selection.codes is None and code == selection.code:
                ids, apart = bitmaps.near(selection.words, least)
                found.update(zip(ids.tolist(), apart.tolist(), strict=True))
            elif selection.codes is not None or selection.persons < least:
                places = bitmaps.of_size(selection.persons, least).tolist()
                others = ((int(bitmaps.ids[i]), Selection(bitmaps.words[i], code)) for i in places)
                found.update(_near(selection, others, least))
            # else everybody in either adds something else, and they are no fewer than *least*
        found.update(_near(selection, self.mixed, least))
        return found


def _near(selection: Selection, others: Iterable[tuple[int, Selection]], least: int) -> dict[int, int]:
    """The same among *others*, one by one."""
    found = {}
    for number, other in others:
        if abs(other.persons - selection.persons) < least:
            apart = distance(selection, other)
            if apart < least:
                found[number] = apart
    return found
