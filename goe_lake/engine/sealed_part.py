"""A node's part in a sealed sum: what it counts, and what it would tell by itself beside earlier numbers.

Whoever is told the sum may ask each country for its own cells as well. So a node adds to the sum what it
would tell: where the overlap audit gives an earlier number again, that one. What it would not tell is hidden
in the sum. To one asker all that is hidden is of one snapshot: at a later one the node seals the counts of
the earlier one again, whoever came or left meanwhile; and sums are not told in which it would hide what was
not asked for then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.disclosure import Decision, Policy, Reasons, decide
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.behind import ClassesBehind
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.claims import Claims
from goe_lake.engine.class_counts import ClassCounts
from goe_lake.engine.draft import Draft, Told, told_cells
from goe_lake.engine.evidence import gather
from goe_lake.engine.genotypes import Indexes
from goe_lake.engine.low_effect import Part, numbered
from goe_lake.engine.sealed import BLOCKED, NOWHERE, REPEATED, Shape, Sums, on_grid, stretches
from goe_lake.engine.sealed_counts import counts_at, groups_here, groups_of_samples, persons_of
from goe_lake.engine.sealed_memory import Memory, SealedAudit
from goe_lake.engine.selection import Selection
from goe_lake.engine.tally import Tallied, tallied

Settle = Callable[["OwnPart"], Sums]


@dataclass(frozen=True, eq=False)
class Stretch:
    """The node's counts at some sites, and which of its cells its own rules let out."""

    where: slice
    sites: Selection
    counts: ClassCounts
    tally: Tallied
    decision: Decision

    def combination_of_groups(self, shape: Shape) -> Counts:
        """The combination of the keys about persons of each group; its kinds differ by genotype only."""
        combinations: Counts = self.tally.combination_of[shape.kinds.groups.max(axis=1)]
        return combinations

    def tells(self, shape: Shape, place: int) -> Mask:
        """The cells in which measure number *place* is told, by combination and site."""
        chosen = self.decision.cells & self.decision.values[place]
        return on_grid(shape, self.tally, chosen, len(self.sites))

    def values(self, shape: Shape, place: int) -> Counts:
        """The values of that measure, by combination and site; 0 where there is none."""
        grid = np.zeros((shape.combinations, len(self.sites)), dtype=np.int64)
        values = _whole(self.tally.cells.column(shape.release.measures[place].name))
        grid[self.tally.combination, self.tally.site] = values
        return grid


@dataclass(eq=False)
class OwnPart:
    """The part of one node, before it is held to earlier numbers; *group_of* is the group of each sample."""

    shape: Shape
    policy: Policy
    group_of: Indexes
    stretches: list[Stretch] = field(default_factory=list)
    draft: Draft | None = None

    def settled(self, audit: SealedAudit | None) -> Sums:
        """The node's numbers beside what *audit* remembers; what is told of them is remembered."""
        sums = Sums.nothing(self.shape)
        if audit is None or self.draft is None:
            for stretch in self.stretches:
                _fill(self.shape, sums.at(stretch.where), stretch)
            return sums
        self.draft.settle(audit)
        memory = Memory.of(self.shape, audit, self.group_of, self.policy.min_contributors)
        for stretch, told in zip(self.stretches, self.draft.tables, strict=True):
            _fill(self.shape, sums.at(stretch.where), stretch, self._beside(stretch, told, memory))
        audit.keep_sealed(memory.new)
        return sums

    def _beside(self, stretch: Stretch, told: Told, memory: Memory) -> _Beside:
        """What becomes of the cells of *stretch*, of which *told* may be told, beside what was sealed."""
        shape, combination_of = self.shape, stretch.combination_of_groups(self.shape)
        repeats = np.zeros((shape.combinations, len(stretch.sites)), dtype=bool)
        lost, counts = np.zeros_like(repeats), stretch.counts.copy()
        for group, combination in enumerate(combination_of):
            earlier = memory.earlier(group, stretch.where)
            again = earlier.known | earlier.alike if memory.is_other else earlier.alike
            counts[group][:, again] = earlier.counts[:, again]
            repeats[combination] |= again
            if memory.is_other:
                lost[combination] |= ~again & memory.may_have[group]
            else:
                memory.add(group, stretch.where, stretch.counts[group], earlier)
        cells = _told_cells(shape, stretch, told)
        if not repeats.any():
            return _Beside(cells, stretch, stretch, repeats, lost)
        then = self._with(stretch, counts)
        # what was told then, and is told afresh now, needs no earlier count
        needed = np.zeros_like(repeats)
        for place in shape.remainders:
            needed |= ~(stretch.tells(shape, place) & then.tells(shape, place)) | cells.approximate[place]
        for group, combination in enumerate(combination_of):
            now = ~(repeats & needed)[combination]
            counts[group][:, now] = stretch.counts[group][:, now]
        return _Beside(cells, then, self._with(stretch, counts), repeats & needed, lost)

    def _with(self, stretch: Stretch, counts: ClassCounts) -> Stretch:
        return _stretch(self.shape, self.policy, stretch.where, stretch.sites, counts.copy())


