"""The same for numbers that each lie at one site: selections are kept, never a bitmap a site.

At a site a person adds what the genotype class weighs (`weights`, by class). So two numbers of the same
weights there differ by the persons who are in one of the selections only, and whose class weighs
something: the carriers among them. They are counted in the calls (*scan*), site by site. A difference is
held to the rule of a number by itself: where it rests on fewer than k persons the earlier value stands,
and where it would tell of the few who add nothing the new one is withheld.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from goe_lake.disclosure.families import Counts, Mask
from goe_lake.disclosure.overlap import Selection, bits_of, united, wider

Sites: TypeAlias = npt.NDArray[np.uint64]
#: Persons by group, class and site.
ClassCounts: TypeAlias = npt.NDArray[np.integer]
#: Counts persons at some sites by group: a number for each of the node's persons, -1 for none; and the
#: number of groups.
Scan: TypeAlias = Callable[[Sites, Counts, int], ClassCounts]

#: The value of a number that is not told.
UNTOLD: Final = -1
#: The weights of a record that has a row of values for each class: numbers by any weights follow from it.
BY_CLASS: Final[tuple[int, ...]] = ()
#: The weights of a record of numbers that read these genotypes otherwise: over several sites, or beneath.
OTHERWISE: Final[tuple[int, ...]] = (0,)
COMPUTED, REPEATED, WITHHELD = 0, 1, 2
#: Groups of persons that are counted together, and records whose persons are.
MOST_GROUPS: Final = 64
MOST_TOGETHER: Final = 16


class Difference(StrEnum):
    """What a difference of two numbers has to rest on."""

    PERSONS = "persons"  # persons in one selection only, called or not
    ROWS = "rows"  # persons who add something
    ALLELES = "alleles"  # carriers, and called persons who carry nothing
    CLASSES = "classes"  # every class that occurs: the numbers can be solved for each other


@dataclass(frozen=True, eq=False)
class SiteRecord:
    """Numbers that were told at *sites* (sorted): *values*, UNTOLD where it was not.

    *weights* are what a person adds by class, and all in *selection* add so; *text* asked for it.
    Of weights `BY_CLASS` the values are persons by class, one class after the other, at every site.
    """

    weights: tuple[int, ...]
    selection: Selection
    sites: Sites
    values: Counts
    text: str

    def weighed(self, weights: tuple[int, ...]) -> SiteRecord:
        """The number by *weights* that follows from this record, which is by class."""
        if weights == OTHERWISE:
            return otherwise((self.sites, self.selection))
        by_class = self.values.reshape(-1, len(self.sites))
        return SiteRecord(weights, self.selection, self.sites, np.array(weights) @ by_class, self.text)


@dataclass(frozen=True, eq=False)
class SiteClaim(SiteRecord):
    """Numbers that are about to be told at *sites*.

    *difference* says what differences rest on; *family*, *keys* and *who* are as those of a `Claim`.
    *missing* is the place of the class of those not called. *beneath* is as that of a `Claim`.
    """

    difference: Difference = Difference.ROWS
    missing: int = 0
    family: Hashable = None
    keys: tuple[Hashable, ...] = ()
    who: str | None = None
    beneath: tuple[Sites, Selection] | None = None


@dataclass(frozen=True, eq=False)
class SiteVerdict:
    """What becomes of a claim's numbers, site by site: *fates* and *values*, and which are `≈`."""

    fates: npt.NDArray[np.int8]
    values: Counts
    marked: Mask


def otherwise(beneath: tuple[Sites, Selection]) -> SiteRecord:
    """A record of a number that reads the genotypes of these persons at these sites together."""
    sites, selection = beneath
    return SiteRecord(OTHERWISE, selection, sites, np.zeros(len(sites), dtype=np.int64), "")


def is_nearly_of(beneath: tuple[Sites, Selection], records: Sequence[SiteRecord], least: int) -> bool:
    """Whether a number at any of the sites is of all but 1..*least* - 1 of the same persons."""
    sites, selection = beneath
    return any(
        0 < _persons_apart(selection, record.selection) < least and len(_common(sites, record)[0])
        for record in records
    )


