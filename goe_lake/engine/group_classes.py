"""Persons by genotype class at the listed sites of one contig, from the counts that the lake keeps.

Nothing is read of anybody's genotype: the ingest has counted classes by population, sex and consent
(`strata`). A listed site that the node's files lack is filled by each batch's absent_sites rule.

A person with several samples is one person. Classes are counted by sample in the lake, so what is told
counts samples, as a question over `genotypes` does; for the rules each such person is taken to be in as
few places as possible (`Atoms.excess`), which may withhold more than counting persons would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.catalog import TOTAL_LABEL
from goe_lake.disclosure.frequencies import CLASSES
from goe_lake.engine.genotypes import CHUNK_CELLS
from goe_lake.engine.session import parquet
from goe_lake.errors import LakeError
from goe_lake.genome import ASSEMBLIES, Sex
from goe_lake.lake import Batch, Snapshot
from goe_lake.lake.callable import Fill
from goe_lake.lake.fills import fill_of
from goe_lake.vcf.arrow import pc

Counts = npt.NDArray[np.int64]
Label = str | None
TOTAL: Final = TOTAL_LABEL


@dataclass(frozen=True)
class Sample:
    """A genotyped sample whose consent covers the purpose: its person, batch, place there, and atom."""

    sample_id: str
    person_id: str
    batch: str
    index: int
    population: Label
    sex: Sex | None

    @property
    def atom(self) -> tuple[Label, Sex | None]:
        """Population and sex."""
        return self.population, self.sex


@dataclass(frozen=True)
class Atoms:
    """The groups that a table is made of: each label of a population with each of a sex.

    *samples* and *persons* count by (population, sex); *excess* is by how much samples may at most
    outnumber persons there.
    """

    populations: tuple[Label, ...]
    sexes: tuple[Sex | None, ...]
    samples: Counts
    persons: Counts
    excess: Counts

    @cached_property
    def places(self) -> dict[tuple[Label, Label], tuple[int, int]]:
        """Where each (population, sex) is."""
        return {
            (population, sex): (row, column)
            for row, population in enumerate(self.populations)
            for column, sex in enumerate(self.sexes)
        }

    def at_least(self, samples: Counts) -> Counts:
        """The fewest persons that *samples* samples (sites, populations, sexes) can be of."""
        fewest: Counts = np.where(samples > 0, np.maximum(samples - self.excess, 1), 0)
        return fewest


@dataclass(frozen=True)
class ClassTable:
    """Samples by class (each of CLASSES) at each site and atom: (sites, populations, sexes)."""

    atoms: Atoms
    classes: Mapping[str, Counts]

    @property
    def persons(self) -> dict[str, Counts]:
        """At least so many persons are in each class."""
        return {name: self.atoms.at_least(counts) for name, counts in self.classes.items()}


def covered_samples(snapshot: Snapshot, covering: frozenset[str] | None) -> list[Sample]:
    """The genotyped samples whose consent code is in *covering* (None: all are)."""
    columns = ["sample_id", "person_id", "population", "sex", "consent"]
    people: dict[str, dict[str, Any]] = {
        row["sample_id"]: row
        for path in snapshot.files("samples")
        for row in pq.read_table(path, columns=columns, partitioning=None).to_pylist()
        if covering is None or row["consent"] in covering
    }
    found = []
    for batch in snapshot.batches:
        for path in snapshot.files("persons", batch=batch.digest):
            for row in pq.read_table(path, partitioning=None).to_pylist():
                person = people.get(row["sample_id"])
                if person is not None:
                    found.append(
                        Sample(
                            person["sample_id"],
                            person["person_id"],
                            batch.digest,
                            row["idx"],
                            person["population"],
                            person["sex"],
                        )
                    )
    if any(sample.population == TOTAL for sample in found):
        raise LakeError(
            snapshot.root,
            f"a population is called {TOTAL!r}, which stands for the total of a table of frequencies",
            "give it another label and ingest again",
        )
    return found


def atoms_of(samples: Sequence[Sample], more: Sequence[tuple[Label, Label]] = ()) -> Atoms:
    """The atoms of *samples*, and those in *more*, in the order of labels, NULL last."""
    pairs = {*(sample.atom for sample in samples), *more}
    populations = tuple(sorted({population for population, _ in pairs}, key=_label_order))
    sexes = cast("tuple[Sex | None, ...]", tuple(sorted({sex for _, sex in pairs}, key=_label_order)))
    shape = (len(populations), len(sexes))
    counted, whole = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    of_person: dict[str, list[Sample]] = {}
    for sample in samples:
        of_person.setdefault(sample.person_id, []).append(sample)
    for own in of_person.values():
        for sample in own:
            place = populations.index(sample.population), sexes.index(sample.sex)
            counted[place] += 1
        if len({sample.atom for sample in own}) == 1:
            whole[populations.index(own[0].population), sexes.index(own[0].sex)] += 1
    return Atoms(populations, sexes, counted, np.maximum(whole, counted > 0), counted - whole)


def _label_order(label: Label) -> tuple[bool, str]:
    return label is None, label or ""


def class_table(
    snapshot: Snapshot,
    sites: pa.Table,
    contig: str,
    samples: Sequence[Sample],
    atoms: Atoms,
    covering: frozenset[str] | None,
) -> ClassTable:
    """The classes of *samples* at the listed *sites* of *contig*."""
    shape = (sites.num_rows, *atoms.samples.shape)
    counts = {name: np.zeros(shape, np.int64) for name in (*CLASSES, "not_called")}
    known = _read_strata(snapshot, sites, contig, atoms, covering, counts)
    lacking = np.flatnonzero(~known)
    if len(lacking):
        positions = sites.column("pos").to_numpy().astype(np.int64)[lacking]
        filled = _filled(
            snapshot, contig, positions, in_par(snapshot, contig, sites)[lacking], samples, atoms
        )
        for name, here in filled.items():
            counts[name][lacking] = here
    counts.pop("not_called")
    return ClassTable(atoms, counts)


def _read_strata(
    snapshot: Snapshot,
    sites: pa.Table,
    contig: str,
    atoms: Atoms,
    covering: frozenset[str] | None,
    counts: dict[str, Counts],
) -> npt.NDArray[np.bool_]:
    """Add the node's own counts to *counts*; whether the node's files have each site."""
    known = np.zeros(sites.num_rows, dtype=bool)
    files = snapshot.files("strata", contig)
    if not files or not sites.num_rows:
        return known
    numbered = sites.select(["pos", "ref", "alt", "end_pos"]).append_column(
        "place", pa.array(np.arange(sites.num_rows, dtype=np.int32))
    )
    positions = sites.column("pos").to_numpy()
    summed = ", ".join(
        f"sum({name}) FILTER (covered)::BIGINT AS {name}"
        for name in ("het", "hom_alt", "hemi", "not_called", "an")
    )
    covered = "true"
    if covering is not None:
        covered = "list_contains($codes, consent)" if covering else "false"
    connection = duckdb.connect()
    try:
        connection.register("wanted", numbered)
        rows = connection.sql(
            f"SELECT place, population, sex, {summed} FROM (SELECT w.place, s.*, coalesce({covered}, false) "
            f"AS covered FROM {parquet(files)} s JOIN wanted w USING (pos, ref, alt, end_pos) "
            f"WHERE s.pos BETWEEN {int(positions.min())} AND {int(positions.max())}) GROUP BY ALL",
            params={"codes": sorted(covering)} if covering else {},
        ).to_arrow_table()
    finally:
        connection.close()
    place = rows.column("place").to_numpy()
    known[place] = True
    for (population, sex), (row, column) in atoms.places.items():
        here = rows.filter(_is(rows, "population", population)).combine_chunks()
        here = here.filter(_is(here, "sex", sex))
        at = here.column("place").to_numpy()
        found = {
            name: pc.fill_null(here.column(name), 0).to_numpy().astype(np.int64)
            for name in ("het", "hom_alt", "hemi", "not_called", "an")
        }
        # one called allele, the reference: what hemizygous carriers leave of the persons with one allele
        called = atoms.samples[row, column] - found["not_called"]
        found["ref1"] = 2 * called - found.pop("an") - found["hemi"]
        found["ref2"] = called - found["het"] - found["hom_alt"] - found["hemi"] - found["ref1"]
        for name, values in found.items():
            counts[name][at, row, column] = values
    return known


def _is(table: pa.Table, name: str, label: Label) -> Any:
    column = table.column(name)
    return pc.is_null(column) if label is None else pc.fill_null(pc.equal(column, label), False)


def in_par(snapshot: Snapshot, contig: str, sites: pa.Table) -> npt.NDArray[np.bool_]:
    """Whether each of *sites* lies in a pseudo-autosomal region."""
    positions = sites.column("pos").to_numpy()
    par = np.zeros(len(positions), dtype=bool)
    for region in ASSEMBLIES[snapshot.manifest.assembly].pseudo_autosomal:
        if region.contig == contig:
            par |= (positions >= region.start) & (positions <= region.end)
    return par


def _filled(
    snapshot: Snapshot,
    contig: str,
    positions: npt.NDArray[np.int64],
    par: npt.NDArray[np.bool_],
    samples: Sequence[Sample],
    atoms: Atoms,
) -> dict[str, Counts]:
    """The counts by site and atom at sites that no file of the node has."""
    shape = (len(positions), *atoms.samples.shape)
    names = ("not_called", "ref1", "ref2")
    counts = {name: np.zeros(shape, np.int64) for name in names}
    for batch, fill, _, members in batch_fills(snapshot, contig, samples):
        belongs = np.zeros((batch.persons, atoms.samples.size), np.float32)
        for sample in members:
            row, column = atoms.places[sample.atom]
            belongs[sample.index, row * shape[2] + column] = 1
        step = max(1, CHUNK_CELLS // max(1, batch.persons)) if fill.files else max(1, len(positions))
        for start in range(0, len(positions), step):
            part = slice(start, start + step)
            called, kind = fill.alike(positions[part], par[part])
            for alleles, name in enumerate(names):
                # below 2^24 persons a 32-bit float counts exactly
                found = np.rint((called == alleles) @ belongs).astype(np.int64)
                counts[name][part] += found[kind].reshape(-1, *shape[1:])
    return counts


def batch_fills(
    snapshot: Snapshot, contig: str, samples: Sequence[Sample]
) -> Iterator[tuple[Batch, Fill, list[int], list[Sample]]]:
    """Each batch with its fill on *contig*, and those of *samples* that it holds with their places."""
    for batch in snapshot.batches:
        places = [place for place, sample in enumerate(samples) if sample.batch == batch.digest]
        members = [samples[place] for place in places]
        sexes: list[Sex | None] = [None] * batch.persons
        for sample in members:
            sexes[sample.index] = sample.sex
        yield batch, fill_of(snapshot, contig, batch.digest, batch.absent_sites, sexes), places, members
