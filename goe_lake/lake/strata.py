"""Counts by site and stratum, a stratum being a combination of population, sex and consent.

A site that a batch's files lack is filled: each person is hom-ref with so many called alleles as the
batch's `Fill` says (its absent_sites rule, callable ranges and ploidies), or not called where it is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.genome import Sex, Stretch
from goe_lake.lake.callable import Fill
from goe_lake.lake.layout import KEY_COLUMNS, STRATA, STRATUM_COLUMNS
from goe_lake.lake.merge import Window
from goe_lake.lake.samples import SampleTable
from goe_lake.vcf.arrow import Bits, Vector, array, in_one_piece, pc, table
from goe_lake.vcf.encode import listed_persons, listed_sizes, mapped_bytes, mapped_persons

Counts = npt.NDArray[np.int64]
Stratum = tuple[str | None, ...]
#: From so many rows of a window on compiled loops count them.
LEAST_FOR_LOOP: Final = 2048
COUNTED: Final = ("het", "hom_alt", "hemi", "not_called", "an")
_CLASSES: Final = {"het": "het", "hom_alt": "hom", "hemi": "hemi", "not_called": "nc"}


@dataclass(frozen=True, eq=False)
class BatchStrata:
    """One batch as its strata see it.

    *stratum* gives each person's stratum, *sizes* the persons of the batch in each; *fill* says what
    they are at sites that the batch lacks. *twins* is the slot of each person with several genotyped
    samples, -1 for everybody else.
    """

    persons: int
    stratum: Counts
    sizes: Counts
    fill: Fill
    twins: Counts

    @cached_property
    def masks(self) -> npt.NDArray[np.uint64]:
        """(strata, words): the persons of each stratum as a bitmap."""
        members: Bits = self.stratum == np.arange(len(self.sizes))[:, None]
        return _words(np.packbits(members, axis=1))

    @cached_property
    def twin_columns(self) -> tuple[Counts, Counts, Counts]:
        """The persons with several samples by slot, where each slot begins among them, and the slots."""
        columns = np.argsort(self.twins, kind="stable")
        columns = columns[self.twins[columns] >= 0]
        slots, starts = np.unique(self.twins[columns], return_index=True)
        return columns, starts, slots


@dataclass(frozen=True, eq=False)
class Strata:
    """The strata of a node: *names* in order, and the distinct genotyped persons in each.

    For each batch, by person index: *stratum*, *sexes*, and *twins*, as in BatchStrata.
    """

    names: tuple[Stratum, ...]
    persons: Counts
    stratum: tuple[Counts, ...]
    sexes: tuple[Sequence[Sex | None], ...]
    twins: tuple[Counts, ...]
    _labels: dict[str, Vector] = field(default_factory=dict)

    def labels(self, sites: int) -> dict[str, Vector]:
        """The labels of the strata, once a site: columns of STRATUM_COLUMNS."""
        rows = sites * len(self.names)
        for number, name in enumerate(STRATUM_COLUMNS):
            if len(self._labels.get(name, ())) < rows:
                own = array([stratum[number] for stratum in self.names], pa.string())
                self._labels[name] = own.take(array(np.tile(np.arange(len(own)), sites)))
        return {name: column.slice(0, rows) for name, column in self._labels.items()}


def strata_of(samples: SampleTable, batches: Sequence[tuple[str, ...]]) -> Strata:
    """The strata among the genotyped samples; *batches* are the sample ids of each batch, by index."""
    genotyped = array([sample for batch in batches for sample in batch], pa.string())
    rows = samples.table.take(pc.index_in(genotyped, samples.table["sample_id"].combine_chunks())).to_pylist()
    found = [tuple(row[name] for name in STRATUM_COLUMNS) for row in rows]
    names = tuple(sorted(set(found), key=lambda labels: [(label is None, label or "") for label in labels]))
    number = {name: place for place, name in enumerate(names)}
    stratum = np.array([number[name] for name in found], np.int64)
    persons = [row["person_id"] for row in rows]
    distinct = [place for place, _ in set(zip(stratum.tolist(), persons, strict=True))]
    ends = np.cumsum([len(batch) for batch in batches]).tolist()
    parts = [slice(end - len(batch), end) for batch, end in zip(batches, ends, strict=True)]
    sexes = [row["sex"] for row in rows]
    twins = _twins(persons)
    return Strata(
        names,
        np.bincount(np.array(distinct, np.int64), minlength=len(names)),
        tuple(stratum[part] for part in parts),
        tuple(sexes[part] for part in parts),
        tuple(twins[part] for part in parts),
    )


def _twins(persons: list[str]) -> Counts:
    """For each sample the slot of its person where the person has several samples, else -1."""
    times: dict[str, int] = {}
    for person in persons:
        times[person] = times.get(person, 0) + 1
    slots = {
        person: slot for slot, person in enumerate(person for person, count in times.items() if count > 1)
    }
    return np.array([slots.get(person, -1) for person in persons], np.int64)


def batch_strata(strata: Strata, number: int, fill: Fill) -> BatchStrata:
    """Batch *number* of *strata*; *fill* is for the contig at hand."""
    stratum = strata.stratum[number]
    sizes = np.bincount(stratum, minlength=len(strata.names))
    return BatchStrata(len(stratum), stratum, sizes, fill, strata.twins[number])


def count_window(
    window: Window, batches: Sequence[BatchStrata], stretches: Mapping[Stretch, Bits]
) -> tuple[Counts, Counts]:
    """The counts of a window, (COUNTED, sites, strata), and the persons with a copy of each allele.

    *stretches* says which sites lie on each stretch of the contig.
    """
    sites = len(window.keys)
    strata = len(batches[0].sizes)
    counts = np.zeros((len(COUNTED), sites, strata), np.int64)
    positions = window.keys["pos"].to_numpy().astype(np.int64)
    slots = 1 + max(int(batch.twins.max(initial=-1)) for batch in batches)
    repeated = np.zeros((sites, slots), np.int64)
    for batch, rows, places in zip(batches, window.rows, window.places, strict=True):
        lacking = np.ones(sites, bool)
        lacking[places] = False
        if lacking.any():
            counts[:, lacking] += _count_filled(batch, positions[lacking], stretches["par"][lacking])
        if len(rows):
            # a batch that has all of the sites has them in order
            own = slice(None) if len(rows) == sites else places
            for number, found in enumerate(_count_rows(batch, rows)):
                counts[number, own] += found
            repeated[places] += _count_twins(batch, rows, slots)
    carriers = counts[:3].sum(axis=(0, 2)) - np.maximum(repeated - 1, 0).sum(axis=1)
    return counts, carriers


def _count_filled(batch: BatchStrata, positions: Counts, par: Bits) -> Counts:
    """The counts of one batch at sites that it lacks: (COUNTED, sites, strata)."""
    counts = np.zeros((len(COUNTED), len(positions), len(batch.sizes)), np.int64)
    called, kind = batch.fill.alike(positions, par)
    ones, twos = (_packed_by_stratum(batch, np.packbits(called == number, axis=1)) for number in (1, 2))
    for name, values in (("not_called", batch.sizes - ones - twos), ("an", ones + 2 * twos)):
        counts[COUNTED.index(name)] = values[kind]
    return counts


def _count_rows(batch: BatchStrata, rows: pa.Table) -> Iterator[Counts]:
    """Each of COUNTED of one batch at its own sites: (rows, strata)."""
    found = {name: _by_stratum(batch, rows, column) for name, column in _CLASSES.items()}
    one_called_ref = _by_stratum(batch, rows, "ref1")
    found["an"] = 2 * batch.sizes[None, :] - 2 * found["not_called"] - found["hemi"] - one_called_ref
    return (found[name] for name in COUNTED)


def _by_stratum(batch: BatchStrata, rows: pa.Table, name: str) -> Counts:
    """How many persons of each stratum are in class *name*, a row."""
    shape = (len(rows), len(batch.sizes))
    lists, loops = in_one_piece(rows[f"{name}_l"]), _loops() if shape[0] >= LEAST_FOR_LOOP else None
    if shape[1] == 1:
        counts: Counts = listed_sizes(lists)[:, None]
    elif loops is not None:
        counts = np.zeros(shape, np.int64)
        loops.count_listed(listed_sizes(lists), lists.flatten().to_numpy(), batch.stratum, counts)
    else:
        site, person = listed_persons(lists)
        cells = site * shape[1] + batch.stratum[person]
        counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    mapped, packed = mapped_bytes(rows[f"{name}_b"], batch.persons)
    if not len(mapped):
        return counts
    if loops is not None:
        loops.count_mapped(mapped, _words(packed), batch.masks, counts)
    else:
        counts[mapped] += _packed_by_stratum(batch, packed)
    return counts


@cache
def _loops() -> Any:
    """The module of compiled loops that count members; None where it cannot be had."""
    try:
        from goe_lake.vcf import fast_strata
    except ImportError:
        return None
    return fast_strata


def _packed_by_stratum(batch: BatchStrata, packed: npt.NDArray[np.uint8]) -> Counts:
    """How many persons of each stratum are in bitmaps of persons: (bitmaps, strata)."""
    words = _words(packed)
    counts = [np.bitwise_count(words & mask).sum(axis=1, dtype=np.int64) for mask in batch.masks]
    return np.stack(counts, axis=1)


def _words(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """(bitmaps, bytes) as (bitmaps, words) of 8 bytes, with zeros at their ends: fewer things to count."""
    padded = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def _count_twins(batch: BatchStrata, rows: pa.Table, slots: int) -> Counts:
    """How many samples of each person with several samples carry the allele, a row."""
    counts = np.zeros((len(rows), slots), np.int64)
    columns, starts, present = batch.twin_columns
    if len(columns):
        carries = np.zeros((len(rows), batch.persons), bool)
        for name in ("het", "hom", "hemi"):
            site, person = listed_persons(rows[f"{name}_l"])
            carries[site, person] = True
            mapped, bits = mapped_persons(rows[f"{name}_b"], batch.persons)
            carries[mapped] |= bits
        counts[:, present] = np.add.reduceat(carries[:, columns].astype(np.int64), starts, axis=1)
    return counts


def strata_table(window: Window, strata: Strata, counts: Counts) -> pa.Table:
    """The rows of `strata` for a window."""
    sites, groups = counts.shape[1:]
    site = np.repeat(np.arange(sites), groups)
    columns: dict[str, Any] = {
        name: window.keys[name].take(array(site)) if groups > 1 else window.keys[name] for name in KEY_COLUMNS
    }
    columns |= strata.labels(sites)
    columns["n_persons"] = array(np.tile(strata.persons, sites), pa.int32())
    for number, name in enumerate(COUNTED):
        columns[name] = array(counts[number].ravel(), pa.int32())
    return table(columns, STRATA)
