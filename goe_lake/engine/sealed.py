"""The numbers that a node seals for one release, and the cells that are made of their sums over all nodes.

A node seals how many persons it has of each public kind of row at each listed site: first all of them,
then, for each measure, those in cells of which its own rules would not tell that measure by itself. From
the sums the cells are made, and judged, by the rules that any node holds its own cells to.

**What the second numbers are for.** A country's own cells can be asked for as well, openly, by everyone
who is told the sum. What they leave of the sum is about the nodes that would withhold theirs. That
remainder has to stand the same rules as any cell, else the sum is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.disclosure import Decision, Policy, Rule, decide
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.disclosure.grouping_sets import sides_of, standing_back
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.class_counts import ClassCounts, counts_from_calls
from goe_lake.engine.genotypes import CLASSES, Indexes, blocks, one_chunk
from goe_lake.engine.public_domain import PublicDomain, PublicSessions, combinations_of
from goe_lake.engine.relation import Reading, check_release
from goe_lake.engine.row_kinds import RowKinds, public_kinds
from goe_lake.engine.select import select_sites
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.engine.sql import identifier
from goe_lake.engine.strata import DECIDED, SessionStrata
from goe_lake.engine.tally import Grid, Tallied, persons_of_kinds, tallied
from goe_lake.errors import ReleaseRefused
from goe_lake.release import CellKind, Measure, MeasureFunction, Release, lower_column, withheld_column

#: Numbers of one node for one release; each is 8 bytes on the wire.
MOST_NUMBERS: Final = 48_000_000
#: Numbers that are judged at a time.
_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True, eq=False)
class Shape:
    """The numbers of one release: which kinds of rows at which listed sites. Alike at every node.

    *session* is the node's own, and *strata* its stored counts by label. *stopped* says that nobody waits
    for its numbers any more.
    """

    release: Release
    blueprint: Blueprint
    kinds: RowKinds
    sites: Selection
    domain: PublicDomain
    session: Session
    strata: SessionStrata | None
    stopped: Callable[[], bool] = bool

    @property
    def remainders(self) -> tuple[int, ...]:
        """The places of the measures of which what countries do not tell by themselves is summed too."""
        return tuple(
            place
            for place, measure in enumerate(self.release.measures)
            if self.blueprint.rule_of(measure) is not Rule.ALLELE_NUMBER  # it is public
        )

    @property
    def cells(self) -> int:
        """How many cells there can be."""
        keys = [key.name for key in self.blueprint.reading.person_keys]
        combinations = self.kinds.table.select(keys).group_by(keys).aggregate([]).num_rows if keys else 1
        return combinations * len(self.sites)

    @property
    def numbers(self) -> tuple[int, int, int]:
        """How many numbers there are: all and each remainder, kinds, sites."""
        return 1 + len(self.remainders), len(self.kinds.table), len(self.sites)


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
    sites = _listed_sites(Reading(opened, session)) if genotypes else _NOWHERE
    if genotypes and not sites.alone:
        raise ReleaseRefused("R223", "two of the listed sites differ in their end only")
    blueprint = Blueprint(reading, single=True, one_site=genotypes, listed_only=genotypes)
    kinds = public_kinds(blueprint, domain.combinations, genotypes=genotypes)
    if kinds is None:
        raise ReleaseRefused("R222", "a sealed release tells too many kinds of rows apart")
    shape = Shape(opened, blueprint, kinds, sites, domain, session, strata)
    if np.prod(shape.numbers) > MOST_NUMBERS:
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


_NOWHERE: Final = _nowhere()


def _listed_sites(reading: Reading) -> Selection:
    """The listed sites that *reading* reads; every node has them in the same order."""
    sites = select_sites(reading)
    if not sites.listed.all():
        sites = sites.only(sites.listed)
    if sites.alone or not len(sites):
        return replace(sites, alone=True)
    return replace(sites, alone=not reading.has_twins(listed_only=True))


# at a node -------------------------------------------------------------------------------------------


def numbers_to_seal(shape: Shape, policy: Policy) -> npt.NDArray[np.int64]:
    """The node's numbers, its remainders by its own *policy*: (all and each remainder, kinds, sites)."""
    found = np.zeros(shape.numbers, dtype=np.int64)
    group_of = _groups_here(shape)
    for where, sites in _stretches(shape):
        persons = _persons(shape, sites, group_of)
        found[0, :, where] = persons
        own = tallied(shape.blueprint, shape.kinds, sites, persons)
        decision = decide(own.evidence, policy)
        for number, place in enumerate(shape.remainders, 1):
            told = _on_grid(own, decision.cells & decision.values[place], len(sites))
            found[number, :, where] = np.where(told[own.combination_of], 0, persons)
    return found


