"""Persons who are in a node twice, found by their genotypes.

Every pair of samples is compared over common autosomal SNVs by the KING-robust kinship coefficient of
Manichaikul et al. 2010 (Bioinformatics 26:2867, equation 11, in the form that plink2 computes it):

    0.5 - (4 IBS0 + HetHom) / (4 min(Het_i, Het_j)),

counted where both samples have two called alleles. Two samples are one person or identical twins where
it is above 2^-1.5 (0.354) and nine genotypes in ten are the same: over sites of a few genes only, which
are inherited together, the coefficient alone also takes strangers with the same haplotypes for one.

What is found names samples: it is for the node's own people, and is stored nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.genome import AUTOSOMES
from goe_lake.lake.merge import one_ahead
from goe_lake.lake.snapshot import Snapshot
from goe_lake.vcf.arrow import Bits, Indexes, array, pc, read_parquet
from goe_lake.vcf.encode import listed_persons, mapped_persons

Dosages = npt.NDArray[np.int8]
Counts = npt.NDArray[np.float32]

SAME_PERSON: Final = 2.0**-1.5
SAME_GENOTYPES: Final = 0.9
#: Sites are taken in small neighbouring groups, so that few row groups are read.
GROUP: Final = 8
MOST_SITES: Final = 4096
LEAST_SITES: Final = 100
#: With fewer sites unrelated pairs of a large node would be taken for one person.
LEAST_CHOSEN: Final = 1000
#: The most sites times pairs of samples that are compared: larger nodes use fewer sites.
MOST_COMPARISONS: Final = 40_000_000_000
#: A site is common where the carriers are between these shares of the genotyped samples.
COMMON: Final = (0.1, 0.9)
BLOCK: Final = 1024
#: From so many samples on a compiled loop compares them, so many of them a call.
LEAST_FOR_LOOP: Final = 512
ROWS: Final = 128
#: Sites whose genotypes are unpacked at a time.
SITES: Final = 256
#: A matrix of so many times the pairs in question costs more than the pairs one by one.
FEW: Final = 8
PAIRS: Final = 256
#: More than rounding adds to a kinship.
MARGIN: Final = 1e-3
MISSING: Final = -1
_CLASSES: Final[Mapping[str, int]] = {"het": 1, "hom": 2, "nc": MISSING, "hemi": MISSING, "ref1": MISSING}


@dataclass(frozen=True, order=True)
class Pair:
    """Two samples: their *kinship* (0.5 for one person), and the share of *sites* with the same genotype."""

    first: str
    second: str
    kinship: float
    same: float
    sites: int


@dataclass(frozen=True)
class DuplicateCheck:
    """Samples compared by genotype over *sites* common autosomal SNVs.

    *compared* counts pairs, *too_few* those with too few sites called in both. *duplicates* are pairs
    of two persons that are one; *mismatched* are pairs of samples of one person that are two.
    """

    samples: int
    sites: int
    compared: int
    too_few: int
    duplicates: tuple[Pair, ...]
    mismatched: tuple[Pair, ...]

    @property
    def passed(self) -> bool:
        """Whether every two persons are two and every one is one, as far as could be compared."""
        return not self.duplicates and not self.mismatched


def find_duplicates(
    snapshot: Snapshot,
    *,
    most_sites: int = MOST_SITES,
    above: float = SAME_PERSON,
    alike: float = SAME_GENOTYPES,
) -> DuplicateCheck:
    """Compare every pair of genotyped samples of *snapshot*.

    One person has a kinship *above* that, and at least the share *alike* of genotypes the same.
    """
    samples, persons = _samples(snapshot)
    pairs = len(samples) * (len(samples) - 1) // 2
    wanted = min(most_sites, max(LEAST_CHOSEN, MOST_COMPARISONS // max(1, pairs)))
    dosages = _dosages(snapshot, len(samples), wanted) if pairs else np.zeros((0, 0), np.int8)
    duplicates: list[Pair] = []
    mismatched: list[Pair] = []
    compared = 0
    for decided, block in _blocks(dosages, persons, above):
        compared += decided
        if block is None:
            continue
        compared += int(np.count_nonzero(block.usable))
        for left, right, kinship, same, sites in block.odd_pairs(persons, above, alike):
            first, second = sorted((samples[left], samples[right]))
            pair = Pair(first, second, kinship, same, sites)
            (duplicates if kinship > above and same >= alike else mismatched).append(pair)
    return DuplicateCheck(
        len(samples), dosages.shape[1], compared, pairs - compared,
        tuple(sorted(duplicates)), tuple(sorted(mismatched)),
    )  # fmt: skip


def _samples(snapshot: Snapshot) -> tuple[list[str], Indexes]:
    """The genotyped samples batch by batch, and a number for each one's person."""
    ids: list[str] = []
    for batch in snapshot.batches:
        for path in snapshot.files("persons", batch=batch.digest):
            column = read_parquet(path)["sample_id"]
            ids += (str(sample) for sample in column.to_pylist())
    (path,) = snapshot.files("samples")
    table = read_parquet(path, ["sample_id", "person_id"])
    rows = pc.index_in(array(ids, pa.string()), table["sample_id"].combine_chunks())
    persons = table["person_id"].combine_chunks().dictionary_encode().indices.take(rows)
    return ids, persons.to_numpy(zero_copy_only=False).astype(np.int64)


