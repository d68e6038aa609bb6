"""A node's table of allele frequencies: computed, controlled, and released over time.

`make_release` writes the next release of a node from its snapshot and a site list; `current_rows` gives
what it would tell where it has released nothing yet. Contigs of which nothing changed are taken over.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from goe_lake.disclosure import Policy
from goe_lake.disclosure.changes import Change, Fresh, fresh, in_step_after
from goe_lake.disclosure.frequencies import CLASSES, Told, tell
from goe_lake.disclosure.margins import with_margins
from goe_lake.engine import frequency_store as store
from goe_lake.engine.frequency_store import KEPT_ROWS, NODE_ROWS, NodeRelease
from goe_lake.engine.group_classes import (
    TOTAL,
    Atoms,
    ClassTable,
    Counts,
    Label,
    Sample,
    atoms_of,
    class_table,
    covered_samples,
)
from goe_lake.engine.joined_and_left import UNIT, State, joined_and_left
from goe_lake.engine.sites import KEY, SiteList
from goe_lake.errors import LakeError
from goe_lake.genome import CONTIGS
from goe_lake.lake import Snapshot, open_snapshot
from goe_lake.lake.lock import only_publisher
from goe_lake.vcf.arrow import array, pc

PURPOSE: Final = "allele_frequencies"
#: Sites that are worked on together.
BLOCK: Final = 65_536
Mask = npt.NDArray[np.bool_]
Progress = Callable[[str], None]
_VALUES: Final = ("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_called", "n_persons")


@dataclass(frozen=True)
class Earlier:
    """The earlier releases of a node: the state of each that can still be read.

    *gone* says that the files of some are gone, so that who left since cannot be counted.
    """

    releases: tuple[NodeRelease, ...]
    states: Mapping[int, State]

    @property
    def gone(self) -> bool:
        """Whether the snapshot of some release is gone."""
        return len(self.states) < len(self.releases)

    @property
    def numbered(self) -> dict[int, NodeRelease]:
        """Those whose snapshot can be read, by number."""
        return {release.number: release for release in self.releases if release.number in self.states}

    @property
    def last(self) -> NodeRelease | None:
        """The standing release."""
        return self.releases[-1] if self.releases else None


@dataclass(frozen=True)
class Frequencies:
    """What a node's frequencies are computed from, at one snapshot and under one policy."""

    snapshot: Snapshot
    policy: Policy
    site_list: SiteList

    @cached_property
    def covering(self) -> frozenset[str] | None:
        """The consent codes that cover the release; None where everyone is covered."""
        return self.policy.codes_for(PURPOSE)

    @cached_property
    def samples(self) -> list[Sample]:
        """Whose genotypes are counted."""
        return covered_samples(self.snapshot, self.covering)

    @cached_property
    def contigs(self) -> tuple[str, ...]:
        """The contigs with listed sites, chr1 first."""
        found = set(self.site_list.sites.column("contig").unique().to_pylist())
        return tuple(contig for contig in CONTIGS if contig in found)

    def sites(self, contig: str) -> pa.Table:
        """The listed sites of *contig*."""
        sites = self.site_list.sites
        return sites.filter(pc.equal(sites.column("contig"), contig)).combine_chunks()

    @property
    def rules(self) -> dict[str, Any]:
        """The settings that decide what is told."""
        policy, columns = self.policy, self.snapshot.catalog.tables["samples"].by_name
        labels = {name: columns[name].domain() for name in ("population", "sex")}
        return {
            "protection": policy.protection,
            "min_persons": policy.min_persons,
            "min_carriers": policy.min_carriers,
            "tell_zero": policy.tell_zero,
            # which groups may be hidden is read off the public labels
            "labels": {name: None if domain is None else list(domain) for name, domain in labels.items()},
        }

    def input(self, contig: str, sites: pa.Table) -> str:
        """The digest of everything that the rows of *contig* are computed from."""
        files = [
            (file.table, file.sha256)
            for file in self.snapshot.manifest.files
            if file.table in ("samples", "persons")
            or (file.table in ("strata", "calls", "callable", "ploidy") and file.contig == contig)
        ]
        batches = [asdict(batch) for batch in self.snapshot.batches]
        covering = sorted(self.covering) if self.covering is not None else None
        facts = [files, batches, covering, self.rules, digest_of_sites(sites)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def digest_of_sites(sites: pa.Table) -> str:
    """The identity of a list of sites by its values alone, however they lie in memory or came over a wire."""
    sink = pa.BufferOutputStream()
    csv.write_csv(sites, sink)
    return hashlib.sha256(memoryview(sink.getvalue())).hexdigest()


def current_rows(frequencies: Frequencies, contig: str) -> pa.Table:
    """What a node that has released nothing yet would tell of *contig* (NODE_ROWS)."""
    sites = frequencies.sites(contig)
    parts = list(_blocks(frequencies, contig, sites, Earlier((), {}), 1))
    return pa.concat_tables([KEPT_ROWS.empty_table(), *parts]).select(NODE_ROWS.names)


def make_release(frequencies: Frequencies, lake: Path, progress: Progress | None = None) -> NodeRelease:
    """Write the next release of the lake at *lake*, or return the standing one if nothing changed.

    *progress* is told each contig that is done. Raises LakeError where an earlier release cannot be read.
    """
    folder = store.folder_of(lake, protects=frequencies.policy.protects)
    with only_publisher(folder):
        earlier = _earlier(folder, frequencies.snapshot.root)
        _check_list(frequencies, earlier)
        last = earlier.last
        number = last.number + 1 if last is not None else 1
        building = folder / f".building-{os.getpid()}"
        for abandoned in folder.glob(".building-*"):
            shutil.rmtree(abandoned)
        building.mkdir()
        files = []
        for contig in frequencies.contigs:
            sites = frequencies.sites(contig)
            digest = frequencies.input(contig, sites)
            before = last.contig(contig) if last is not None else None
            if last is not None and before is not None and before.input == digest:
                files.append(store.link_contig(building, last, contig))
            else:
                rows = _blocks(frequencies, contig, sites, earlier, number)
                files.append(store.write_contig(building, contig, digest, sites, rows))
            if progress is not None:
                progress(contig)
        release = NodeRelease(
            folder / str(number),
            number,
            last.release_id if last is not None else None,
            frequencies.snapshot.snapshot_id,
            digest_of_sites(frequencies.site_list.sites),
            tuple(sorted(frequencies.covering)) if frequencies.covering is not None else None,
            len({sample.person_id for sample in frequencies.samples}),
            frequencies.rules,
            tuple(files),
        )
        if last is not None and _says_the_same(release, last):
            shutil.rmtree(building)
            return last
        return store.publish(release, building)


def unchanged_since(release: NodeRelease) -> dict[str, int]:
    """For each contig of *release* the number of the earliest release since which it tells the same."""
    since = {files.contig: release.number for files in release.files}
    waiting = dict.fromkeys(since)
    for earlier in reversed(store.releases(release.folder.parent)):
        if earlier.number >= release.number:
            continue
        for contig in tuple(waiting):
            if _tells(earlier, contig) == _tells(release, contig) and earlier.rules == release.rules:
                since[contig] = earlier.number
            else:
                del waiting[contig]
    return since


def _tells(release: NodeRelease, contig: str) -> str | None:
    files = release.contig(contig)
    return None if files is None else files.sha256[files.rows]


def _says_the_same(release: NodeRelease, last: NodeRelease) -> bool:
    facts = [{**part.content(), "number": 0, "previous": None} for part in (release, last)]
    return facts[0] == facts[1]


def _earlier(folder: Path, root: Path) -> Earlier:
    found = store.releases(folder)
    states: dict[int, State] = {}
    for release in found:
        try:
            snapshot = open_snapshot(root, release.snapshot_id)
        except LakeError:
            continue  # purged: who left since then is not counted
        covering = frozenset(release.covering) if release.covering is not None else None
        states[release.number] = State(snapshot, covered_samples(snapshot, covering))
    return Earlier(found, states)


def _check_list(frequencies: Frequencies, earlier: Earlier) -> None:
    """Refuse a site list that lacks a site of an earlier release: its absence would tell of who left."""
    last = earlier.last
    if last is None:
        return
    for files in last.files:
        before = last.sites(files.contig).select(list(KEY))
        now = frequencies.sites(files.contig).select(list(KEY))
        if before.join(now, keys=list(KEY), join_type="left anti").num_rows:
            raise LakeError(
                last.folder,
                f"the site list lacks sites of {files.contig} that release {last.number} has",
                "unite it with the sites of the earlier release; sites once listed stay listed",
            )


def _blocks(
    frequencies: Frequencies, contig: str, sites: pa.Table, earlier: Earlier, number: int
) -> Iterator[pa.Table]:
    """The rows of *contig* (KEPT_ROWS), some sites at a time."""
    before = earlier.last.kept_rows(contig) if earlier.last is not None else KEPT_ROWS.empty_table()
    atoms = _atoms(frequencies, earlier, before)
    for start in range(0, sites.num_rows, BLOCK):
        here = sites.slice(start, BLOCK).combine_chunks()
        yield _block(frequencies, contig, here, _standing(before, here, atoms), atoms, earlier, number)


def _atoms(frequencies: Frequencies, earlier: Earlier, before: pa.Table) -> Atoms:
    """The atoms of everybody now and in earlier releases."""
    more: set[tuple[Label, Label]] = {
        sample.atom for state in earlier.states.values() for sample in state.samples
    }
    named = [set(before.column(name).unique().to_pylist()) - {TOTAL} for name in ("population", "sex")]
    sexes = named[1] | {sample.sex for sample in frequencies.samples}
    more |= {(population, sex) for population in named[0] for sex in sexes}
    return atoms_of(frequencies.samples, sorted(more, key=str))


@dataclass(frozen=True)
class Standing:
    """The rows of the last release at some sites, (sites, populations + 1, sexes + 1) each.

    *values* has -1 for NULL; *there* says which rows exist, and *in_step* which kept in step.
    """

    values: Mapping[str, Counts]
    there: Mask
    in_step: Mask
    release: Counts


def _standing(before: pa.Table, sites: pa.Table, atoms: Atoms) -> Standing:
    shape = (sites.num_rows, len(atoms.populations) + 1, len(atoms.sexes) + 1)
    values = {name: np.full(shape, -1, np.int64) for name in _VALUES}
    there, in_step = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    release = np.zeros(shape, np.int64)
    if before.num_rows:
        place = pa.array(np.arange(sites.num_rows, dtype=np.int64))
        numbered = sites.select(list(KEY)).append_column("place", place)
        rows = before.join(numbered, keys=list(KEY), join_type="inner").combine_chunks()
        at = (
            rows.column("place").to_numpy(),
            _places(rows.column("population"), atoms.populations),
            _places(rows.column("sex"), atoms.sexes),
        )
        there[at] = True
        in_step[at] = rows.column("in_step").to_numpy(zero_copy_only=False)
        release[at] = rows.column("release").to_numpy()
        for name, found in values.items():
            found[at] = pc.fill_null(rows.column(name), -1).to_numpy()
    return Standing(values, there, in_step, release)


def _places(labels: pa.ChunkedArray[Any], order: Sequence[Label]) -> Counts:
    """The place of each label in *order*, its margin behind them."""
    places: dict[Label, int] = {label: place for place, label in enumerate(order)}
    places[TOTAL] = len(order)
    coded = pc.dictionary_encode(labels.combine_chunks(), null_encoding="encode")
    known = np.array([places[label] for label in coded.dictionary.to_pylist()], np.int64)
    found: Counts = known[coded.indices.to_numpy()]
    return found


def _block(
    frequencies: Frequencies,
    contig: str,
    sites: pa.Table,
    standing: Standing,
    atoms: Atoms,
    earlier: Earlier,
    number: int,
) -> pa.Table:
    """The rows at some sites: fresh ones, and the earlier ones where they stand."""
    table = class_table(frequencies.snapshot, sites, contig, frequencies.samples, atoms, frequencies.covering)
    told = tell(table.persons, atoms.persons, frequencies.policy)
    cells = _everything(told)
    in_step = cells.ac.copy()
    again = np.flatnonzero(standing.there.any(axis=(1, 2)))
    if len(again) and frequencies.policy.protects:
        here = sites.take(array(again))
        changes = _changes(frequencies, contig, here, atoms, earlier)
        only = Told(told.groups[again], told.ac[again], told.classes[again])
        present = {name: counts[again] for name, counts in table.persons.items()}
        steps = standing.in_step[again]
        computed = {number: _computed(release, here, contig) for number, release in earlier.numbered.items()}
        # a release whose files are gone is answered for by all that are left
        since = [(change, computed[number] | earlier.gone) for number, change in changes.items()]
        new = fresh(only, present, since, steps, frequencies.policy.min_carriers, UNIT)
        for name in ("cells", "ac", "classes"):
            getattr(cells, name)[again] = getattr(new, name)
        known = {} if earlier.gone else changes
        in_step[again] = in_step_after(new, steps, standing.release[again][:, -1, -1], known)
    return _rows(sites, atoms, _values(table, cells), cells.cells, in_step, standing, number)


def _everything(told: Told) -> Fresh:
    return Fresh(told.groups.copy(), told.ac.copy(), told.classes.copy())


def _changes(
    frequencies: Frequencies, contig: str, sites: pa.Table, atoms: Atoms, earlier: Earlier
) -> dict[int, Change]:
    """Who joined or left since each earlier release whose files are there."""
    now = State(frequencies.snapshot, frequencies.samples)
    return {
        number: joined_and_left(state, now, sites, contig, atoms, only_joined=earlier.gone)
        for number, state in earlier.states.items()
    }


def _computed(release: NodeRelease, sites: pa.Table, contig: str) -> Mask:
    """Whether *release* computed each of *sites*, or left it as it stood."""
    rows = release.kept_rows(contig)
    totals = pc.and_(pc.equal(rows.column("population"), TOTAL), pc.equal(rows.column("sex"), TOTAL))
    fresh_here = pc.and_(totals, pc.equal(rows.column("release"), release.number))
    place = pa.array(np.arange(sites.num_rows, dtype=np.int64))
    numbered = sites.select(list(KEY)).append_column("place", place)
    found = rows.filter(fresh_here).select(list(KEY)).join(numbered, keys=list(KEY), join_type="inner")
    computed = np.zeros(sites.num_rows, dtype=bool)
    computed[found.column("place").to_numpy()] = True
    return computed


def _values(table: ClassTable, cells: Fresh) -> dict[str, Counts]:
    """The counts of the groups; -1 where not told."""
    wide = {name: with_margins(counts) for name, counts in table.classes.items()}
    het, hom, hemi, ref2, ref1 = (wide[name] for name in CLASSES)
    hidden = ~cells.classes
    persons = with_margins(table.atoms.samples[None])[0]
    return {
        "ac": np.where(cells.ac, het + 2 * hom + hemi, -1),
        "an": 2 * (het + hom + ref2) + hemi + ref1,
        "n_het": np.where(hidden, -1, het),
        "n_hom_alt": np.where(hidden, -1, hom),
        "n_hemi": np.where(hidden, -1, hemi),
        "n_called": het + hom + hemi + ref2 + ref1,
        "n_persons": np.broadcast_to(persons, het.shape),
    }


def _rows(
    sites: pa.Table,
    atoms: Atoms,
    values: Mapping[str, Counts],
    cells: Mask,
    in_step: Mask,
    standing: Standing,
    number: int,
) -> pa.Table:
    """Rows (KEPT_ROWS) by site and group, totals first."""
    # totals before labels, NULL last
    order = np.ix_(
        np.arange(sites.num_rows),
        _total_first(len(atoms.populations)),
        _total_first(len(atoms.sexes)),
    )
    shown = (cells | standing.there)[order]
    site, row, column = np.nonzero(shown)
    new = cells[order][shown]
    columns: dict[str, Any] = {
        name: sites.column(name).take(array(site))
        for name in ("contig", "pos", "ref", "alt", "variant_id", "end_pos")
    }
    columns["population"] = pa.array([TOTAL, *atoms.populations], pa.string()).take(array(row))
    columns["sex"] = pa.array([TOTAL, *atoms.sexes], pa.string()).take(array(column))
    for name, found in values.items():
        kept = np.where(new, found[order][shown], standing.values[name][order][shown])
        columns[name] = pa.array(kept, mask=kept < 0)
    columns["release"] = pa.array(np.where(new, number, standing.release[order][shown]).astype(np.int32))
    columns["in_step"] = pa.array(in_step[order][shown])
    return pa.table({name: columns[name] for name in KEPT_ROWS.names}).cast(KEPT_ROWS)


def _total_first(labels: int) -> Counts:
    """The places of *labels* labels and the total behind them, the total first."""
    return np.array([labels, *range(labels)])
