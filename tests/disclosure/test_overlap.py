"""Earlier numbers: what the shelves find, and what is never told beside what was told before."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.disclosure.earlier import COUNT, VALUED, Claim, Face, Fate, Judgement, Memory, Record, judge
from goe_lake.disclosure.overlap import Selection, Shelf, distance, selection_of, united

PERSONS = 150
Coded = dict[int, int]


@st.composite
def coded(draw: st.DrawFn, near: Coded | None = None) -> Coded:
    """Who adds what: a code a person; mostly one code, and mostly near another selection."""
    if near is not None and draw(st.booleans()):
        changed = draw(st.lists(st.integers(0, PERSONS - 1), max_size=6))
        found = {person: code for person, code in near.items() if person not in changed}
        return found | {person: 1 for person in changed if person not in near}
    seed, share = draw(st.integers(0, 2**32)), draw(st.sampled_from([0.05, 0.3, 0.9]))
    chance = np.random.default_rng(seed)
    members = np.flatnonzero(chance.random(PERSONS) < share)
    codes = chance.integers(1, 4, len(members)) if draw(st.integers(0, 4)) == 0 else np.ones(len(members))
    return {int(person): int(code) for person, code in zip(members, codes, strict=True)}


def selection(who: Coded) -> Selection:
    """The same as a selection."""
    return selection_of(np.array(list(who), dtype=np.int64), np.array(list(who.values()), dtype=np.uint64))


def differing(one: Coded, other: Coded) -> int:
    """How many persons add something else to the one than to the other."""
    return sum(one.get(person) != other.get(person) for person in one.keys() | other.keys())


@given(data=st.data(), least=st.integers(1, 8))
def test_a_shelf_finds_all_that_are_near(data: st.DataObject, least: int) -> None:
    """Whatever the codes, sizes and widths: the ids and distances of brute force over persons."""
    kept: list[Coded] = []
    shelf = Shelf()
    for number in range(data.draw(st.integers(0, 12))):
        kept.append(data.draw(coded(kept[-1] if kept else None)))
        shelf.add(number, selection(kept[-1]))
    asked = data.draw(coded(kept[0] if kept else None))
    apart = {number: differing(asked, who) for number, who in enumerate(kept)}
    assert shelf.near(selection(asked), least) == {n: d for n, d in apart.items() if d < least}


@given(data=st.data())
def test_distance_and_union_are_those_of_sets(data: st.DataObject) -> None:
    """Of persons in several selections of one code, the union has each once."""
    parts = [dict.fromkeys(data.draw(coded()), 1) for _ in range(3)]
    assert distance(selection(parts[0]), selection(parts[1])) == differing(parts[0], parts[1])
    together = united([selection(part) for part in parts])
    assert distance(together, selection(parts[0] | parts[1] | parts[2])) == 0


def test_many_bitmaps_of_growing_width() -> None:
    """New persons make bitmaps wider; older ones are found as they were."""
    shelf = Shelf()
    for number in range(300):
        shelf.add(number, selection(dict.fromkeys(range(number, number + 40 + number * 3), 1)))
    asked = dict.fromkeys(range(250, 250 + 40 + 750), 1)
    assert shelf.near(selection(asked), 6) == {250: 0, 249: 5, 251: 5}
    del asked[251]
    assert shelf.near(selection(asked), 2)[250] == 1


# Verdicts ---------------------------------------------------------------------------------------------


def count(who: Coded, text: str, **further: object) -> Claim:
    """A claim of how many *who* are."""
    return Claim(COUNT, selection(who), len(who), text, **further)  # type: ignore[arg-type]


def remember(memory: Memory, judgement: Judgement) -> None:
    """Add what is to be remembered."""
    for record in judgement.records:
        memory.add(len(memory.records), record)


def told_of(claim: Claim, memory: Memory, least: int = 5) -> tuple[Fate, int, bool]:
    """What becomes of one claim, remembered."""
    judgement = judge([claim], [memory], least)
    remember(memory, judgement)
    (verdict,) = judgement.verdicts
    return verdict.fate, verdict.value, verdict.marked


def test_nearly_the_same_persons_get_the_earlier_value() -> None:
    """Fewer than k more, fewer, or none: the earlier value and the mark look alike."""
    memory = Memory()
    everybody = dict.fromkeys(range(60), 1)
    assert told_of(count(everybody, "all"), memory) == (Fate.COMPUTED, 60, False)
    for less in range(5):
        few = dict.fromkeys(range(60 - less), 1)
        assert told_of(count(few, f"without {less}"), memory) == (Fate.REPEATED, 60, True)
    assert told_of(count(dict.fromkeys(range(55), 1), "without 5"), memory) == (Fate.COMPUTED, 55, False)
    assert told_of(count(everybody, "all"), memory) == (Fate.REPEATED, 60, False)


def test_only_computed_numbers_are_compared_with() -> None:
    """A number four persons away from one that was repeated is compared with what was computed."""
    memory = Memory()
    assert told_of(count(dict.fromkeys(range(60), 1), "a"), memory)[0] is Fate.COMPUTED
    assert told_of(count(dict.fromkeys(range(56), 1), "b"), memory)[:2] == (Fate.REPEATED, 60)
    assert told_of(count(dict.fromkeys(range(53), 1), "c"), memory)[:2] == (Fate.COMPUTED, 53)
    # near both: the oldest wins
    assert told_of(count(dict.fromkeys(range(57), 1), "d"), memory)[:2] == (Fate.REPEATED, 60)


def with_values(who: Coded, missing: set[int], column: str, text: str) -> Claim:
    """A claim of how many of *who* have a value in *column*."""
    known = {person: 1 for person in who if person not in missing}
    valued = selection(known)
    return Claim(f"count:{column}", valued, len(known), text, valued, selection(who), len(who))


def test_missing_values_do_not_make_numbers_approximate() -> None:
    """Counts of columns with 1, 2 and 3 missing values stand beside each other and the count of persons."""
    memory = Memory()
    group = dict.fromkeys(range(60), 1)
    for column, missing in (("a", {1}), ("b", {2, 3}), ("c", {1, 4, 5})):
        assert told_of(with_values(group, missing, column, "group"), memory) == (
            Fate.COMPUTED,
            60 - len(missing),
            False,
        )
    assert told_of(count(group, "group"), memory)[1:] == (60, False)


def test_missing_values_hide_nobody() -> None:
    """One person less is not told by a count of another column, whatever is missing there."""
    memory = Memory()
    group = dict.fromkeys(range(60), 1)
    told_of(count(group, "group"), memory)
    less = dict.fromkeys(range(59), 1)
    assert told_of(with_values(less, {1, 2}, "b", "less"), memory) == (Fate.REPEATED, 58, True)
    # nor by a condition that stands for what is missing
    told_of(with_values(dict.fromkeys(range(100, 150), 1), set(range(100, 110)), "a", "x"), memory)
    known = dict.fromkeys(range(110, 149), 1)
    assert told_of(count(known, "x and a is not null and less"), memory) == (Fate.REPEATED, 40, True)


def test_those_who_add_nothing_are_not_few() -> None:
    """Sixty of hundred, then fifty of eighty-eight: ten of the twelve others, and two who are not."""
    memory = Memory()

    def claim(yes: range, no: range, text: str) -> Claim:
        rest = ("rest:t2d", selection(dict.fromkeys(no, 1)))
        return count(dict.fromkeys(yes, 1), text, rest=rest)

    assert told_of(claim(range(60), range(60, 100), "all"), memory)[0] is Fate.COMPUTED
    assert told_of(claim(range(50), range(60, 98), "men"), memory)[0] is Fate.WITHHELD
    assert told_of(claim(range(50), range(60, 90), "others"), memory)[0] is Fate.COMPUTED


def cells(parts: list[range], family: str) -> list[Claim]:
    """One answer by one key."""
    return [
        count(dict.fromkeys(part, 1), f"{family} {place}", family=family, keys=(place,))
        for place, part in enumerate(parts)
    ]


def test_missing_values_alone_tell_nothing_beside_the_number_of_persons() -> None:
    """Groups of everybody with a value stand beside the node's own number; groups that lack others do not."""
    everybody = dict.fromkeys(range(100), 1)
    known = selection(dict.fromkeys(range(97), 1))
    memory = Memory()
    memory.add(0, Record(COUNT, selection(everybody), 100, "all"))

    def fates(last: int, of: Selection | None) -> list[Fate]:
        groups = (range(40), range(40, last))
        claims = [
            count(dict.fromkeys(who, 1), f"group {place}", family=0, keys=(place,), known=of)
            for place, who in enumerate(groups)
        ]
        return [verdict.fate for verdict in judge(claims, [memory], 10, selection(everybody)).verdicts]

    assert fates(97, known) == [Fate.COMPUTED, Fate.COMPUTED]
    assert fates(97, None) == [Fate.WITHHELD, Fate.COMPUTED]
    # two more are left out, of whom nothing is missing
    assert fates(95, known) == [Fate.WITHHELD, Fate.COMPUTED]
    # beside another number of the project the same three are few
    memory.add(1, Record(COUNT, selection(dict.fromkeys(range(98), 1)), 98, "others"))
    assert fates(97, known) == [Fate.WITHHELD, Fate.COMPUTED]