def _stretches(shape: Shape) -> Iterator[tuple[slice, Selection]]:
    """The sites, some at a time, with their places."""
    if shape.sites is _NOWHERE:
        yield slice(0, 1), shape.sites
        return
    for start, end in blocks(len(shape.sites), len(CLASSES) * shape.numbers[1], _AT_ONCE):
        if shape.stopped():
            raise InterruptedError
        yield slice(start, end), shape.sites.part(start, end)


def _groups_here(shape: Shape) -> Indexes:
    """The group of kinds of each sample of the node, or of each stratum where these decide."""
    strata = _deciding(shape)
    table = "samples" if strata is None else "strata"
    count = shape.session.samples if strata is None else len(strata.labels)
    combination = np.full(count, -1, dtype=np.int64)
    known = [c.name for c in shape.domain.columns if shape.session.column("samples", c.name) is not None]
    lacking = [c.name for c in shape.domain.columns if c.name not in known]
    same = [f"c.{identifier(name)} IS NOT DISTINCT FROM p.{identifier(name)}" for name in known]
    same += [f"c.{identifier(name)} IS NULL" for name in lacking]
    connection: duckdb.DuckDBPyConnection = shape.session.connection
    connection.register("combinations", combinations_of(shape.domain))
    found = connection.sql(
        f"SELECT p.s, c.s AS c FROM {table} p JOIN combinations c ON {' AND '.join(same) or 'TRUE'}"
    ).to_arrow_table()
    connection.unregister("combinations")
    combination[found.column("s").to_numpy()] = found.column("c").to_numpy()
    if (combination < 0).any():
        raise ReleaseRefused("R221", "the labels of a sealed release are not all listed")
    return shape.kinds.group_of[combination]


def _deciding(shape: Shape) -> SessionStrata | None:
    """The strata, where they tell all that is read of persons."""
    decided = shape.blueprint.reading.read_of_persons() <= DECIDED
    return shape.strata if shape.sites is not _NOWHERE and decided else None


def _persons(shape: Shape, sites: Selection, group_of: Indexes) -> Grid:
    """How many persons of the node are of each kind at each of *sites*."""
    if sites is _NOWHERE:
        counted = np.bincount(group_of[group_of >= 0], minlength=len(shape.kinds.groups))
        grid = np.zeros((len(shape.kinds.table), 1), dtype=np.int64)
        for group, (kind,) in enumerate(shape.kinds.groups):
            if kind >= 0:
                grid[kind, 0] += counted[group]
        return grid
    # groups that nobody of the node is in are not looked for
    here, compact = np.unique(group_of, return_inverse=True)
    nobody = int(len(here) > 0 and here[0] < 0)
    counts = np.zeros((len(shape.kinds.groups), len(CLASSES), len(sites)), dtype=np.int32)
    counts[here[nobody:]] = _counted(shape, sites, compact.reshape(-1) - nobody, len(here) - nobody)
    return persons_of_kinds(shape.kinds, counts)


def _counted(shape: Shape, sites: Selection, group_of: Indexes, groups: int) -> ClassCounts:
    strata = _deciding(shape)
    if strata is None:
        return counts_from_calls(shape.session, sites, group_of, groups)
    counts = strata.counts(sites, group_of, groups)
    if counts is not None:
        return counts
    # the files count other persons than the session has; its own calls cannot
    return counts_from_calls(shape.session, sites, strata.groups_of_samples(group_of), groups)


# where the sums are opened ---------------------------------------------------------------------------


def pooled_cells(shape: Shape, sums: npt.NDArray[np.int64], policy: Policy) -> pa.Table:
    """The cells that *sums* over all nodes tell under *policy*, the strictest of theirs.

    Columns as of any answer of a node, and for each measure `<measure>_lower`: the sum over the nodes
    that tell it by themselves, where the whole is withheld.
    """
    parts = [_told_cells(shape, sites, sums[:, :, where], policy) for where, sites in _stretches(shape)] or [
        _told_cells(shape, shape.sites, sums, policy)
    ]
    return pa.concat_tables(parts)


