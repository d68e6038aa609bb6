"""What is summed for one release with sealed cells: the same numbers, in the same order, at every node.

A node seals how many persons it has of each public kind of row at each listed site: first all of them,
then, for each measure, those in cells of which it would not tell that measure by itself. Behind these come
two numbers a measure and cell: by how much what it would tell differs from what it counts, since an earlier
number stands, and a note of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Final

import numpy as np
import pyarrow as pa

from goe_lake.disclosure import Rule
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.claims import Claims
from goe_lake.engine.genotypes import CLASSES, blocks
from goe_lake.engine.public_domain import PublicDomain, PublicSessions
from goe_lake.engine.relation import Reading, check_release
from goe_lake.engine.row_kinds import RowKinds, public_kinds
from goe_lake.engine.select import select_sites
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.engine.strata import SessionStrata
from goe_lake.engine.tally import Tallied
from goe_lake.errors import ReleaseRefused
from goe_lake.release import CellKind, Measure, MeasureFunction, Release

#: Numbers of one node for one release; each is 8 bytes on the wire.
MOST_NUMBERS: Final = 48_000_000
#: Numbers that are judged at a time.
AT_ONCE: Final = 4_000_000
#: No federation has more persons: an opened sum above it is garbage.
MOST_PERSONS: Final = 1_000_000_000
#: Notes of one node; those of all nodes add up.
REPEATED: Final = 1
BLOCKED: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class Shape:
    """The numbers of one release: which kinds of rows at which listed sites. Alike at every node.

    *session* is the node's own, and *strata* its stored counts by label. *stopped* says that nobody waits
    for its numbers any more. *claims* gathers who is behind them, None where no audit is kept.
    """

    release: Release
    blueprint: Blueprint
    kinds: RowKinds
    sites: Selection
    domain: PublicDomain
    session: Session
    strata: SessionStrata | None
    stopped: Callable[[], bool] = bool
    claims: Claims | None = None

    @property
    def remainders(self) -> tuple[int, ...]:
        """The places of the measures of which what countries do not tell by themselves is summed too."""
        return tuple(
            place
            for place, measure in enumerate(self.release.measures)
            if self.blueprint.rule_of(measure) is not Rule.ALLELE_NUMBER  # it is public
        )

    @cached_property
    def combinations(self) -> int:
        """How many combinations of the keys about persons there are."""
        keys = [key.name for key in self.blueprint.reading.person_keys]
        return self.kinds.table.select(keys).group_by(keys).aggregate([]).num_rows if keys else 1

    @property
    def cells(self) -> int:
        """How many cells there can be."""
        return self.combinations * len(self.sites)

    @property
    def persons(self) -> tuple[int, int, int]:
        """How many numbers of persons there are: all and each remainder, kinds, sites."""
        return 1 + len(self.remainders), len(self.kinds.table), len(self.sites)

    @property
    def told(self) -> tuple[int, int, int, int]:
        """How many numbers there are of what is told: changes and notes, measures, combinations, sites."""
        return 2, len(self.release.measures), self.combinations, len(self.sites)

    @property
    def numbers(self) -> int:
        """How many numbers there are in all."""
        return prod(self.persons) + prod(self.told)


@dataclass(frozen=True, eq=False)
class Sums:
    """The numbers of one node, or those of all nodes together.

    *persons* are `Shape.persons`: all, and those of each remainder, by kind and site. *changes* are what
    earlier numbers of persons that are nearly the same have more (or less) than those counted, and *notes*
    count the nodes that give an earlier number again (`REPEATED`) or tell nothing beside it (`BLOCKED`);
    both by measure, combination of the keys about persons, and site.
    """

    persons: Counts
    changes: Counts
    notes: Counts

    @classmethod
    def nothing(cls, shape: Shape) -> Sums:
        """Zeros."""
        changes, notes = np.zeros(shape.told, dtype=np.int64)
        return cls(np.zeros(shape.persons, dtype=np.int64), changes, notes)

    def flat(self) -> Counts:
        """All numbers in a row."""
        return np.concatenate([part.reshape(-1) for part in (self.persons, self.changes, self.notes)])

    @classmethod
    def of(cls, shape: Shape, flat: Counts) -> Sums:
        """The sums that *flat* are; ValueError where they are not those of counts and notes."""
        ends = np.cumsum([prod(shape.persons), prod(shape.told[1:])])
        persons, changes, notes = np.split(flat, ends)
        for counts in (persons, np.abs(changes), notes):
            if bool(((counts < 0) | (counts > MOST_PERSONS)).any()):
                raise ValueError("an opened sum is outside its public bounds")
        sums = persons.reshape(shape.persons)
        if bool((sums[1:] > sums[0]).any()):
            raise ValueError("a remainder is larger than its sum")
        return cls(sums, changes.reshape(shape.told[1:]), notes.reshape(shape.told[1:]))

    def at(self, where: slice) -> Sums:
        """Those at some of the sites."""
        return Sums(self.persons[:, :, where], self.changes[:, :, where], self.notes[:, :, where])


def shape_of(
    release: Release,
    domain: PublicDomain,
    public: PublicSessions,
    session: Session,
    strata: SessionStrata | None,
) -> Shape:
    """The shape of *release* at the node of *session*; *public* are the sessions of its public labels.

    Raises ReleaseRefused where it is not one that can be sealed, or *domain* is not the whole of it.
    """
    snapshot = session.snapshot
    if release.margins:
        raise ReleaseRefused("R223", "cells beside their margins are not sealed")
    opened = replace(release, cells=CellKind.OPEN)
    check_release(opened, snapshot.catalog)
    domain.check(snapshot.catalog)
    return _shape(Reading(opened, public.of(domain)), domain, session, strata)


def _shape(reading: Reading, domain: PublicDomain, session: Session, strata: SessionStrata | None) -> Shape:
    genotypes = reading.scans("genotypes")
    _check_sealable(reading, session, domain)
    opened = reading.release
    sites = _listed_sites(Reading(opened, session)) if genotypes else NOWHERE
    if genotypes and not sites.alone:
        raise ReleaseRefused("R223", "two of the listed sites differ in their end only")
    blueprint = Blueprint(reading, single=True, one_site=genotypes, listed_only=genotypes)
    kinds = public_kinds(blueprint, domain.combinations, genotypes=genotypes)
    if kinds is None:
        raise ReleaseRefused("R222", "a sealed release tells too many kinds of rows apart")
    shape = Shape(opened, blueprint, kinds, sites, domain, session, strata)
    if shape.numbers > MOST_NUMBERS:
        raise ReleaseRefused("R222", f"a sealed release has at most {MOST_NUMBERS:,} numbers a node")
    return shape


def _check_sealable(reading: Reading, session: Session, domain: PublicDomain) -> None:
    """Nothing but listed labels and sites decides what is counted, and each person counts once a cell."""
    listed = {("samples", column.name) for column in domain.columns}
    apart = reading.apart_from_sites() if reading.scans("genotypes") else not reading.scans("scores")
    told = (
        reading.release.relation.derived
        or reading.person_conditions
        or reading.genotype_conditions
        or reading.filters
    )
    if (
        told
        or not apart
        or not session.one_sample_a_person
        or not reading.read_of_persons() <= listed
        or ("samples", "country") in listed
        or any(not _is_summed(reading, measure) for measure in reading.release.measures)
    ):
        raise ReleaseRefused("R224", "this release cannot be asked for with sealed cells")
    if reading.scans("genotypes") and not (reading.keyed_by_site or reading.at_a_named_site):
        raise ReleaseRefused("R224", "sealed cells of genotypes lie at one listed site each")


def _is_summed(reading: Reading, measure: Measure) -> bool:
    """Whether the values of *measure* are few and known: counts, alleles, and truths."""
    if measure.function is not MeasureFunction.SUM:
        return True
    if len(measure.factors) != 1:
        return False
    (argument,) = measure.factors
    column = (reading.tables[argument.table], argument.column)
    return bool(reading.genotype_values(argument)) or column in reading.session.few_valued


def _nowhere() -> Selection:
    """The one place of a release that reads no site."""
    one = np.zeros(1, dtype=np.int64)
    yes = np.ones(1, dtype=bool)
    return Selection(one, one, one, yes, ~yes, one, one, pa.table({}), alone=True)


NOWHERE: Final = _nowhere()


def _listed_sites(reading: Reading) -> Selection:
    """The listed sites that *reading* reads; every node has them in the same order."""
    sites = select_sites(reading)
    if not sites.listed.all():
        sites = sites.only(sites.listed)
    if sites.alone or not len(sites):
        return replace(sites, alone=True)
    return replace(sites, alone=not reading.has_twins(listed_only=True))


def stretches(shape: Shape) -> Iterator[tuple[slice, Selection]]:
    """The sites, some at a time, with their places."""
    if shape.sites is NOWHERE:
        yield slice(0, 1), shape.sites
        return
    for start, end in blocks(len(shape.sites), len(CLASSES) * len(shape.kinds.table), AT_ONCE):
        if shape.stopped():
            raise InterruptedError
        yield slice(start, end), shape.sites.part(start, end)


def on_grid(shape: Shape, tally: Tallied, chosen: Mask, sites: int) -> Mask:
    """The *chosen* cells of *tally* on the grid of all combinations of keys and *sites*."""
    grid = np.zeros((shape.combinations, sites), dtype=bool)
    grid[tally.combination[chosen], tally.site[chosen]] = True
    return grid