def _dosages(snapshot: Snapshot, samples: int, wanted: int) -> Dosages:
    """(samples, sites) copies of the alternate allele, MISSING where not two alleles are called."""
    chosen = _chosen_sites(snapshot, samples, wanted)
    columns = [_contig_dosages(snapshot, contig, keys, samples) for contig, keys in chosen.items()]
    return np.concatenate([np.zeros((samples, 0), np.int8), *columns], axis=1)


def _chosen_sites(snapshot: Snapshot, samples: int, wanted: int) -> dict[str, pa.Table]:
    """Common SNVs, the only variant at their position, in groups spread evenly over the autosomes."""
    common: dict[str, pa.Table] = {}
    for contig in (contig for contig in snapshot.contigs if contig in AUTOSOMES):
        (path,) = snapshot.files("variants", contig)
        table = read_parquet(path, ["pos", "ref", "alt", "type", "carriers"])
        alone = array(_only_once(table["pos"].to_numpy()))
        low, high = (share * samples for share in COMMON)
        often = pc.and_(pc.greater_equal(table["carriers"], low), pc.less_equal(table["carriers"], high))
        table = table.filter(pc.and_(pc.and_(often, alone), pc.equal(table["type"], "snv")))
        if len(table):
            common[contig] = table.select(["pos", "ref", "alt"])
    total = sum(len(table) for table in common.values())
    places = _spread(total, wanted)
    chosen: dict[str, pa.Table] = {}
    start = 0
    for contig, table in common.items():
        mine = places[(places >= start) & (places < start + len(table))] - start
        if len(mine):
            chosen[contig] = table.take(array(mine))
        start += len(table)
    return chosen


def _only_once(positions: npt.NDArray[np.int32]) -> Bits:
    """Which of *positions*, which never fall, are not repeated."""
    again = positions[1:] == positions[:-1]
    found: Bits = ~(np.append(False, again) | np.append(again, False))[: len(positions)]
    return found


def _spread(total: int, wanted: int) -> Indexes:
    """At most *wanted* places among *total*, in groups of neighbours."""
    if total <= wanted:
        return np.arange(total)
    groups = max(1, wanted // GROUP)
    starts = np.arange(groups) * total // groups
    places: Indexes = np.minimum(starts[:, None] + np.arange(GROUP), total - 1).ravel()
    # they never fall, and numpy.unique would load numpy.ma
    kept: Indexes = places[np.append(True, np.diff(places) > 0)]
    return kept


def _contig_dosages(snapshot: Snapshot, contig: str, keys: pa.Table, samples: int) -> Dosages:
    """(samples, sites) at the sites *keys* of one contig, batch by batch."""
    found = np.full((samples, len(keys)), MISSING, np.int8)
    start = 0
    for batch in snapshot.batches:
        for path in snapshot.files("calls", contig, batch.digest):
            rows = _rows_at(path, keys["pos"].to_numpy())
            sites = _places(rows, keys)
            inside = sites >= 0
            if inside.any():
                mine = found[start : start + batch.persons]
                _fill(mine, sites[inside], rows.filter(array(inside)))
        start += batch.persons
    return found


def _fill(found: Dosages, sites: Indexes, rows: pa.Table) -> None:
    """Write the genotypes of *rows* into *found*, (persons, sites), at *sites*."""

    def fill(first: int) -> None:
        # few sites at a time: what is touched again and again stays near the processor
        part = slice(first, first + SITES)
        here, genotypes = sites[part], _genotypes(rows.slice(first, SITES), len(found)).T
        if here[-1] - here[0] == len(here) - 1:
            found[:, here[0] : here[-1] + 1] = genotypes
        else:
            found[:, here] = genotypes

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(fill, range(0, len(rows), SITES)))