def own_part(shape: Shape, policy: Policy) -> OwnPart:
    """Count what the node of *shape* seals under its own *policy*."""
    group_of = groups_here(shape)
    of_sample = groups_of_samples(shape, group_of)
    found = OwnPart(shape, policy, of_sample)
    tables: list[Told] = []
    for where, sites in stretches(shape):
        counts = counts_at(shape, sites, group_of)
        stretch = _stretch(shape, policy, where, sites, counts)
        found.stretches.append(stretch)
        if shape.claims is not None:
            tables.append(_drafted(shape, shape.claims, stretch, of_sample, policy, len(tables)))
    if shape.claims is not None:
        shape.claims.selection = None if shape.sites is NOWHERE else shape.sites
        found.draft = Draft(shape.release, tables, shape.claims, Reasons())
    return found


def _drafted(
    shape: Shape, claims: Claims, stretch: Stretch, group_of: Indexes, policy: Policy, number: int
) -> Told:
    """What the node would tell at a *stretch* of sites; who is behind that goes to *claims*."""
    if shape.sites is NOWHERE:
        cells, evidence = gather(Blueprint(claims.reading, single=True))
        decision = decide(evidence, policy)
    else:
        tally = stretch.tally
        behind = ClassesBehind(
            shape.kinds, tally.combination_of, stretch.sites, stretch.counts,
            group_of, tally.site, tally.combination,
        )  # fmt: skip
        cells, decision = tally.cells, stretch.decision
        evidence = replace(tally.evidence, behind=behind, places=np.arange(len(cells)))
    part = Part(cells, evidence, (False,) * len(shape.release.measures))
    claims.gather(number, part, decision)
    return told_cells(part, decision, shape.release)


def _stretch(shape: Shape, policy: Policy, where: slice, sites: Selection, counts: ClassCounts) -> Stretch:
    tally = tallied(shape.blueprint, shape.kinds, sites, persons_of(shape, counts))
    return Stretch(where, sites, counts, tally, decide(tally.evidence, policy))


def _whole(values: Any) -> Counts:
    numbers: Counts = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy(zero_copy_only=False)
    return numbers


# beside what was told and hidden before --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _ToldCells:
    """What the audit lets a node tell, by measure, combination and site."""

    values: Counts
    approximate: Mask
    withheld: Mask


def _told_cells(shape: Shape, stretch: Stretch, told: Told) -> _ToldCells:
    grid = (len(shape.release.measures), shape.combinations, len(stretch.sites))
    # what has no row is not told
    found = _ToldCells(np.zeros(grid, dtype=np.int64), np.zeros(grid, dtype=bool), np.ones(grid, dtype=bool))
    at = _places(shape, stretch, told)
    for place, column in enumerate(told.columns):
        found.values[place][at] = _whole(column.values)
        found.approximate[place][at] = column.approximate
        found.withheld[place][at] = column.withheld
    return found


def _places(shape: Shape, stretch: Stretch, told: Told) -> tuple[Counts, Counts]:
    """The combination and site of each row of *told*."""
    tally, names = stretch.tally, told.keys.column_names
    if shape.sites is not NOWHERE:
        shown = stretch.decision.cells
        return tally.combination[shown], tally.site[shown]
    rows = len(told.columns[0].withheld)
    if not names:
        return np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    # the other count has its own order
    number = numbered([tally.cells.select(names), told.keys])
    here, there = number[: len(tally.cells)], number[len(tally.cells) :]
    order = np.argsort(here)
    row = order[np.searchsorted(here, there, sorter=order)]
    return tally.combination[row], np.zeros(rows, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Beside:
    """*told* is what the audit lets out; *then* has the counts of an earlier snapshot where they are known.

    In cells of *repeats* these are sealed, and *sealed* has all counts that are. *lost* are the cells of
    which nothing was sealed then.
    """

    told: _ToldCells
    then: Stretch
    sealed: Stretch
    repeats: Mask
    lost: Mask

    def tells(self, shape: Shape, stretch: Stretch, place: int) -> Mask:
        """The cells in which measure number *place* is told by the node itself, now or then."""
        now = stretch.tells(shape, place)
        told = np.where(self.repeats, self.then.tells(shape, place), now)
        return np.asarray(told & ~(now & self.told.withheld[place]), dtype=bool)


def _fill(shape: Shape, sums: Sums, stretch: Stretch, beside: _Beside | None = None) -> None:
    """Write the numbers of *stretch* into *sums*."""
    sealed = stretch if beside is None else beside.sealed
    persons = persons_of(shape, sealed.counts)
    sums.persons[0] = persons
    for number, place in enumerate(shape.remainders, 1):
        tells = stretch.tells(shape, place) if beside is None else beside.tells(shape, stretch, place)
        sums.persons[number] = np.where(tells[sealed.tally.combination_of], 0, persons)
        if beside is not None:
            _note(shape, sums, stretch, beside, place, tells)
    if sealed is not stretch:
        for place in set(range(len(shape.release.measures))) - set(shape.remainders):
            # what is public is as it is now
            sums.changes[place] = stretch.values(shape, place) - sealed.values(shape, place)


def _note(shape: Shape, sums: Sums, stretch: Stretch, beside: _Beside, place: int, tells: Mask) -> None:
    told, now = beside.told, stretch.tells(shape, place)
    more = told.values[place] - beside.sealed.values(shape, place)
    sums.changes[place] = np.where(tells & now, more, 0)
    repeated = np.where(tells & now, told.approximate[place], beside.repeats)
    # hidden now and not sealed then: the difference of the sums would be of few
    blocked = (told.withheld[place] & now) | (~tells & beside.lost)
    sums.notes[place] = REPEATED * repeated + BLOCKED * blocked
