"""Rows over several sites, those alike as one row with their number: a burden needs no row a site.

Where sites agree in all that a release reads of them, a person's rows there differ in the genotype class
only. So there is one row a person, class and set of such sites, and `n` says how many sites it stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

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
)
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.vcf.encode import CLASS_CODES

#: Numbers in memory at once.
MOST_NUMBERS: Final = 24_000_000
MOST_BITS: Final = 16_000_000
#: How many sites, by class, set of sites and person.
Sites = npt.NDArray[np.int32]


def alike_rows(session: Session, sites: Selection) -> Iterator[pa.Table]:
    """The rows at *sites*: site (one of each set), s, dosage, called_alleles and n."""
    _, first, number = np.unique(sites.alike, return_index=True, return_inverse=True)
    persons = max(1, max((len(batch.samples) for batch in session.batches.values()), default=1))
    step = max(1, MOST_NUMBERS // (persons * len(CLASSES)))
    for start in range(0, len(first), step):
        chosen = (number >= start) & (number < start + step)
        here, number_here = sites.only(chosen), number[chosen] - start
        named = sites.numbers[first[start : start + step]]
        for digest, batch in session.batches.items():
            counts = _counted(session, here, number_here, len(named), digest)
            yield from _rows(counts, named, batch)


def _counted(session: Session, sites: Selection, number: Indexes, sets: int, digest: str) -> Sites:
    """At how many sites of each set each person of a batch is in each class."""
    batch = session.batches[digest]
    counts = np.zeros((len(CLASSES), sets, len(batch.samples)), dtype=np.int32)
    shown_rows = np.zeros(sets, dtype=np.int32)
    hidden = []
    lacking = np.ones(len(sites), dtype=bool)
    for contig, where in sites.by_contig(session.sites_at_once):
        stored, places = stored_calls(session, contig, digest, sites.part(where.start, where.stop))
        places += where.start
        lacking[places] = False
        shown = sites.listed[places]
        here, sets_here = stored.filter(pa.array(shown)), number[places[shown]]
        for name in CLASS_CODES:
            _add_class(counts[PLACE[name]], here, name, sets_here)
        shown_rows += np.bincount(sets_here, minlength=sets).astype(np.int32)
        hidden.append((stored.filter(pa.array(~shown)), number[places[~shown]]))
    counts[PLACE[REF]] = shown_rows[:, None] - counts.sum(axis=0)
    # at unlisted sites only persons with a dosage have a row
    for here, sets_here in hidden:
        for name in CLASS_CODES:
            if name not in FILLED:
                _add_class(counts[PLACE[name]], here, name, sets_here)
    _add_filled(counts, batch, sites, number, lacking & sites.listed)
    return counts


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


def _add_filled(
    counts: Sites, batch: BatchPersons, sites: Selection, number: Indexes, lacking: npt.NDArray[np.bool_]
) -> None:
    """Add what the rule of *batch* fills in at the *lacking* ones of *sites*."""
    for contig, where in sites.by_contig():
        fill, here = batch.fill[contig], np.flatnonzero(lacking[where]) + where.start
        # ranges make every site another one
        step = max(1, CHUNK_CELLS // max(1, len(batch.samples))) if fill.files else max(1, len(here))
        for start in range(0, len(here), step):
            chosen = here[start : start + step]
            called, kind = fill.alike(sites.positions[chosen], sites.par[chosen])
            times = np.zeros((counts.shape[1], len(called)), np.float32)
            np.add.at(times, (number[chosen], kind), 1)
            for alleles, name in enumerate(FILLED):
                # below 2^24 sites a 32-bit float counts exactly
                counts[PLACE[name]] += np.rint(times @ (called == alleles)).astype(np.int32)


def _rows(counts: Sites, named: Indexes, batch: BatchPersons) -> Iterator[pa.Table]:
    for name, (dosage, called) in CLASS_VALUES.items():
        found = np.where(batch.samples >= 0, counts[PLACE[name]], 0)
        number, person = np.nonzero(found)
        if len(number):
            columns: dict[str, Any] = {
                "site": pa.array(named[number].astype(np.int32)),
                "s": pa.array(batch.samples[person].astype(np.int32)),
                "dosage": pa.repeat(pa.scalar(dosage if called else None, pa.int8()), len(number)),
                "called_alleles": pa.repeat(pa.scalar(called, pa.int8()), len(number)),
                "n": pa.array(found[number, person].astype(np.int64)),
            }
            yield pa.table(columns)