def _rows_at(path: Path, positions: npt.NDArray[np.int32]) -> pa.Table:
    """The rows of `calls` at *positions*; only row groups that hold one are read."""
    columns = ["pos", "ref", "alt", *(f"{name}_{kind}" for name in _CLASSES for kind in "lb")]
    with pq.ParquetFile(path) as file:
        parts = [file.schema_arrow.empty_table().select(columns)]
        for group in range(file.num_row_groups):
            facts: Any = file.metadata.row_group(group).column(0).statistics
            low, high = np.searchsorted(positions, [facts.min, facts.max + 1])
            if low < high:
                table = file.read_row_group(group, columns=columns)
                parts.append(table.filter(pc.is_in(table["pos"], array(positions[low:high]))))
    return pa.concat_tables(parts)


def _places(rows: pa.Table, keys: pa.Table) -> Indexes:
    """For each row the index of its site in *keys*, whose positions are all different; -1 for others."""
    places = np.searchsorted(keys["pos"].to_numpy(), rows["pos"].to_numpy())
    there = keys.take(array(places))
    same = pc.and_(pc.equal(there["ref"], rows["ref"]), pc.equal(there["alt"], rows["alt"]))
    return np.where(same.to_numpy(), places, -1)


def _genotypes(rows: pa.Table, persons: int) -> Dosages:
    """(rows, persons) copies of the alternate allele."""
    found = np.zeros((len(rows), persons), np.int8)
    for name, dosage in _CLASSES.items():
        site, person = listed_persons(rows[f"{name}_l"])
        found[site, person] = dosage
        mapped, bits = mapped_persons(rows[f"{name}_b"], persons)
        if len(mapped):
            # nobody is in two classes
            found[mapped] += bits.view(np.int8) * np.int8(dosage)
    return found


@dataclass(frozen=True, eq=False)
class _Block:
    """Pairs of samples by their numbers: *left* and *right* are as wide as the other arrays, or widened."""

    left: Indexes
    right: Indexes
    kinship: Counts
    same: Counts
    sites: Counts
    usable: Bits

    def odd_pairs(
        self, persons: Indexes, above: float, alike: float
    ) -> Iterator[tuple[int, int, float, float, int]]:
        """Pairs whose genotypes and person numbers disagree about being one person."""
        same_person = persons[self.left] == persons[self.right]
        one = (self.kinship > above) & (self.same >= alike)
        left, right = np.broadcast_arrays(self.left, self.right)
        for place in zip(*np.nonzero(self.usable & (one != same_person)), strict=True):
            yield (
                int(left[place]), int(right[place]), round(float(self.kinship[place]), 4),
                round(float(self.same[place]), 4), int(self.sites[place]),
            )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Screen:
    """What tells cheaply that two samples are surely comparable, and surely two persons.

    4 IBS0 + HetHom is the sum of squared differences of dosages over the sites that both have. Over every
    second site, and with the squares at sites that only one has taken off at their largest, it is never
    more than that, and the heterozygous sites of both are never more than those of one.

    *dosages* are those of every second site, 0 where missing; *limits* and *missing* are for the sum there.
    """

    dosages: Dosages
    limits: Indexes
    missing: Indexes
    absent: Indexes
    called: Indexes
    hets: Indexes

    def undecided(self, left: slice, right: slice) -> Bits:
        """The pairs, (left samples, later right samples), about which this says nothing."""
        found = self._near(left, right)
        for one, other in ((left, right), (right, left)):
            most = self.absent[other].max()
            if self.called[one].min() >= LEAST_SITES + most and self.hets[one].min() > most:
                # as nearly always
                continue
            few = (self.called[one, None] < LEAST_SITES + self.absent[other]) | (
                self.hets[one, None] <= self.absent[other]
            )
            found |= few if one is left else few.T
        return found

    def _near(self, left: slice, right: slice) -> Bits:
        """The pairs whose squared differences are too few to be surely two persons."""
        if self._bits is None:
            return self._near_by_products(left, right)
        near_pairs, some, two = self._bits
        found = np.zeros((len(self.hets[left]), len(self.hets[right])), np.bool_)

        def compare(start: int) -> None:
            part = found[start : start + ROWS]
            near_pairs(some, two, self.limits, self.missing, left.start + start, right.start, part)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(compare, range(0, len(found), ROWS)))
        return found

    @cached_property
    def _bits(self) -> tuple[Any, Any, Any] | None:
        """The compiled loop and what it compares; None where it cannot be had, or few samples need none."""
        if len(self.hets) < LEAST_FOR_LOOP:
            return None
        try:
            from goe_lake.vcf.fast_pairs import near_pairs, packed
        except ImportError:
            return None
        return near_pairs, packed(self.dosages > 0), packed(self.dosages > 1)

    def _near_by_products(self, left: slice, right: slice) -> Bits:
        """`_near` by a product of matrices."""
        one, other = (self.dosages[part].astype(np.float32) for part in (left, right))
        distance = -2 * (one @ other.T)
        distance += np.einsum("ij,ij->i", one, one)[:, None]
        distance += np.einsum("ij,ij->i", other, other)
        near: Bits = distance < (
            np.minimum(self.limits[left, None], self.limits[right])
            + (self.missing[left, None] + self.missing[right])
        )
        return near