def test_unions_are_numbers_too() -> None:
    """Cells that leave out two of those counted before: the smallest is withheld; later sums meet them."""
    memory = Memory()
    told_of(count(dict.fromkeys(range(100), 1), "all"), memory)
    judgement = judge(cells([range(40), range(40, 60), range(60, 98)], "a"), [memory], 5)
    assert [verdict.fate for verdict in judgement.verdicts] == [Fate.COMPUTED, Fate.WITHHELD, Fate.COMPUTED]
    remember(memory, judgement)
    # 0..39 and 60..97 are 78
    asked = dict.fromkeys((*range(38), *range(60, 98)), 1)
    assert told_of(count(asked, "sum"), memory)[:2] == (Fate.REPEATED, 78)


@given(seed=st.integers(0, 2**32), least=st.integers(2, 6))
def test_no_two_numbers_differ_by_few(seed: int, least: int) -> None:
    """Whatever is asked: all that is told are sums over selections that differ by nobody or by k persons.

    So do the sums of an answer's cells along its keys and the sums told before it.
    """
    chance = np.random.default_rng(seed)
    worth = chance.integers(1, 10**6, 60)
    memory = Memory()
    seen: list[frozenset[int]] = []
    values: set[int] = set()
    base = chance.random(60)
    for number in range(8):
        changed = np.where(chance.random(60) < 0.05, chance.random(60), base)
        edges = np.sort(chance.random(chance.integers(1, 4)))
        key = np.searchsorted(edges, changed)
        groups = [
            frozenset(np.flatnonzero((key == k) & (chance.random() < 0.9)).tolist()) for k in np.unique(key)
        ]
        groups = [group for group in groups if len(group) >= least]
        claims = [
            Claim("sum:x", selection(dict.fromkeys(group, 1)), int(worth[list(group)].sum()), f"{number} {k}",
                  family=number, keys=(k,))
            for k, group in enumerate(groups)
        ]  # fmt: skip
        judgement = judge(claims, [memory], least)
        remember(memory, judgement)
        computed, summed = [], []
        for claim, verdict, group in zip(claims, judgement.verdicts, groups, strict=True):
            if verdict.fate is Fate.COMPUTED:
                assert verdict.value == claim.value
                computed.append(group)
            elif verdict.fate is Fate.REPEATED:
                assert verdict.value in values
            if verdict.fate is not Fate.WITHHELD:
                summed.append(verdict)
        for group in computed:
            for earlier in seen:
                assert len(group ^ earlier) >= least
        if len(computed) == len(summed) > 1:
            union = frozenset().union(*computed)
            for earlier in seen:
                assert len(union ^ earlier) == 0 or len(union ^ earlier) >= least
            computed.append(union)
        seen += computed
        # what was given again adds up too
        values |= {verdict.value for verdict in summed} | {sum(verdict.value for verdict in summed)}


