"""Genotype classes by site and stratum from the lake's `strata` files: no call is read.

A stratum is a population, a sex and a consent code. The files count het, hom-alt, hemizygous and not
called persons, and AN; the two classes that they do not name follow: with n persons, AN is twice those
called, less one for each hemizygous person and each with one reference allele.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.engine.class_counts import PLACE, ClassCounts, add_filled, groups_of_batch, without_unlisted
from goe_lake.engine.genotypes import CLASSES, Indexes, one_chunk
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session
from goe_lake.lake.layout import STRATUM_COLUMNS

#: The columns of persons that decide their stratum; the country is checked to be one a stratum.
DECIDED: Final = frozenset({("samples", name) for name in (*STRATUM_COLUMNS, "country")})
_COUNTED: Final = ("het", "hom_alt", "hemi", "not_called", "an")
#: Counts of whole contigs are kept for the next question up to so many bytes in all.
MOST_KEPT: Final = 192_000_000

#: Persons, or AN, by counted column, stratum and site.
StoredCounts = npt.NDArray[np.int32]
Labels = tuple[str | None, ...]


@dataclass(eq=False)
class SessionStrata:
    """The strata of the persons of *session*: the rows of its table `strata`, in order.

    *stratum* gives each sample's stratum, -1 for one without genotypes; *sizes* the samples of each.
    """

    session: Session
    labels: tuple[Labels, ...]
    sizes: Indexes
    stratum: Indexes
    _files: dict[str, _StrataFile | None] = field(default_factory=dict)
    _kept: OrderedDict[str, StoredCounts] = field(default_factory=OrderedDict)

    def counts(self, sites: Selection, group_of: Indexes, groups: int) -> ClassCounts | None:
        """The classes at *sites*; *group_of* gives each stratum's group, -1 for none.

        None where the files do not count the persons of this session.
        """
        counts = np.zeros((groups, len(CLASSES), len(sites)), dtype=np.int32)
        for contig, where in sites.by_contig():
            here = sites.part(where.start, where.stop)
            own = here.places >= 0
            added = counts[:, :, where]
            if own.any():
                stored = self._stored(contig, here.places if own.all() else here.places[own])
                if stored is None:
                    return None
                found = _classes(stored, self.sizes, group_of, groups)
                if own.all():
                    added[:] = found
                else:
                    added[:, :, own] = found
            # sites that no batch of the node has
            group = self.groups_of_samples(group_of)
            for batch in self.session.batches.values():
                add_filled(added, batch, contig, here, ~own, groups_of_batch(batch, group))
        without_unlisted(counts, sites)
        return counts

    def groups_of_samples(self, group_of: Indexes) -> Indexes:
        """The group of each sample's stratum, -1 for none."""
        return np.append(group_of, -1)[self.stratum]

    def _stored(self, contig: str, places: Indexes) -> StoredCounts | None:
        """The counts of the contig's sites at *places* in the lake: (counted, strata, sites)."""
        if contig not in self._files:
            self._files[contig] = _open(self.session, contig, self.labels, self.sizes)
        file = self._files[contig]
        if file is None:
            return None
        if contig not in self._kept:
            if file.bytes > MOST_KEPT:
                return file.read(places)
            while self._kept and sum(kept.nbytes for kept in self._kept.values()) + file.bytes > MOST_KEPT:
                self._kept.popitem(last=False)
            whole = file.read(np.arange(file.sites))
            if whole is None:
                self._files[contig] = None
                return None
            self._kept[contig] = whole
        self._kept.move_to_end(contig)
        whole = self._kept[contig]
        everything = len(places) == whole.shape[2] and bool((places == np.arange(len(places))).all())
        return whole if everything else whole[:, :, places]


def session_strata(session: Session) -> SessionStrata | None:
    """The strata of *session*, and its table `strata` of them; None where a stratum has two countries."""
    connection = session.connection
    known = [name for name in (*STRATUM_COLUMNS, "country") if session.column("samples", name) is not None]
    genotyped = [batch.samples[batch.samples >= 0] for batch in session.batches.values()]
    numbers = np.concatenate([np.empty(0, dtype=np.int64), *genotyped])
    connection.register("genotyped", pa.table({"s": pa.array(numbers, pa.int32())}))
    columns = ", ".join(
        name if name in known else f"NULL::VARCHAR AS {name}" for name in (*STRATUM_COLUMNS, "country")
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE strata AS "
        f"SELECT (row_number() OVER (ORDER BY {', '.join(STRATUM_COLUMNS)}) - 1)::INTEGER AS s, * "
        f"FROM (SELECT DISTINCT {columns} FROM samples WHERE s IN (SELECT s FROM genotyped))"
    )
    connection.unregister("genotyped")
    rows = connection.execute(f"SELECT {', '.join(STRATUM_COLUMNS)} FROM strata ORDER BY s").fetchall()
    labels = tuple(tuple(row) for row in rows)
    if len(set(labels)) != len(labels):
        return None
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM p.{name}" for name in known if name != "country")
    stratum_of = connection.sql(
        f"SELECT p.s, t.s AS t FROM samples p JOIN strata t ON {same or 'TRUE'}"
    ).to_arrow_table()
    of_everyone = np.full(session.samples, -1, dtype=np.int64)
    of_everyone[stratum_of.column("s").to_numpy()] = stratum_of.column("t").to_numpy()
    stratum = np.full(session.samples, -1, dtype=np.int64)
    stratum[numbers] = of_everyone[numbers]
    sizes = np.bincount(stratum[stratum >= 0], minlength=len(labels))
    return SessionStrata(session, labels, sizes, stratum)