def judge_sites(
    claims: Sequence[SiteClaim], records: Sequence[SiteRecord], least: int, scan: Scan
) -> tuple[list[SiteVerdict], list[SiteRecord]]:
    """Hold *claims* to *records*, the oldest first: a verdict each, and what has to be remembered."""
    verdicts = [_verdict(claim, records, least, scan) for claim in claims]
    unions = list(_unions(claims, verdicts, records, least, scan))
    found = []
    for claim, verdict in zip(claims, verdicts, strict=True):
        values = np.where(verdict.fates == COMPUTED, claim.values, UNTOLD)
        if (values != UNTOLD).any():
            found.append(SiteRecord(claim.weights, claim.selection, claim.sites, values, claim.text))
            if claim.beneath is not None:
                found.append(otherwise(claim.beneath))
    return verdicts, [*found, *unions]


def _verdict(claim: SiteClaim, records: Sequence[SiteRecord], least: int, scan: Scan) -> SiteVerdict:
    verdict = SiteVerdict(
        np.full(len(claim.sites), COMPUTED, np.int8),
        claim.values.copy(),
        np.zeros(len(claim.sites), dtype=bool),
    )
    alike = [record for record in records if record.weights == claim.weights]
    # what everyone was told in these words comes before older numbers of nearly the same persons
    alike.sort(key=lambda record: record.text != claim.who)
    for some in _batches(claim, alike):
        for near in _near(claim, some, least, scan):
            # the oldest match wins, and what is withheld stays so
            open_ = verdict.fates[near.here] == COMPUTED
            few = near.few & open_
            verdict.fates[near.here[few]] = REPEATED
            verdict.values[near.here[few]] = near.values[few]
            verdict.marked[near.here[few]] = near.record.text not in (claim.text, claim.who)
            verdict.fates[near.here[near.telling & ~near.few & open_]] = WITHHELD
    nearly = _nearly_of_others(claim, records, least)
    if claim.beneath is not None:
        nearly |= is_nearly_of(claim.beneath, records, least)
    verdict.fates[nearly & (verdict.fates == COMPUTED)] = WITHHELD
    told = claim.values != UNTOLD
    verdict.fates[~told & (verdict.fates == REPEATED)] = WITHHELD
    return verdict


def _nearly_of_others(claim: SiteClaim, records: Sequence[SiteRecord], least: int) -> Mask:
    """The sites where a number by other weights is of all but 1..*least* - 1 of the same persons.

    One of these weights is mostly made of others: AC is the heterozygotes and twice the homozygotes.
    """
    found = np.zeros(len(claim.sites), dtype=bool)
    others = [record for record in records if record.weights != claim.weights]
    for record in (record for some in _batches(claim, others) for record in some):
        if 0 < _persons_apart(claim.selection, record.selection) < least:
            found[_common(claim.sites, record)[0]] = True
    return found


def _persons_apart(one: Selection, other: Selection) -> int:
    width = max(len(one.words), len(other.words))
    return int(np.bitwise_count(wider(one.words, width) ^ wider(other.words, width)).sum())


@dataclass(frozen=True, eq=False)
class _Near:
    """Of one record: places in the claim's sites that it has too, and its values there.

    *few* says that the difference rests on few persons (or none), *telling* that it tells of few who
    add nothing; *somebody* that there is a difference at all.
    """

    record: SiteRecord
    here: Counts
    values: Counts
    few: Mask
    telling: Mask
    somebody: Mask


def _batches(claim: SiteClaim, records: Sequence[SiteRecord]) -> Iterator[list[SiteRecord]]:
    """*records* that may have sites of the claim, some at a time."""
    here = [
        record
        for record in records
        if len(record.sites)
        and len(claim.sites)
        and record.sites[-1] >= claim.sites[0]
        and record.sites[0] <= claim.sites[-1]
    ]
    for start in range(0, len(here), MOST_TOGETHER):
        yield here[start : start + MOST_TOGETHER]


def _near(claim: SiteClaim, records: Sequence[SiteRecord], least: int, scan: Scan) -> Iterator[_Near]:
    width = max(len(one.selection.words) for one in (claim, *records))
    mine = wider(claim.selection.words, width)
    apart = [bits_of(mine ^ wider(record.selection.words, width)) for record in records]
    common = [_common(claim.sites, record) for record in records]
    # fewer persons are few whatever their calls are
    looked_at = [
        place
        for place, ((here, _), differ) in enumerate(zip(common, apart, strict=True))
        if len(here) and int(differ.sum()) >= least and claim.difference is not Difference.PERSONS
    ]
    counted = dict(_counted({n: (apart[n], common[n][0]) for n in looked_at}, claim.sites, scan))
    for place, (record, differ, (here, values)) in enumerate(zip(records, apart, common, strict=True)):
        if place in counted:
            few, telling, somebody = _judged(claim, counted[place], least)
        else:
            persons = int(differ.sum())
            few = np.full(len(here), persons < least)
            telling, somebody = np.zeros_like(few), np.full(len(here), persons > 0)
        if len(here):
            yield _Near(record, here, values, few, telling, somebody)


