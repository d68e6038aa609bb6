"""How many persons of each group are in each genotype class, site by site, from the stored classes.

The groups are sets of persons; a stored class is a short list of persons or a bitmap, so that a count
is an intersection. Nobody's row is made.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.engine.calls import stored_calls
from goe_lake.engine.genotypes import (
    CHUNK_CELLS,
    CLASSES,
    FILLED,
    REF,
    BatchPersons,
    Dense,
    Indexes,
    bitmaps,
    listed,
)
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.vcf.encode import CLASS_CODES

#: Persons by group, class (in the order of CLASSES) and site.
ClassCounts: TypeAlias = npt.NDArray[np.int32]
Bytes: TypeAlias = npt.NDArray[np.uint8]

PLACE: Final = {name: place for place, name in enumerate(CLASSES)}


def counts_from_calls(session: Session, sites: Selection, group_of: Indexes, groups: int) -> ClassCounts:
    """The counts at *sites*; *group_of* gives each sample's group, -1 for none."""
    counts = np.zeros((groups, len(CLASSES), len(sites)), dtype=np.int32)
    for contig, where in sites.by_contig(session.sites_at_once):
        here = sites.part(where.start, where.stop)
        for digest, batch in session.batches.items():
            group = groups_of_batch(batch, group_of)
            stored, places = stored_calls(session, contig, digest, here)
            found = np.zeros((groups, len(CLASSES), len(stored)), dtype=np.int32)
            for name in CLASS_CODES:
                found[:, PLACE[name]] = in_class(stored, name, group, groups)
            sizes = np.bincount(group[group >= 0], minlength=groups)
            found[:, PLACE[REF]] = sizes[:, None] - found.sum(axis=1)
            own = np.zeros(len(here), dtype=bool)
            own[places] = True
            added = counts[:, :, where]
            added[:, :, places] += found
            add_filled(added, batch, contig, here, ~own, group)
    without_unlisted(counts, sites)
    return counts


def groups_of_batch(batch: BatchPersons, group_of: Indexes) -> Indexes:
    """The group of each person of a batch, -1 for none."""
    if not len(group_of):
        return np.full(len(batch.samples), -1, dtype=np.int64)
    return np.where(batch.samples >= 0, group_of[batch.samples], -1)


def add_filled(
    counts: ClassCounts,
    batch: BatchPersons,
    contig: str,
    sites: Selection,
    where: npt.NDArray[np.bool_],
    group: Indexes,
) -> None:
    """Add what the rule of *batch* fills in at those of *sites* that its files lack, to *counts*."""
    fill, lacking = batch.fill[contig], np.flatnonzero(where)
    # ranges make every site another one
    step = max(1, CHUNK_CELLS // max(1, len(group))) if fill.files else max(1, len(lacking))
    for start in range(0, len(lacking), step):
        chosen = lacking[start : start + step]
        called, kind = fill.alike(sites.positions[chosen], sites.par[chosen])
        counts[:, :, chosen] += _filled(called, group, len(counts))[:, :, kind]


def _filled(called: Dense, group: Indexes, groups: int) -> ClassCounts:
    """The counts (groups x classes x sites) of persons with so many *called* reference alleles."""
    counts = np.zeros((groups, len(CLASSES), len(called)), dtype=np.int32)
    for alleles, name in enumerate(FILLED):
        site, person = np.nonzero((called == alleles) & (group >= 0))
        cells = np.bincount(group[person] * len(called) + site, minlength=groups * len(called))
        counts[:, PLACE[name]] = cells.reshape(groups, len(called))
    return counts


def without_unlisted(counts: ClassCounts, sites: Selection) -> None:
    """At unlisted sites only persons with a dosage have a row: nobody else is counted there."""
    if not sites.listed.all():
        for name in FILLED:
            counts[:, PLACE[name], ~sites.listed] = 0


def in_class(stored: pa.Table, name: str, group: Indexes, groups: int) -> npt.NDArray[np.int64]:
    """How many persons of each group are in class *name*: (groups, rows of *stored*)."""
    rows = len(stored)
    row, person = listed(stored.column(f"{name}_l"))
    known = group[person]
    chosen = known >= 0
    counts = np.bincount(known[chosen] * rows + row[chosen], minlength=groups * rows).reshape(groups, rows)
    present, packed = bitmaps(stored.column(f"{name}_b"), len(group))
    if len(present):
        for number in range(groups):
            counts[number, present] += _common(packed, np.packbits(group == number))
    return counts


def _common(packed: Bytes, mask: Bytes) -> npt.NDArray[np.int64]:
    """How many bits each row of *packed* has in common with *mask*."""
    common = packed & mask
    whole = common.shape[1] // 8 * 8
    # eight bytes at a time, and the rest
    words = np.ascontiguousarray(common[:, :whole]).view(np.uint64)
    counts: npt.NDArray[np.int64] = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    counts += np.bitwise_count(common[:, whole:]).sum(axis=1, dtype=np.int64)
    return counts
