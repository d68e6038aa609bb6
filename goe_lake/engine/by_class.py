"""Cells that each lie at one site, from the numbers of persons in each genotype class; no row is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pyarrow as pa

from goe_lake.disclosure import Evidence
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.class_counts import ClassCounts, counts_from_calls
from goe_lake.engine.genotypes import CLASSES, Indexes, blocks
from goe_lake.engine.relation import Reading
from goe_lake.engine.row_kinds import RowKinds, row_kinds
from goe_lake.engine.select import at_one_site
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.engine.strata import DECIDED, SessionStrata
from goe_lake.engine.tally import tally

# numbers in memory at once; each is some bytes, and a few arrays of that size are made
MOST_NUMBERS: Final = 4_000_000
Counting = Callable[[Selection], ClassCounts]


def parts_by_class(
    reading: Reading, sites: Selection, strata: SessionStrata | None
) -> Iterator[tuple[pa.Table, Evidence]] | None:
    """The cells at *sites* and their evidence, some sites at a time; None where rows have to be made.

    The lake's strata answer where population, sex, country and consent say all that is asked of
    persons, and the stored classes of each batch answer else.
    """
    if (
        reading.release.margins
        or not len(sites)
        or not at_one_site(reading, sites)
        or not reading.apart_from_sites()
    ):
        return None
    blueprint = Blueprint(reading, single=True, one_site=True, listed_only=bool(sites.listed.all()))
    if strata is not None and reading.read_of_persons() <= DECIDED:
        kinds = row_kinds(blueprint, "strata", len(strata.labels))
        count = None if kinds is None else _from_strata(strata, kinds)
    else:
        kinds = row_kinds(blueprint, "samples", reading.session.samples)
        count = None if kinds is None else _from_calls(reading.session, kinds, kinds.group_of)
    if kinds is None or count is None:
        return None
    return _parts(blueprint, kinds, sites, count)


def _parts(
    blueprint: Blueprint, kinds: RowKinds, sites: Selection, count: Counting
) -> Iterator[tuple[pa.Table, Evidence]]:
    numbers_a_site = len(CLASSES) * len(kinds.groups) + len(kinds.table)
    for start, end in blocks(len(sites), numbers_a_site, MOST_NUMBERS):
        here = sites.part(start, end)
        yield tally(blueprint, kinds, here, count(here))


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
