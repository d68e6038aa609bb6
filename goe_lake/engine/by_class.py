"""Cells that each lie at one site, from the numbers of persons in each genotype class; no row is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import pyarrow as pa

from goe_lake.disclosure import Evidence
from goe_lake.disclosure.effects import Kinds
from goe_lake.disclosure.families import Counts
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.class_counts import ClassCounts, counts_from_calls
from goe_lake.engine.filters import Filters
from goe_lake.engine.genotypes import CLASSES, Indexes, blocks
from goe_lake.engine.low_effect import Computed, Part, State, changed_states, numbered, parts_of, whole
from goe_lake.engine.relation import Reading
from goe_lake.engine.row_kinds import MOST_GROUPS, RowKinds, pattern_kinds, row_kinds
from goe_lake.engine.select import at_one_site
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.engine.strata import DECIDED, SessionStrata
from goe_lake.engine.tally import Grid, persons_of_kinds, tally

# numbers in memory at once; each is some bytes, and a few arrays of that size are made
MOST_NUMBERS: Final = 4_000_000
# the number of a cell's site among those of its block
SITE: Final = "site"
Counting = Callable[[Selection], ClassCounts]


def parts_by_class(
    reading: Reading, sites: Selection, strata: SessionStrata | None
) -> Iterator[tuple[pa.Table, Evidence]] | None:
    """The cells at *sites* and their evidence, some sites at a time; None where rows have to be made.

    The lake's strata answer where population, sex, country and consent say all that is asked of
    persons, and the stored classes of each batch answer else.
    """
    blueprint = _blueprint(reading, sites)
    if blueprint is None:
        return None
    persons = _Persons(reading, strata)
    kinds = row_kinds(blueprint, persons.table, persons.size)
    if kinds is None:
        return None
    count = persons.counting(kinds.group_of, len(kinds.groups))
    return _parts(blueprint, kinds, count, sites, _groups_of_samples(reading, strata, kinds))


def reduced_by_class(
    filters: Filters, sites: Selection, strata: SessionStrata | None, least: int
) -> Iterator[list[Part]] | None:
    """The same without what changes fewer than *least* persons of a cell; None where rows have to be made."""
    reading = filters.reading
    blueprint = _blueprint(reading, sites)
    if blueprint is None:
        return None
    persons = _Persons(reading, strata)
    whole_kinds = row_kinds(blueprint, persons.table, persons.size)
    patterns = pattern_kinds(blueprint, filters.leaves, persons.table, persons.size)
    if whole_kinds is None or patterns is None:
        return None
    return _reduced(filters, blueprint, _Both(persons, patterns, whole_kinds), sites, strata, least)


def _blueprint(reading: Reading, sites: Selection) -> Blueprint | None:
    if (
        reading.release.margins
        or not len(sites)
        or not at_one_site(reading, sites)
        or not reading.apart_from_sites()
    ):
        return None
    return Blueprint(reading, single=True, one_site=True, listed_only=bool(sites.listed.all()))


@dataclass(frozen=True)
class _Persons:
    """Whom rows of *reading* are about: each person, or each of the lake's *strata* where these say all."""

    reading: Reading
    strata: SessionStrata | None

    @property
    def by_stratum(self) -> SessionStrata | None:
        """The strata, where they say all that is read of persons."""
        return self.strata if self.reading.read_of_persons() <= DECIDED else None

    @property
    def table(self) -> str:
        """The session's table of them."""
        return "samples" if self.by_stratum is None else "strata"

    @property
    def size(self) -> int:
        """How many they are."""
        strata = self.by_stratum
        return self.reading.session.samples if strata is None else len(strata.labels)

    def counting(self, group_of: Indexes, groups: int) -> Counting:
        """What counts *groups* of them at sites; *group_of* gives the group of each, -1 for none."""
        strata = self.by_stratum
        if strata is None:
            return partial(_from_calls, self.reading.session, group_of, groups)
        return partial(_from_strata, strata, group_of, groups)


@dataclass(frozen=True, eq=False)
class _Both:
    """Two ways to part persons, counted in one: by which *patterns* of leaves hold, and as rows are told."""

    persons: _Persons
    patterns: RowKinds
    whole: RowKinds

    @cached_property
    def pairs(self) -> tuple[Indexes, Indexes]:
        """The groups of both ways that go together, (pairs, 2), and the pair of each person or stratum."""
        both = np.column_stack([self.patterns.group_of, self.whole.group_of])
        pairs, pair_of = np.unique(both, axis=0, return_inverse=True)
        # whoever is in no group of either is the first pair, if there is anybody
        nobody = int(len(pairs) > 0 and bool((pairs[0] < 0).all()))
        return pairs[nobody:], pair_of.reshape(-1).astype(np.int64) - nobody

    @property
    def numbers_a_site(self) -> int:
        """How many numbers are made of one site."""
        groups = len(self.pairs[0]) + len(self.patterns.groups) + len(self.whole.groups)
        return len(CLASSES) * groups + len(self.patterns.table) + len(self.whole.table)

    def counts(self, sites: Selection) -> tuple[ClassCounts, ClassCounts]:
        """Persons at *sites* by group of the patterns, and by group of the rows."""
        pairs, pair_of = self.pairs
        ways = (self.patterns, self.whole)
        if len(pairs) > MOST_GROUPS:
            found = [self.persons.counting(way.group_of, len(way.groups))(sites) for way in ways]
            return found[0], found[1]
        counts = self.persons.counting(pair_of, len(pairs))(sites)
        found = [np.zeros((len(way.groups), *counts.shape[1:]), dtype=counts.dtype) for way in ways]
        for pair, groups in zip(counts, pairs, strict=True):
            for way, group in zip(found, groups, strict=True):
                if group >= 0:
                    way[group] += pair
        return found[0], found[1]