def _counted(
    sets: Mapping[int, tuple[Mask, Counts]], sites: Sites, scan: Scan
) -> Iterator[tuple[int, ClassCounts]]:
    """For each of *sets* of persons, at those of *sites* that go with it: how many are in each class."""
    if not sets:
        return
    flags = np.array([differ for differ, _ in sets.values()])
    patterns, group = _patterns_of(flags)
    if patterns.shape[1] > MOST_GROUPS and len(sets) > 1:
        numbers = list(sets)
        for some in (numbers[::2], numbers[1::2]):
            yield from _counted({number: sets[number] for number in some}, sites, scan)
        return
    places = np.unique(np.concatenate([here for _, here in sets.values()]))
    group = np.where(flags.any(axis=0), group, -1)
    counts = scan(sites[places], group, patterns.shape[1])
    for row, (number, (_, here)) in enumerate(sets.items()):
        yield number, counts[patterns[row]].sum(axis=0)[:, np.searchsorted(places, here)]


def _patterns_of(flags: Mask) -> tuple[Mask, Counts]:
    """The distinct columns of *flags* (sets x persons), and the place of each person's column among them."""
    packed = np.packbits(flags, axis=0)
    if len(packed) > 1:
        distinct, place = np.unique(packed, axis=1, return_inverse=True)
    else:  # of numbers it is found much sooner
        numbers, place = np.unique(packed[0], return_inverse=True)
        distinct = numbers[None]
    patterns: Mask = np.unpackbits(distinct, axis=0, count=len(flags)).astype(bool)
    return patterns, place.reshape(-1).astype(np.int64)


def _judged(claim: SiteClaim, classes: ClassCounts, least: int) -> tuple[Mask, Mask, Mask]:
    """Whether differences (persons by class and site) rest on few, tell of few others, and exist."""
    weigh = np.array(claim.weights) != 0
    adding = classes[weigh].sum(axis=0)
    few = adding < least
    telling = np.zeros(classes.shape[1], dtype=bool)
    if claim.difference is Difference.ALLELES:
        called = [place for place in range(len(weigh)) if not weigh[place] and place != claim.missing]
        telling = classes[called].sum(axis=0) < least
    elif claim.difference is Difference.CLASSES:
        called = [place for place in range(len(weigh)) if place != claim.missing]
        telling = np.asarray(((classes[called] > 0) & (classes[called] < least)).any(axis=0), dtype=bool)
    return few, telling, adding > 0


def _common(sites: Sites, record: SiteRecord) -> tuple[Counts, Counts]:
    """Where *sites* are told by *record*: their places among *sites*, and the values."""
    place = np.searchsorted(record.sites, sites)
    place[place == len(record.sites)] = 0
    found = record.sites[place] == sites
    values = np.where(found, record.values[place], UNTOLD)
    here = np.flatnonzero(values != UNTOLD)
    return here.astype(np.int64), values[here]


# Unions -----------------------------------------------------------------------------------------------


def _unions(
    claims: Sequence[SiteClaim],
    verdicts: Sequence[SiteVerdict],
    records: Sequence[SiteRecord],
    least: int,
    scan: Scan,
) -> Iterator[SiteRecord]:
    """What can be added up at each site along the keys; cells are withheld until no sum tells of few."""
    groups = _groups(claims)
    for _ in range(len(claims)):
        changed = False
        for members in groups:
            for union, told in _patterns(
                [claims[place] for place in members], [verdicts[p] for p in members]
            ):
                bad = _bad(union, records, least, scan)
                changed |= _withhold(bad, told, [claims[p] for p in members], [verdicts[p] for p in members])
            changed |= _withhold_beneath(
                [(claims[p], verdicts[p]) for p in members if (verdicts[p].fates != WITHHELD).any()],
                records,
                least,
            )
        if not changed:
            break
    for members in groups:
        for union, _ in _patterns([claims[place] for place in members], [verdicts[p] for p in members]):
            yield SiteRecord(union.weights, union.selection, union.sites, union.values, union.text)
        everybody = union_beneath(
            [claims[p].beneath for p in members if (verdicts[p].fates != WITHHELD).any()]
        )
        if everybody is not None:
            yield otherwise(everybody)