def test_faces_are_remembered_in_order_of_age() -> None:
    """Of a count of a column, all persons are older than those with a value."""
    memory = Memory()
    told_of(with_values(dict.fromkeys(range(60), 1), {1, 2}, "a", "group"), memory)
    ages = [(record.quantity, record.selection.persons) for record in memory.records.values()]
    assert ages == [(COUNT, 60), ("count:a", 58), (VALUED, 58)]


def test_beside_numbers_are_remembered() -> None:
    """Who asked for a sum has its number of values too."""
    memory = Memory()
    who = dict.fromkeys(range(60), 1)
    beside = (Face("count:x", selection(who), 60),)
    told_of(Claim("sum:x", selection(who), 600, "a", beside=beside), memory)
    less = dict.fromkeys(range(58), 1)
    assert told_of(Claim("count:x", selection(less), 58, "b"), memory)[:2] == (Fate.REPEATED, 60)


def test_two_memories_have_one_order() -> None:
    """An analyst in two projects is held to the oldest number of either."""
    one, other = Memory(), Memory()
    everybody = selection(dict.fromkeys(range(60), 1))
    other.add(3, Record(COUNT, everybody, 61, "old"))
    one.add(7, Record(COUNT, everybody, 60, "new"))
    (verdict,) = judge([count(dict.fromkeys(range(60), 1), "new")], [one, other], 5).verdicts
    assert (verdict.value, verdict.marked) == (61, True)
