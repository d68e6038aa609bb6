"""Cells that each lie at one site, from the numbers of persons in each genotype class; no row is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
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
from goe_lake.engine.row_kinds import RowKinds, pattern_kinds, row_kinds
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
    found = _counting(blueprint, strata, partial(row_kinds, blueprint))
    if found is None:
        return None
    kinds, count = found
    return _parts(blueprint, kinds, count, sites, _groups_of_samples(reading, strata, kinds))


def reduced_by_class(
    filters: Filters, sites: Selection, strata: SessionStrata | None, least: int
) -> Iterator[list[Part]] | None:
    """The same without what changes fewer than *least* persons of a cell; None where rows have to be made."""
    reading = filters.reading
    blueprint = _blueprint(reading, sites)
    if blueprint is None or parts_by_class(reading, sites, strata) is None:
        return None
    found = _counting(blueprint, strata, partial(pattern_kinds, blueprint, filters.leaves))
    return None if found is None else _reduced(filters, *found, sites, strata, least)


def _blueprint(reading: Reading, sites: Selection) -> Blueprint | None:
    if (
        reading.release.margins
        or not len(sites)
        or not at_one_site(reading, sites)
        or not reading.apart_from_sites()
    ):
        return None
    return Blueprint(reading, single=True, one_site=True, listed_only=bool(sites.listed.all()))


def _counting(
    blueprint: Blueprint, strata: SessionStrata | None, kinds_of: Callable[[str, int], RowKinds | None]
) -> tuple[RowKinds, Counting] | None:
    """The kinds of rows, and how their persons are counted."""
    reading = blueprint.reading
    if strata is not None and reading.read_of_persons() <= DECIDED:
        kinds = kinds_of("strata", len(strata.labels))
        return None if kinds is None else (kinds, _from_strata(strata, kinds))
    kinds = kinds_of("samples", reading.session.samples)
    return None if kinds is None else (kinds, _from_calls(reading.session, kinds, kinds.group_of))


def _reduced(
    filters: Filters,
    kinds: RowKinds,
    count: Counting,
    sites: Selection,
    strata: SessionStrata | None,
    least: int,
) -> Iterator[list[Part]]:
    numbers_a_site = len(CLASSES) * len(kinds.groups) + len(kinds.table)
    for start, end in blocks(len(sites), numbers_a_site, MOST_NUMBERS):
        here = sites.part(start, end)
        states = _states(filters, kinds, here, persons_of_kinds(kinds, count(here)), least)
        if states is None:
            computed = _by_class(filters.reading, here, strata)
            yield from ([whole(one, filters.reading.release)] for one in computed)
            continue
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


def _from_strata(strata: SessionStrata, kinds: RowKinds) -> Counting:
    def count(sites: Selection) -> ClassCounts:
        counts = strata.counts(sites, kinds.group_of, len(kinds.groups))
        if counts is not None:
            return counts
        # the files count other persons than the session has; its own calls cannot
        group_of = strata.groups_of_samples(kinds.group_of)
        return _from_calls(strata.session, kinds, group_of)(sites)

    return count


def _from_calls(session: Session, kinds: RowKinds, group_of: Indexes) -> Counting:
    return lambda sites: counts_from_calls(session, sites, group_of, len(kinds.groups))