def _screen(dosages: Dosages, above: float) -> _Screen:
    half = dosages[:, ::2]
    absent = np.count_nonzero(dosages == MISSING, axis=1)
    hets = np.count_nonzero(dosages == 1, axis=1)
    return _Screen(
        dosages=np.maximum(half, 0),
        limits=np.ceil((4 * (0.5 - above) + MARGIN) * hets).astype(np.int64),
        missing=4 * np.count_nonzero(half == MISSING, axis=1),
        absent=absent,
        called=dosages.shape[1] - absent,
        hets=hets,
    )


def _blocks(dosages: Dosages, persons: Indexes, above: float) -> Iterator[tuple[int, _Block | None]]:
    """How many more pairs are surely comparable and two persons, and those that had to be counted."""
    for left, right, undecided in one_ahead(_undecided(_screen(dosages, above), persons)):
        pairs = undecided.size if left != right else len(undecided) * (len(undecided) - 1) // 2
        places = np.nonzero(undecided)
        decided = pairs - len(places[0])
        if not len(places[0]):
            yield decided, None
            continue
        first, second = (np.flatnonzero(undecided.any(axis=axis)) for axis in (1, 0))
        if len(first) * len(second) > FEW * (pairs - decided):
            yield decided, _compare_pairs(left + places[0], right + places[1], dosages)
            continue
        block = _compare(left + first, right + second, dosages)
        np.logical_and(block.usable, undecided[np.ix_(first, second)], out=block.usable)
        yield decided, block


def _undecided(screen: _Screen, persons: Indexes) -> Iterator[tuple[int, int, Bits]]:
    """Blocks of pairs by their first samples, with those that have to be counted, each once."""
    samples = len(screen.hets)
    for left in range(0, samples, BLOCK):
        for right in range(left, samples, BLOCK):
            rows, columns = slice(left, left + BLOCK), slice(right, right + BLOCK)
            found = screen.undecided(rows, columns)
            found |= persons[rows, None] == persons[columns]
            yield left, right, np.triu(found, 1) if left == right else found


def _indicators(dosages: Dosages) -> tuple[Counts, Counts, Counts]:
    """1 where the genotype is hom-ref, het and hom-alt; a sum of 2^24 such ones is exact."""
    ref, het, alt = ((dosages == number).astype(np.float32) for number in (0, 1, 2))
    return ref, het, alt


def _compare(left: Indexes, right: Indexes, dosages: Dosages) -> _Block:
    """Count the samples *left* against *right*."""
    (ref_i, het_i, alt_i), (ref_j, het_j, alt_j) = _indicators(dosages[left]), _indicators(dosages[right])
    homs_i, homs_j = ref_i + alt_i, ref_j + alt_j
    both_het = het_i @ het_j.T
    het_hom, hom_het = het_i @ homs_j.T, homs_i @ het_j.T
    same_hom = ref_i @ ref_j.T + alt_i @ alt_j.T
    opposite = homs_i @ homs_j.T - same_hom
    return _block(left[:, None], right, (both_het, het_hom, hom_het, same_hom, opposite))


def _compare_pairs(left: Indexes, right: Indexes, dosages: Dosages) -> _Block:
    """Count each sample of *left* against the one of *right* in its place."""
    counts = np.empty((5, len(left)), np.float32)
    for start in range(0, len(left), PAIRS):
        chunk = slice(start, start + PAIRS)
        one, other = dosages[left[chunk]], dosages[right[chunk]]
        hets, other_hets = one == 1, other == 1
        homs, other_homs = ~hets & (one >= 0), ~other_hets & (other >= 0)
        same = one == other
        for row, members in enumerate(
            (hets & other_hets, hets & other_homs, homs & other_hets, homs & same, homs & other_homs & ~same)
        ):
            counts[row, chunk] = np.count_nonzero(members, axis=1)
    return _block(left, right, tuple(counts))


def _block(left: Indexes, right: Indexes, counts: tuple[Any, ...]) -> _Block:
    """*counts* are sites where both are het, one het and the other not, the reverse, same and other homs."""
    both_het, het_hom, hom_het, same_hom, opposite = counts
    least_hets = np.minimum(both_het + het_hom, both_het + hom_het)
    sites = both_het + het_hom + hom_het + same_hom + opposite
    usable = (sites >= LEAST_SITES) & (least_hets > 0)
    kinship = 0.5 - (4 * opposite + het_hom + hom_het) / (4 * np.maximum(least_hets, 1))
    return _Block(left, right, kinship, (both_het + same_hom) / np.maximum(sites, 1), sites, usable)
