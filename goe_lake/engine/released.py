"""What a released table of frequencies told, as earlier numbers: who is in its groups, and its values.

Only the rows that a release computed itself are taken; those that stood were told by an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.disclosure.earlier import COUNT, Record
from goe_lake.disclosure.earlier_sites import BY_CLASS, UNTOLD, SiteRecord
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.disclosure.overlap import Selection, selection_of
from goe_lake.engine.claims import WEIGHTS
from goe_lake.engine.frequency_store import NodeRelease
from goe_lake.engine.genotypes import CLASSES
from goe_lake.engine.group_classes import TOTAL, Label, Sample, covered_samples
from goe_lake.engine.sites import contig_rank, keys_of_sites
from goe_lake.engine.words import basis_of, words_of_group
from goe_lake.lake import Snapshot
from goe_lake.vcf.arrow import pc

#: Sites that are kept together: a question about a few reads no more.
BLOCK: Final = 65_536


@dataclass(frozen=True)
class ReleasedTable:
    """One release, and the snapshot that it was made of."""

    release: NodeRelease
    snapshot: Snapshot

    @cached_property
    def samples(self) -> list[Sample]:
        """Whose genotypes it counted."""
        return covered_samples(self.snapshot, self._covering)

    @property
    def _covering(self) -> frozenset[str] | None:
        covering = self.release.covering
        return None if covering is None else frozenset(covering)

    @cached_property
    def person_ids(self) -> list[str]:
        """The person of each of them."""
        return [sample.person_id for sample in self.samples]

    def told(self, contig: str, numbers: Counts) -> tuple[list[Record], list[SiteRecord]]:
        """The numbers of its groups, and those at the sites of *contig*.

        *numbers* are the node's numbers of `person_ids`.
        """
        rows = self.release.kept_rows(contig)
        rows = rows.filter(pc.equal(rows.column("release"), self.release.number)).combine_chunks()
        counts: list[Record] = []
        at_sites: list[SiteRecord] = []
        groups = rows.select(["population", "sex"]).group_by(["population", "sex"]).aggregate([])
        for group in groups.to_pylist():
            here = rows
            for name, label in group.items():
                here = here.filter(_has(here.column(name), label))
            labels = {name: label for name, label in group.items() if label != TOTAL}
            members = numbers[self._are_in(labels)]
            persons, times = np.unique(members, return_counts=True)
            everybody = selection_of(persons, times.astype(np.uint64))
            text = words_of_group(self._basis, self._tables, labels)
            counts.append(Record(COUNT, everybody, len(members), text))
            once = selection_of(persons, np.ones(len(persons), dtype=np.uint64))
            at_sites += _at_sites(here, once, words_of_group(self._basis, (), labels))
        return counts, at_sites

    def _are_in(self, labels: dict[str, Label]) -> Mask:
        inside = np.ones(len(self.samples), dtype=bool)
        for name, label in labels.items():
            inside &= self._labels[name] == label
        return inside

    @cached_property
    def _labels(self) -> dict[str, Any]:
        """The labels of every sample."""
        return {
            "population": np.array([sample.population for sample in self.samples], dtype=object),
            "sex": np.array([sample.sex for sample in self.samples], dtype=object),
        }

    @cached_property
    def _basis(self) -> list[str]:
        return basis_of(self.release.snapshot_id, self._covering)

    @cached_property
    def _tables(self) -> list[str]:
        """The tables that decide who is counted: where everybody has genotypes, that is nobody's news."""
        covering, everybody = self._covering, 0
        for path in self.snapshot.files("samples"):
            consents = pq.read_table(path, columns=["consent"], partitioning=None).column("consent")
            if covering is None:
                everybody += len(consents)
            else:
                covered = pc.is_in(consents, pa.array(sorted(covering), pa.string()))
                everybody += pc.sum(covered).as_py() or 0
        return ["samples"] if len(self.samples) == everybody else ["genotypes"]


def _at_sites(rows: pa.Table, everybody: Selection, text: str) -> Iterator[SiteRecord]:
    """The numbers in *rows*, which are of one group: by class where classes were told, else AC."""
    rows = rows.filter(pc.is_valid(rows.column("ac"))).combine_chunks()
    keys = _keys(rows)
    order = np.argsort(keys)
    by_class = pc.is_valid(rows.column("n_het")).to_numpy(zero_copy_only=False)
    for shown in (True, False):
        chosen = order[by_class[order] == shown]
        for start in range(0, len(chosen), BLOCK):
            block = chosen[start : start + BLOCK]
            here = rows.take(pa.array(block))
            values = _classes(here).reshape(-1) if shown else _column(here, "ac")
            yield SiteRecord(BY_CLASS if shown else WEIGHTS["dosage"], everybody, keys[block], values, text)


def _keys(rows: pa.Table) -> Any:
    connection = duckdb.connect()
    try:
        numbered = rows.select(["contig", "pos", "ref", "alt", "end_pos"])
        connection.register("told", numbered.append_column("row", pa.array(np.arange(rows.num_rows))))
        return keys_of_sites(
            connection, f"(SELECT {contig_rank('contig')} AS rank, * FROM told) ORDER BY row"
        )
    finally:
        connection.close()


def _classes(rows: pa.Table) -> Counts:
    """Samples by class, in the order of CLASSES, and row."""
    het, hom, hemi, called = (_column(rows, name) for name in ("n_het", "n_hom_alt", "n_hemi", "n_called"))
    # one called allele, the reference: what hemizygous carriers leave of those with one allele
    ref1 = 2 * called - _column(rows, "an") - hemi
    found = {
        "het": het,
        "hom": hom,
        "hemi": hemi,
        "nc": _column(rows, "n_persons") - called,
        "ref1": ref1,
        "ref": called - het - hom - hemi - ref1,
    }
    return np.array([found[name] for name in CLASSES], dtype=np.int64)


def _column(rows: pa.Table, name: str) -> Counts:
    return np.asarray(pc.fill_null(rows.column(name), UNTOLD).to_numpy(), dtype=np.int64)


def _has(column: Any, label: Label) -> Any:
    return pc.is_null(column) if label is None else pc.fill_null(pc.equal(column, label), False)
