"""Rows over several sites, those alike as one row with their number: a burden needs no row a site.

Where sites agree in all that a release reads of them, a person's rows there differ in the genotype class
only, and in gq and dp. So there is one row a person, class and set of such sites: `n` says how many sites
it stands for, and gq and dp are added up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.engine.calls import stored_calls
from goe_lake.engine.class_counts import PLACE
from goe_lake.engine.genotypes import (
    CHUNK_CELLS,
    CLASS_VALUES,
    CLASSES,
    FILLED,
    REF,
    BatchPersons,
    Indexes,
    bitmaps,
    listed,
    members,
)
from goe_lake.engine.quality import CARRIERS, FewCarriers, Mask, Values, stored_quality
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.vcf.encode import CLASS_CODES

#: Numbers in memory at once.
MOST_NUMBERS: Final = 24_000_000
MOST_BITS: Final = 16_000_000
#: Sets of fewer numbers are added all at once.
FEW_NUMBERS: Final = 1_000
#: How many sites, by class, set of sites and person.
Sites = npt.NDArray[np.int32]
Sums = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """What is asked of genotypes: whether their classes, and which of gq and dp; *few* notes carriers."""

    classes: bool
    fields: tuple[str, ...] = ()
    few: FewCarriers | None = None


EVERY_CLASS: Final = Asked(classes=True)


@dataclass(frozen=True, eq=False)
class Added:
    """Sums by class (or, where none is asked, in all), set of sites and person.

    *sites* are how many, *sums* what each field adds up to there, and *there* how many values it has.
    """

    asked: Asked
    sites: Sites
    sums: Mapping[str, Sums]
    there: Mapping[str, Sites]

    @classmethod
    def nothing(cls, asked: Asked, sets: int, persons: int) -> Added:
        """Sums of nothing."""
        shape = (len(CLASSES) if asked.classes else 1, sets, persons)
        return cls(
            asked,
            np.zeros(shape, dtype=np.int32),
            {name: np.zeros(shape, dtype=np.int64) for name in asked.fields},
            {name: np.zeros(shape, dtype=np.int32) for name in asked.fields},
        )

    def place(self, name: str) -> int:
        """Where class *name* is counted."""
        return PLACE[name] if self.asked.classes else 0

    @cached_property
    def classes(self) -> Mapping[int, tuple[int | None, int | None]]:
        """Dosage and called alleles by place; NULL where no class is asked."""
        if not self.asked.classes:
            return {0: (None, None)}
        values = {PLACE[name]: known for name, known in CLASS_VALUES.items()}
        return {place: (dosage if called else None, called) for place, (dosage, called) in values.items()}


def alike_rows(session: Session, sites: Selection, asked: Asked = EVERY_CLASS) -> Iterator[pa.Table]:
    """The rows at *sites*: site (one of each set), s, dosage, called_alleles, n, and gq and dp as *asked*."""
    _, first, number = np.unique(sites.alike, return_index=True, return_inverse=True)
    persons = max(1, max((len(batch.samples) for batch in session.batches.values()), default=1))
    numbers = persons * (len(CLASSES) if asked.classes else 1) * (1 + 3 * len(asked.fields))
    step = max(1, MOST_NUMBERS // numbers)
    for start in range(0, len(first), step):
        chosen = (number >= start) & (number < start + step)
        here, number_here = sites.only(chosen), number[chosen] - start
        named = sites.numbers[first[start : start + step]]
        for digest, batch in session.batches.items():
            rows = list(_rows(_added(session, here, number_here, len(named), digest, asked), named, batch))
            if rows:
                yield pa.concat_tables(rows)


def _added(
    session: Session, sites: Selection, number: Indexes, sets: int, digest: str, asked: Asked
) -> Added:
    """What each person of a batch has at the sites of each set; *number* gives the set of each site."""
    batch = session.batches[digest]
    added = Added.nothing(asked, sets, len(batch.samples))
    shown_rows = np.zeros(sets, dtype=np.int32)
    hidden = []
    lacking = np.ones(len(sites), dtype=bool)
    for contig, where in sites.by_contig(session.sites_at_once):
        part = sites.part(where.start, where.stop)
        stored, places = stored_calls(session, contig, digest, part, located=bool(asked.fields))
        places += where.start
        lacking[places] = False
        shown = sites.listed[places]
        here, sets_here = stored.filter(pa.array(shown)), number[places[shown]]
        for name in CLASS_CODES if asked.classes else ():
            _add_class(added.sites[PLACE[name]], here, name, sets_here)
        shown_rows += np.bincount(sets_here, minlength=sets).astype(np.int32)
        hidden.append((stored.filter(pa.array(~shown)), number[places[~shown]]))
        if asked.few is not None:
            asked.few.note(stored, sites.numbers[places], batch)
        if asked.fields and len(stored):
            files = session.snapshot.files("calls", contig, digest)
            file, row = (stored.column(name).to_numpy() for name in ("file", "row"))
            for rows, values in stored_quality(files, file, row, asked.fields, len(batch.samples)):
                these = stored.slice(rows.start, rows.stop - rows.start)
                _add_quality(added, these, values, shown[rows], number[places[rows]])
    added.sites[added.place(REF)] += shown_rows[:, None] - added.sites.sum(axis=0, dtype=np.int32)
    # at unlisted sites only persons with a dosage have a row
    for here, sets_here in hidden:
        for name in CARRIERS:
            _add_class(added.sites[added.place(name)], here, name, sets_here)
    _add_filled(added, batch, sites, number, lacking & sites.listed)
    return added


def _add_class(counts: Sites, stored: pa.Table, name: str, sets: Indexes) -> None:
    """Add the members of class *name* in *stored* to *counts* (sets x persons)."""
    persons = counts.shape[1]
    row, person = listed(stored.column(f"{name}_l"))
    np.add.at(counts, (sets[row], person), 1)
    present, packed = bitmaps(stored.column(f"{name}_b"), persons)
    order = np.argsort(sets[present], kind="stable")
    step = max(1, MOST_BITS // max(1, persons))
    for start in range(0, len(order), step):
        part = order[start : start + step]
        found, starts = np.unique(sets[present[part]], return_index=True)
        bits = np.unpackbits(packed[part], axis=1, count=persons)
        counts[found] += np.add.reduceat(bits, starts, axis=0, dtype=np.int32)


def _add_quality(
    added: Added, stored: pa.Table, values: Mapping[str, Values], shown: Mask, sets: Indexes
) -> None:
    """Add gq and dp of the same rows."""
    persons = added.sites.shape[2]
    rows = np.flatnonzero(shown)
    if len(rows):
        _add_sums(added, values, _BySet.of(rows, sets))
    if added.asked.classes:
        for name in CLASS_CODES:
            row, person = members(stored, name, persons)
            kept = shown[row] | (name in CARRIERS)
            _add_members(added, name, values, row[kept], person[kept], shown, sets)
    elif len(rows) < len(shown):
        others = np.flatnonzero(~shown)
        unlisted = stored.take(pa.array(others, pa.int64()))
        for name in CARRIERS:
            row, person = members(unlisted, name, persons)
            _add_members(added, name, values, others[row], person, shown, sets)


def _add_sums(added: Added, values: Mapping[str, Values], by_set: _BySet) -> None:
    """Add the values of everybody, as of the class of those without the allele."""
    place = added.place(REF)
    for name, known in values.items():
        there = by_set.sizes[:, None] if known.there is None else by_set.added(known.there)
        added.there[name][place][by_set.sets] += there.astype(np.int32)
        added.sums[name][place][by_set.sets] += by_set.added(known.raised) - there


@dataclass(frozen=True, eq=False)
class _BySet:
    """Rows in the order of their *sets*: their places in *order*, and where those of each set begin."""

    sets: Indexes
    order: Indexes
    starts: Indexes

    @classmethod
    def of(cls, rows: Indexes, sets: Indexes) -> _BySet:
        """The *rows*, of which there is one at least; *sets* gives the set of each row by its place."""
        order = rows[np.argsort(sets[rows], kind="stable")]
        found, starts = np.unique(sets[order], return_index=True)
        return cls(found, order, starts)

    @property
    def sizes(self) -> Indexes:
        """How many rows each set has."""
        return np.diff(self.starts, append=len(self.order)).astype(np.int64)

    def added(self, values: npt.NDArray[Any]) -> Sums:
        """What *values* (rows x persons) add up to (sets x persons)."""
        # so few rows are in memory at once that bytes stay below 2^32
        kind = np.uint32 if values.itemsize == 1 else np.int64
        chosen = values if len(self.order) == len(values) and len(self.sets) == 1 else values[self.order]
        if chosen.size < FEW_NUMBERS * len(self.sets):
            return np.add.reduceat(chosen, self.starts, axis=0, dtype=kind).astype(np.int64)
        # numpy adds whole rows four times as fast
        sums: Sums = np.empty((len(self.sets), chosen.shape[1]), dtype=np.int64)
        for place, part in enumerate(np.split(chosen, self.starts[1:])):
            sums[place] = part.sum(axis=0, dtype=kind)
        return sums


def _add_members(
    added: Added,
    name: str,
    values: Mapping[str, Values],
    row: Indexes,
    person: Indexes,
    shown: Mask,
    sets: Indexes,
) -> None:
    """Add the values of members (*row*, *person*) of class *name*; at listed sites they were in another."""
    place, other, shape = added.place(name), added.place(REF), added.sites.shape[1:]
    moved = shown[row]
    cells = sets[row] * shape[1] + person
    for name_of_field, known in values.items():
        there = np.ones(len(row)) if known.there is None else known.there[row, person].astype(np.float64)
        numbers = known.raised[row, person] - there
        for sums, weights in ((added.sums[name_of_field], numbers), (added.there[name_of_field], there)):
            # below 2^53 a double counts exactly
            inside = np.bincount(cells, weights, minlength=shape[0] * shape[1]).reshape(shape)
            sums[place] += inside.astype(sums.dtype)
            if moved.any():
                taken = np.bincount(cells[moved], weights[moved], minlength=shape[0] * shape[1])
                sums[other] -= taken.reshape(shape).astype(sums.dtype)


def _add_filled(added: Added, batch: BatchPersons, sites: Selection, number: Indexes, lacking: Mask) -> None:
    """Add what the rule of *batch* fills in at the *lacking* ones of *sites*."""
    for contig, where in sites.by_contig():
        fill, here = batch.fill[contig], np.flatnonzero(lacking[where]) + where.start
        # ranges make every site another one
        step = max(1, CHUNK_CELLS // max(1, len(batch.samples))) if fill.files else max(1, len(here))
        for start in range(0, len(here), step):
            chosen = here[start : start + step]
            called, kind = fill.alike(sites.positions[chosen], sites.par[chosen])
            times = np.zeros((added.sites.shape[1], len(called)), np.float32)
            np.add.at(times, (number[chosen], kind), 1)
            for alleles, name in enumerate(FILLED):
                # below 2^24 sites a 32-bit float counts exactly
                added.sites[added.place(name)] += np.rint(times @ (called == alleles)).astype(np.int32)


def _rows(added: Added, named: Indexes, batch: BatchPersons) -> Iterator[pa.Table]:
    for place, (dosage, called) in added.classes.items():
        found = np.where(batch.samples >= 0, added.sites[place], 0)
        number, person = np.nonzero(found)
        if not len(number):
            continue
        columns: dict[str, Any] = {
            "site": pa.array(named[number].astype(np.int32)),
            "s": pa.array(batch.samples[person].astype(np.int32)),
            "dosage": pa.repeat(pa.scalar(dosage, pa.int8()), len(number)),
            "called_alleles": pa.repeat(pa.scalar(called, pa.int8()), len(number)),
            "n": pa.array(found[number, person].astype(np.int64)),
        }
        for name in added.asked.fields:
            there = added.there[name][place, number, person].astype(np.int64)
            sums = added.sums[name][place, number, person]
            columns[name] = cast("pa.Array[Any]", pa.array(sums, mask=there == 0))
            columns[f"{name}_n"] = pa.array(there)
        yield pa.table(columns)
