"""What becomes of numbers that are about to be told beside those that were told before.

A number whose persons differ from an earlier one's by fewer than k is not told: the earlier value is
given again, and marked, also where nobody differs; so that the mark does not tell how many do. It stays
unmarked only where both were asked for in the same words of the same snapshot.

A missing value is technical. A count of a column is first compared with counts of that column, by those
who have a value; then, as a count of persons, by those who were counted before missing values were left
out: with an earlier count of nearly the same persons it keeps its own number of missing ones.

**Unions.** Cells of one answer can be added, so their unions along each key are earlier numbers too. One
that differs by 1..k-1 persons from an earlier number would tell of those: its smallest cell is withheld.
Not so where that number is the node's own, which is public, and the difference is exactly those of whom a
value is missing that decides about the cells: how many lack a value is public as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from goe_lake.disclosure.earlier_sites import SiteRecord, Sites, is_nearly_of, otherwise, union_beneath
from goe_lake.disclosure.overlap import Selection, Shelf, distance, united

#: Rows and persons, whatever is counted: all counts are one quantity.
COUNT: Final = "count"
#: The same of persons who have a value in some column: what is missing is technical, so that only counts
#: of persons are held to these.
VALUED: Final = "valued"
#: The text of what was not asked for in so many words.
NO_TEXT: Final = ""


class Fate(StrEnum):
    """What becomes of a number."""

    COMPUTED = "computed"
    REPEATED = "repeated"
    WITHHELD = "withheld"


@dataclass(frozen=True, eq=False)
class Record:
    """A number that was told: whose it is, its value, and the text that asked for it."""

    quantity: str
    selection: Selection
    value: int
    text: str


@dataclass(frozen=True, eq=False)
class Face:
    """One number: its quantity, whose it is, and its value."""

    quantity: str
    selection: Selection
    value: int


@dataclass(frozen=True, eq=False)
class Claim:
    """A number that is about to be told, of the persons in *selection*.

    *value* is for a code of 1. Of a count of a column, *counted* are those with a value, as persons are
    counted; *before* are those who are counted when missing values are left in, and *before_value* their
    count. Where a missing value is a row that is not there, *before* is not known: *base* is the text
    that asks for them. All are None or empty for other numbers. *rest* are those who
    have a value and add nothing, None where nobody looks for them. *beside* are further numbers of the
    same persons that are recorded with this one. *family* is the same for cells that share nobody and
    are told beside each other; *keys* tells these apart, a value a key. *who* is another
    text that asks for the same, None where there is none. *known* are those of whom no value is missing that
    conditions and keys read, None where nobody looked. *against* are the quantities that tell of other forms
    of its columns, and *among* those who have a value, to be held to these. *apart* is in how many persons it
    has to differ from others of its quantity, where that is more than the policy says. *beneath* are sites
    whose genotypes decide about it, and who might be counted whatever they are.
    """

    quantity: str
    selection: Selection
    value: int
    text: str
    counted: Selection | None = None
    before: Selection | None = None
    before_value: int = 0
    base: str = NO_TEXT
    rest: tuple[str, Selection] | None = None
    beside: tuple[Face, ...] = ()
    family: Hashable = None
    keys: tuple[Hashable, ...] = ()
    everybody: Selection | None = None
    whole: str = NO_TEXT
    who: str | None = None
    known: Selection | None = None
    against: tuple[str, ...] = ()
    among: Selection | None = None
    apart: int = 0
    beneath: tuple[Sites, Selection] | None = None

    def is_asked_by(self, text: str) -> bool:
        """Whether *text* asks for this number."""
        return text in (self.text, self.who)

    def faces(self, verdict: Verdict) -> dict[str, Face]:
        """Every number that this one tells when it is told as *verdict* says, by what it is."""
        faces = {"itself": Face(self.quantity, verdict.selection, verdict.value)}
        if verdict.fate is Fate.COMPUTED:
            if self.before is not None:
                # before the persons of whom the value is known: of two, the first is the older
                faces = {"before": Face(COUNT, self.before, self.before_value), **faces}
            if self.counted is not None:
                faces["counted"] = Face(VALUED, self.counted, self.value)
            if self.rest is not None:
                faces["rest"] = Face(*self.rest, 0)
            faces.update({f"beside {face.quantity}": face for face in self.beside})
        elif self.counted is not None and verdict.quantity == COUNT:
            faces = {"counted": Face(COUNT, verdict.selection, verdict.value)}
        return faces


@dataclass(frozen=True, eq=False)
class Verdict:
    """The *fate* of a claim; *value* is what is told, of *selection*, and *marked* whether it is `≈`.

    *quantity* is that of the earlier number where one is told again.
    """

    fate: Fate
    value: int
    selection: Selection
    marked: bool = False
    quantity: str = ""


@dataclass(eq=False)
class Memory:
    """Numbers that were told, by quantity; ids grow, and the smallest is the oldest.

    *counted* are the texts of those that count persons.
    """

    shelves: dict[str, Shelf] = field(default_factory=dict)
    records: dict[int, Record] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)

    def add(self, number: int, record: Record) -> None:
        """Remember *record* under the id *number*."""
        self.records[number] = record
        if record.quantity == COUNT:
            self.counted.add(record.text)
        self.shelves.setdefault(record.quantity, Shelf()).add(number, record.selection)

    def near(self, quantity: str, selection: Selection, least: int) -> dict[int, int]:
        """The ids of records that differ from *selection* in fewer than *least* persons, and in how many."""
        shelf = self.shelves.get(quantity)
        return {} if shelf is None else shelf.near(selection, least)


@dataclass(frozen=True)
class Judgement:
    """A verdict for each claim, and what has to be remembered of those that were computed."""

    verdicts: tuple[Verdict, ...]
    records: tuple[Record, ...]
    at_sites: tuple[SiteRecord, ...] = ()


def judge(
    claims: Sequence[Claim],
    memories: Sequence[Memory],
    least: int,
    node: Selection | None = None,
    at_sites: Sequence[SiteRecord] = (),
) -> Judgement:
    """Hold *claims* to what *memories* hold; ids are in one order over all of them.

    *node* are all persons of the node; *at_sites* are earlier numbers of genotypes.
    """
    sites = _AtSites(at_sites, least)
    verdicts = [_verdict(claim, memories, least, sites) for claim in claims]
    unions = _without_telling_unions(claims, verdicts, memories, least, node, sites)
    records: dict[tuple[object, ...], Record] = {}
    for claim, verdict in zip(claims, verdicts, strict=True):
        if verdict.fate is Fate.COMPUTED:
            for name, face in claim.faces(verdict).items():
                # of other words than these is whatever was not asked for
                text = NO_TEXT if name == "counted" else claim.text
                _keep(records, Record(face.quantity, face.selection, face.value, text))
    for union in unions:
        _keep(records, union)
    fresh = tuple(record for record in records.values() if not _known(record, memories))
    return Judgement(tuple(verdicts), fresh, tuple(_told_at_sites(claims, verdicts)))


def _verdict(claim: Claim, memories: Sequence[Memory], least: int, sites: _AtSites) -> Verdict:
    found = [_as_it_is(claim, memories, least), _as_persons(claim, memories, least)]
    earlier = [one for one in found if one is not None]
    if earlier:
        # of two earlier numbers the older stands, so that the same words are answered alike each time
        return min(earlier, key=lambda one: one[0])[1]
    if claim.apart > least and _oldest(claim.quantity, claim.selection, memories, claim.apart):
        # the earlier number is no near value: of so few values it would tell who has which
        return Verdict(Fate.WITHHELD, 0, claim.selection)
    if claim.rest is not None and _oldest(*claim.rest, memories, least) is not None:
        return Verdict(Fate.WITHHELD, 0, claim.selection)
    if claim.among is not None and _tells_by_form(claim.among, claim.against, memories, least):
        return Verdict(Fate.WITHHELD, 0, claim.selection)
    if claim.beneath is not None and sites.tell(claim.beneath):
        return Verdict(Fate.WITHHELD, 0, claim.selection)
    return Verdict(Fate.COMPUTED, claim.value, claim.selection)


def _tells_by_form(
    selection: Selection, against: Sequence[str], memories: Sequence[Memory], least: int
) -> bool:
    """Whether an earlier number of another form of the column is of all but 1..*least* - 1 of these persons.

    A logarithm of a column is near a times the column plus b, so that the two together tell of those few.
    """
    return any(
        apart > 0
        for memory in memories
        for quantity in against
        for apart in memory.near(quantity, selection, least).values()
    )


def _as_it_is(claim: Claim, memories: Sequence[Memory], least: int) -> tuple[int, Verdict] | None:
    """What is told of *claim* beside earlier numbers of its own quantity, and the id of that number."""
    found = _oldest(claim.quantity, claim.selection, memories, least)
    if found is None and claim.quantity == COUNT:
        found = _oldest(VALUED, claim.selection, memories, least)
    if found is None:
        return None
    number, record = found
    return number, _again(record, record.value, marked=not claim.is_asked_by(record.text))


def _as_persons(claim: Claim, memories: Sequence[Memory], least: int) -> tuple[int, Verdict] | None:
    """The same of a count of a column beside counts of persons; None where that is its own number."""
    if claim.counted is None:
        return None
    if claim.before is not None:
        everybody = _oldest(COUNT, claim.before, memories, least)
        if everybody is not None:
            number, record = everybody
            if claim.is_asked_by(record.text):
                # how many values are missing among persons who were counted is public
                return None
            return number, _again(record, record.value - (claim.before_value - claim.value))
    elif claim.base and any(claim.base in memory.counted for memory in memories):
        return None
    found = _oldest(COUNT, claim.counted, memories, least)
    return None if found is None else (found[0], _again(found[1], found[1].value))


def _again(record: Record, value: int, *, marked: bool = True) -> Verdict:
    return Verdict(Fate.REPEATED, value, record.selection, marked, record.quantity)


def _oldest(
    quantity: str, selection: Selection, memories: Sequence[Memory], least: int
) -> tuple[int, Record] | None:
    """The oldest record that differs from *selection* in fewer than *least* persons, and its id."""
    found = [(number, memory) for memory in memories for number in memory.near(quantity, selection, least)]
    if not found:
        return None
    number, memory = min(found, key=lambda pair: pair[0])
    return number, memory.records[number]


def _keep(records: dict[tuple[object, ...], Record], record: Record) -> None:
    """Keep *record* unless it is kept already."""
    selection = record.selection
    codes = None if selection.codes is None else selection.codes.tobytes()
    name = (record.quantity, selection.code, selection.words.tobytes(), codes)
    records.setdefault(name, record)


def _known(record: Record, memories: Sequence[Memory]) -> bool:
    """Whether a number of the very same persons is remembered."""
    return any(memory.near(record.quantity, record.selection, 1) for memory in memories)


# Unions -----------------------------------------------------------------------------------------------


def _without_telling_unions(
    claims: Sequence[Claim],
    verdicts: list[Verdict],
    memories: Sequence[Memory],
    least: int,
    node: Selection | None,
    sites: _AtSites,
) -> list[Record]:
    """Withhold claims until no union tells of few; the unions of those that are left."""
    groups = _groups(claims)
    waiting = list(groups)
    found: dict[Hashable, dict[str, Record]] = {}
    while waiting:
        name = waiting.pop()
        told = [place for place in groups[name] if verdicts[place].fate is not Fate.WITHHELD]
        found[name] = _union_of([claims[place] for place in told], [verdicts[place] for place in told], node)
        # how many values are missing in a union is public, as it is in a cell
        judged = [record for face, record in found[name].items() if face in ("itself", "before")]
        missing = _Missing(node, claims[groups[name][0]].known)
        enough = max(least, claims[groups[name][0]].apart)
        tells = any(_tells(one, memories, enough, missing) for one in judged)
        against = claims[groups[name][0]].against
        if against and not tells:
            valued = (record for face, record in found[name].items() if face.startswith("beside"))
            tells = any(_tells_by_form(one.selection, against, memories, least) for one in valued)
        everybody = union_beneath([claims[place].beneath for place in told])
        tells = tells or (everybody is not None and sites.tell(everybody))
        if tells and _as_asked(claims, verdicts, told):
            computed = [place for place in told if verdicts[place].fate is Fate.COMPUTED]
            if computed:
                smallest = min(computed, key=lambda place: (claims[place].selection.persons, place))
                verdicts[smallest] = Verdict(Fate.WITHHELD, 0, claims[smallest].selection)
                waiting += [other for other, members in groups.items() if smallest in members]
            else:
                # what is told again was judged when it was told first
                found[name] = {}
    return [record for records in found.values() for record in records.values()]


def _groups(claims: Sequence[Claim]) -> dict[Hashable, list[int]]:
    """The places of claims that differ in one key only, or in any, of those that share a family."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, claim in enumerate(claims):
        if claim.keys:
            groups[claim.family, "all"].append(place)
        if len(claim.keys) > 1:
            for key in range(len(claim.keys)):
                groups[claim.family, key, (*claim.keys[:key], *claim.keys[key + 1 :])].append(place)
    return {name: places for name, places in groups.items() if len(places) > 1}