def union_beneath(
    parts: Sequence[tuple[Sites, Selection] | None],
) -> tuple[Sites, Selection] | None:
    """The persons of all *parts* together; None where they do not all read the same sites."""
    known = [part for part in parts if part is not None]
    if len(known) < max(2, len(parts)) or any(not np.array_equal(known[0][0], sites) for sites, _ in known):
        return None
    return known[0][0], united([selection for _, selection in known])


def _withhold_beneath(
    told: Sequence[tuple[SiteClaim, SiteVerdict]], records: Sequence[SiteRecord], least: int
) -> bool:
    """Withhold the smallest of what is *told* where all of it tells of few; whether that was done."""
    everybody = union_beneath([claim.beneath for claim, _ in told])
    if everybody is None or not is_nearly_of(everybody, records, least):
        return False
    computed = [pair for pair in told if (pair[1].fates == COMPUTED).any()]
    if not computed:
        return False
    _, verdict = min(computed, key=lambda pair: pair[0].selection.persons)
    verdict.fates[:] = WITHHELD
    return True


def _groups(claims: Sequence[SiteClaim]) -> list[list[int]]:
    """Claims of the same sites and weights that differ in one key only, or in any."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, claim in enumerate(claims):
        alike = (claim.family, claim.weights, claim.sites.tobytes())
        if claim.keys:
            groups[alike].append(place)
        if len(claim.keys) > 1:
            for key in range(len(claim.keys)):
                groups[*alike, key, (*claim.keys[:key], *claim.keys[key + 1 :])].append(place)
    return [places for places in groups.values() if len(places) > 1]


def _patterns(
    claims: Sequence[SiteClaim], verdicts: Sequence[SiteVerdict]
) -> Iterator[tuple[SiteClaim, Mask]]:
    """The unions of the cells that are told at a site, for each way in which they are; and these cells."""
    told = np.array(
        [
            (verdict.fates != WITHHELD) & (claim.values != UNTOLD)
            for claim, verdict in zip(claims, verdicts, strict=True)
        ]
    )
    ways, way = np.unique(told, axis=1, return_inverse=True)
    for number in range(ways.shape[1]):
        here, there = ways[:, number], way.reshape(-1) == number
        if int(here.sum()) < 2:
            continue
        values = sum(verdict.values for verdict, is_told in zip(verdicts, here, strict=True) if is_told)
        everybody = united([claim.selection for claim, is_told in zip(claims, here, strict=True) if is_told])
        yield replace(
            claims[0], selection=everybody, sites=claims[0].sites[there],
            values=np.asarray(values)[there], text="", who=None,
        ), told & there  # fmt: skip


def _bad(union: SiteClaim, records: Sequence[SiteRecord], least: int, scan: Scan) -> Sites:
    """The sites at which *union* differs from an earlier number in few persons, but in some."""
    alike = [record for record in records if record.weights == union.weights]
    found = [np.empty(0, dtype=np.uint64)]
    for some in _batches(union, alike):
        for near in _near(union, some, least, scan):
            found.append(union.sites[near.here[near.few & near.somebody | near.telling]])
    return np.unique(np.concatenate(found))


def _withhold(bad: Sites, told: Mask, claims: Sequence[SiteClaim], verdicts: Sequence[SiteVerdict]) -> bool:
    """Withhold the smallest computed cell at each of the *bad* sites; whether there was one."""
    if not len(bad):
        return False
    here = np.flatnonzero(np.isin(claims[0].sites, bad) & told.any(axis=0))
    far = np.iinfo(np.int64).max
    sizes = np.array(
        [
            np.where(is_told[here] & (verdict.fates[here] == COMPUTED), claim.selection.persons, far)
            for claim, verdict, is_told in zip(claims, verdicts, told, strict=True)
        ]
    )
    smallest = sizes.argmin(axis=0)
    for place, verdict in enumerate(verdicts):
        verdict.fates[here[(smallest == place) & (sizes[place] != far)]] = WITHHELD
    return bool((sizes.min(axis=0, initial=far) != far).any())