def _told_cells(shape: Shape, sites: Selection, sums: npt.NDArray[np.int64], policy: Policy) -> pa.Table:
    whole = tallied(shape.blueprint, shape.kinds, sites, sums[0])
    decision = decide(whole.evidence, policy)
    columns: dict[str, Any] = {
        key.name: one_chunk(whole.cells.column(key.name)) for key in shape.release.keys
    }
    coarser = _coarser(shape, whole)
    for place, measure in enumerate(shape.release.measures):
        told = decision.values[place]
        values = one_chunk(whole.cells.column(measure.name))
        nothing = pa.scalar(None, values.type)
        lower: pa.Array[Any] = pa.nulls(len(told), values.type)
        if place in shape.remainders:
            rest = sums[1 + shape.remainders.index(place)]
            remainder = tallied(shape.blueprint, shape.kinds, sites, rest)
            told = told & _stands(rest, remainder, whole, place, len(sites), policy)
            behind = _behind(whole, remainder, place, policy)
            told = standing_back(told, behind, coarser, policy.min_contributors)
            if measure.function is not MeasureFunction.SUM and not told.all():
                lower = _lower(shape, sites, sums[0] - rest, whole, place)
        columns[measure.name] = pc.if_else(pa.array(told), values, nothing)
        columns[withheld_column(measure.name)] = pa.array(~told)
        columns[lower_column(measure.name)] = pc.if_else(pa.array(told), nothing, lower)
    return pa.table(columns).filter(pa.array(decision.cells))


def _coarser(shape: Shape, whole: Tallied) -> list[Counts]:
    """For each choice of fewer keys about persons, which cells of *whole* make one cell of that.

    Whoever may ask by population and sex may ask by either, and by none: the difference is of the cells that
    are withheld.
    """
    names = [key.name for key in shape.blueprint.reading.person_keys]
    codes = {name: one_chunk(whole.cells.column(name)).dictionary_encode("encode").indices for name in names}
    found = []
    for kept in (chosen for size in range(len(names)) for chosen in combinations(names, size)):
        number = whole.site.astype(np.int64)
        for name in kept:
            code = codes[name].to_numpy().astype(np.int64)
            number = number * (int(code.max(initial=0)) + 1) + code
        found.append(np.unique(number, return_inverse=True)[1].reshape(-1))
    return found


def _behind(whole: Tallied, remainder: Tallied, place: int, policy: Policy) -> list[Counts]:
    """By cell of *whole*, the persons of whom withheld cells together hold none or enough.

    These are whoever contributes and whoever does not, over all nodes and among those that hide theirs.
    """
    least = policy.min_contributors
    combinations_, sites = int(whole.combination_of.max(initial=0)) + 1, int(whole.site.max(initial=0)) + 1
    found = list(sides_of(whole.evidence.measures[place], least))
    for side in sides_of(remainder.evidence.measures[place], least):
        grid = np.zeros((combinations_, sites), dtype=np.int64)
        grid[remainder.combination, remainder.site] = side
        found.append(grid[whole.combination, whole.site])
    return found


def _stands(rest: Grid, remainder: Tallied, whole: Tallied, place: int, sites: int, policy: Policy) -> Mask:
    """For each cell of *whole*: no node hides its part of the measure, or what they hide may be told."""
    decision: Decision = decide(remainder.evidence, policy)
    told = _on_grid(remainder, decision.cells & decision.values[place], sites)
    hides = np.zeros(told.shape, dtype=bool)
    for kind, combination in enumerate(whole.combination_of):
        hides[combination] |= rest[kind] > 0
    stands: Mask = (told | ~hides)[whole.combination, whole.site]
    return stands


def _lower(shape: Shape, sites: Selection, told: Grid, whole: Tallied, place: int) -> pa.Array[Any]:
    """The measure over the nodes that tell it by themselves, by cell of *whole*; NULL where none does."""
    theirs = tallied(shape.blueprint, shape.kinds, sites, told)
    number = np.full((int(whole.combination_of.max(initial=0)) + 1, len(sites)), -1, dtype=np.int64)
    number[theirs.combination, theirs.site] = np.arange(len(theirs.site))
    at = number[whole.combination, whole.site]
    somebody = np.append(theirs.evidence.persons, 0)[at] > 0
    values = one_chunk(theirs.cells.column(shape.release.measures[place].name))
    return values.take(pa.array(at, pa.int64(), mask=~somebody))


def _on_grid(tally: Tallied, chosen: Mask, sites: int) -> Mask:
    """The *chosen* cells of *tally* on the grid of all combinations of keys and sites."""
    grid = np.zeros((int(tally.combination_of.max(initial=0)) + 1, sites), dtype=bool)
    grid[tally.combination[chosen], tally.site[chosen]] = True
    return grid