@dataclass(frozen=True, eq=False)
class _StrataFile:
    """The strata of one contig: for each site in order a row for each of *height* strata.

    *columns* is the place, among the file's strata, of each stratum of the session.
    """

    path: Path
    metadata: pq.FileMetaData
    labels: tuple[Labels, ...]
    columns: tuple[int, ...]
    sizes: Indexes

    @property
    def height(self) -> int:
        """The rows of one site."""
        return len(self.labels)

    @property
    def sites(self) -> int:
        """The sites of the contig."""
        return self.metadata.num_rows // self.height

    @property
    def bytes(self) -> int:
        """The bytes of all counts in memory."""
        return 4 * len(_COUNTED) * len(self.columns) * self.sites

    def read(self, places: Indexes) -> StoredCounts | None:
        """The counts of the sites at *places* (rising); None where the rows are not as they should be."""
        ends = np.cumsum([self.metadata.row_group(g).num_rows for g in range(self.metadata.num_row_groups)])
        starts = ends - np.diff(ends, prepend=0)
        # a site's rows may begin in one row group and end in the next
        wanted = np.zeros(len(ends) + 1, dtype=np.int64)
        np.add.at(wanted, np.searchsorted(ends, places * self.height, side="right"), 1)
        np.add.at(wanted, np.searchsorted(ends, (places + 1) * self.height - 1, side="right") + 1, -1)
        groups = np.flatnonzero(np.cumsum(wanted)[:-1] > 0)
        with pq.ParquetFile(self.path, metadata=self.metadata) as file:
            table = file.read_row_groups(groups.tolist(), columns=[*_COUNTED, "n_persons"])
        # row of the first stratum of each site, among the rows that were read
        read = np.concatenate(([0], np.cumsum((ends - starts)[groups])[:-1])) if len(groups) else groups
        first = places * self.height
        group = np.searchsorted(ends, first, side="right")
        offset = read[np.searchsorted(groups, group)] + first - starts[group]
        return self._by_stratum(table, offset)

    def _by_stratum(self, table: pa.Table, first: Indexes) -> StoredCounts | None:
        rows = {name: one_chunk(table.column(name)).to_numpy() for name in (*_COUNTED, "n_persons")}
        counts = np.empty((len(_COUNTED), len(self.columns), len(first)), dtype=np.int32)
        whole = len(first) * self.height == len(table)
        for number, column in enumerate(self.columns):
            taken = slice(column, None, self.height) if whole else first + column
            if (rows["n_persons"][taken] != self.sizes[number]).any():
                return None
            for place, name in enumerate(_COUNTED):
                counts[place, number] = rows[name][taken]
        return counts


def _open(session: Session, contig: str, labels: tuple[Labels, ...], sizes: Indexes) -> _StrataFile | None:
    """The strata file of *contig*; None where it is not of these strata and of the contig's sites."""
    files = session.snapshot.files("strata", contig)
    if len(files) != 1 or len(session.snapshot.files("variants", contig)) != 1:
        return None
    metadata = pq.read_metadata(files[0])
    sites = sum(pq.read_metadata(path).num_rows for path in session.snapshot.files("variants", contig))
    height, rest = divmod(metadata.num_rows, max(1, sites))
    if not sites or rest or not height:
        return None
    with pq.ParquetFile(files[0], metadata=metadata) as file:
        first = next(file.iter_batches(height, columns=list(STRATUM_COLUMNS)))
    found = tuple(tuple(row[name] for name in STRATUM_COLUMNS) for row in first.to_pylist())
    if len(set(found)) != height or not set(labels) <= set(found):
        return None
    return _StrataFile(files[0], metadata, found, tuple(found.index(label) for label in labels), sizes)


def _classes(stored: StoredCounts, sizes: Indexes, group_of: Indexes, groups: int) -> ClassCounts:
    """The classes of each group from what is stored by stratum: (groups, classes, sites)."""
    counts = np.zeros((groups, len(CLASSES), stored.shape[2]), dtype=np.int32)
    for number in range(groups):
        members = np.flatnonzero(group_of == number)
        persons = np.int32(sizes[members].sum())
        het, hom, hemi, none, alleles = (_sum(column, members) for column in stored)
        ref1 = 2 * (persons - none) - hemi - alleles
        values = {"het": het, "hom": hom, "hemi": hemi, "nc": none, "ref1": ref1}
        for name, value in values.items():
            counts[number, PLACE[name]] = value
        counts[number, PLACE["ref"]] = persons - none - hemi - ref1 - het - hom
    return counts


def _sum(column: StoredCounts, members: Indexes) -> npt.NDArray[np.int32]:
    """The sum over the strata *members*."""
    total: npt.NDArray[np.int32] = column[members[0]].copy()
    for member in members[1:]:
        total += column[member]
    return total