def _union_of(
    claims: Sequence[Claim], verdicts: Sequence[Verdict], node: Selection | None
) -> dict[str, Record]:
    """What can be added up from *claims*, which were told as *verdicts* say, by what it is."""
    if len(claims) < 2:
        return {}
    text = _text_of_union(claims, verdicts, node)
    each = [claim.faces(verdict) for claim, verdict in zip(claims, verdicts, strict=True)]
    found = {}
    for name in each[0]:
        faces = [own[name] for own in each if name in own]
        if len(faces) == len(each) and len({face.quantity for face in faces}) == 1:
            everybody = united([face.selection for face in faces])
            value = sum(face.value for face in faces)
            found[name] = Record(faces[0].quantity, everybody, value, text if _is_asked(name) else NO_TEXT)
    return found


def _is_asked(name: str) -> bool:
    """Whether the words that ask for a number ask for this face of it too."""
    return name == "itself" or name.startswith("beside")


def _text_of_union(claims: Sequence[Claim], verdicts: Sequence[Verdict], node: Selection | None) -> str:
    """The text that asks for everybody, where the cells are everybody: then there is no other cell.

    That leaves nothing to tell: cells that lack few persons of the node are not told (`control.margin`).
    """
    persons = [claim.everybody for claim in claims if claim.everybody is not None]
    whole = {claim.whole for claim in claims}
    computed = all(verdict.fate is Fate.COMPUTED or not verdict.marked for verdict in verdicts)
    if node is None or len(whole) != 1 or len(persons) < len(claims) or not computed:
        return NO_TEXT
    return whole.pop() if distance(united(persons), node) == 0 else NO_TEXT