def _reduced(
    filters: Filters,
    blueprint: Blueprint,
    both: _Both,
    sites: Selection,
    strata: SessionStrata | None,
    least: int,
) -> Iterator[list[Part]]:
    group_of = _groups_of_samples(filters.reading, strata, both.whole)
    for start, end in blocks(len(sites), both.numbers_a_site, MOST_NUMBERS):
        here = sites.part(start, end)
        of_patterns, of_rows = both.counts(here)
        states = _states(filters, both.patterns, here, persons_of_kinds(both.patterns, of_patterns), least)
        if states is None:
            computed = tally(blueprint, both.whole, here, of_rows, group_of)
            yield [whole(computed, filters.reading.release)]
        else:
            yield parts_of(filters, states, partial(_without, filters, here, strata))


def _without(
    filters: Filters, sites: Selection, strata: SessionStrata | None, state: State, own: pa.Table
) -> Iterator[Computed]:
    chosen = np.zeros(len(sites), dtype=bool)
    chosen[own.column(SITE).to_numpy()] = True
    again = Reading(filters.without(state), filters.reading.session)
    return _by_class(again, sites if chosen.all() else sites.only(chosen), strata)


def _by_class(reading: Reading, sites: Selection, strata: SessionStrata | None) -> Iterator[Computed]:
    found = parts_by_class(reading, sites, strata)
    # fewer conditions tell fewer kinds of rows apart
    assert found is not None
    return found


def _states(
    filters: Filters, kinds: RowKinds, sites: Selection, persons: Grid, least: int
) -> list[tuple[State, pa.Table]] | None:
    """What is left out of which cells; None where that is nothing anywhere."""
    names = [key.name for key in filters.reading.person_keys]
    key_of = numbered([kinds.table.select(names)], [len(kinds.table)])
    said = np.column_stack([kinds.numbers(f"l{place}") for place in range(len(filters.leaves))])
    truths, pattern = np.unique(said.astype(np.int8), axis=0, return_inverse=True)
    kind, site = np.nonzero(persons)
    if not len(kind):
        return None
    combinations = int(key_of.max(initial=0)) + 1
    there, cell = np.unique(site * combinations + key_of[kind], return_inverse=True)
    counted = Kinds(truths, cell.reshape(-1), pattern.reshape(-1)[kind], persons[kind, site])
    _, first = np.unique(key_of, return_index=True)

    def keys(cells: Counts) -> pa.Table:
        place, combination = np.divmod(there[cells], combinations)
        columns: dict[str, Any] = {
            name: sites.keys.column(name).take(place) for name in sites.keys.column_names
        }
        columns |= {name: kinds.table.column(name).take(first[combination]) for name in names}
        return pa.table({**columns, SITE: pa.array(place)})

    return changed_states(filters, counted, keys, len(there), least)


def _parts(
    blueprint: Blueprint, kinds: RowKinds, count: Counting, sites: Selection, group_of: Indexes
) -> Iterator[tuple[pa.Table, Evidence]]:
    numbers_a_site = len(CLASSES) * len(kinds.groups) + len(kinds.table)
    for start, end in blocks(len(sites), numbers_a_site, MOST_NUMBERS):
        here = sites.part(start, end)
        yield tally(blueprint, kinds, here, count(here), group_of)


def _groups_of_samples(reading: Reading, strata: SessionStrata | None, kinds: RowKinds) -> Indexes:
    """The group of each sample, -1 for one in none or without genotypes."""
    if strata is not None and reading.read_of_persons() <= DECIDED:
        return strata.groups_of_samples(kinds.group_of)
    return np.where(reading.session.is_genotyped, kinds.group_of, -1)


def _from_strata(strata: SessionStrata, group_of: Indexes, groups: int, sites: Selection) -> ClassCounts:
    counts = strata.counts(sites, group_of, groups)
    if counts is not None:
        return counts
    # the files count other persons than the session has; its own calls cannot
    return _from_calls(strata.session, strata.groups_of_samples(group_of), groups, sites)


def _from_calls(session: Session, group_of: Indexes, groups: int, sites: Selection) -> ClassCounts:
    return counts_from_calls(session, sites, group_of, groups)