def _as_asked(claims: Sequence[Claim], verdicts: Sequence[Verdict], told: Sequence[int]) -> bool:
    """Whether all that is *told* is about the persons who were asked for; else there is no such union."""
    return all(
        verdicts[place].fate is Fate.COMPUTED
        or distance(claims[place].selection, verdicts[place].selection) == 0
        for place in told
    )


@dataclass(eq=False)
class _AtSites:
    """Earlier numbers of genotypes at sites, asked for the same persons again and again."""

    records: Sequence[SiteRecord]
    least: int
    _found: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)

    def tell(self, beneath: tuple[Sites, Selection]) -> bool:
        """Whether one of them, at any of the sites, is of all but 1..least - 1 of the persons."""
        name = _named(beneath)
        if name not in self._found:
            self._found[name] = is_nearly_of(beneath, self.records, self.least)
        return self._found[name]


def _told_at_sites(claims: Sequence[Claim], verdicts: Sequence[Verdict]) -> Iterator[SiteRecord]:
    """What has to be remembered of numbers of genotypes, and of their unions."""
    found = [
        claim.beneath
        for claim, verdict in zip(claims, verdicts, strict=True)
        if claim.beneath is not None and verdict.fate is Fate.COMPUTED
    ]
    for members in _groups(claims).values():
        told = [place for place in members if verdicts[place].fate is not Fate.WITHHELD]
        everybody = union_beneath([claims[place].beneath for place in told])
        found += [everybody] if everybody is not None else []
    for beneath in {_named(beneath): beneath for beneath in found}.values():
        if len(beneath[0]) and beneath[1].persons:
            yield otherwise(beneath)


def _named(beneath: tuple[Sites, Selection]) -> tuple[bytes, bytes]:
    sites, selection = beneath
    return sites.tobytes(), selection.words.tobytes()


@dataclass(frozen=True, eq=False)
class _Missing:
    """Everybody of the *node*, and those of whom what is asked is *known*; None where nobody looked."""

    node: Selection | None
    known: Selection | None

    def alone(self, union: Selection, earlier: Selection) -> bool:
        """Whether missing values alone tell *union* from *earlier*, which is everybody."""
        if self.node is None or self.known is None:
            return False
        return distance(earlier, self.node) == 0 and distance(union, self.known) == 0


def _tells(union: Record, memories: Sequence[Memory], least: int, missing: _Missing) -> bool:
    """Whether *union* differs from an earlier number in 1..*least* - 1 persons, missing values aside."""
    return any(
        apart > 0 and not missing.alone(union.selection, memory.records[number].selection)
        for memory in memories
        for number, apart in memory.near(union.quantity, union.selection, least).items()
    )
