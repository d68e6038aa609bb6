"""Files of other persons with sites of their own, as one batch: the union of their sites.

Each row comes from one group of persons, a single-person file say. At a site that a group's files lack,
its persons are what the batch's fill says. Whole windows of sites are arrays of sites by persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.genome import Assembly
from goe_lake.lake.callable import Fill
from goe_lake.lake.info import joined as info_of_both
from goe_lake.lake.ploidy import stretch_rows
from goe_lake.vcf.arrow import Indexes, array, in_one_piece, nulls, same_as_next, table
from goe_lake.vcf.chunk import MISSING
from goe_lake.vcf.encode import (
    CALLS,
    CLASS_CODES,
    KEY,
    ROWS,
    encode_class,
    listed_persons,
    mapped_persons,
)
from goe_lake.vcf.kept import FIELD_BOUNDS, stored_values, values_of
from goe_lake.vcf.reader import Piece

#: The most genotypes of a window.
WINDOW_GENOTYPES: Final = 8_000_000
_HOM_REF: Final = 6
_SITES: Final = pa.schema([*CALLS, *(field for field in ROWS if field.name not in CALLS.names)])


@dataclass(frozen=True, eq=False)
class Groups:
    """The files of a batch by group: for each file its group's *first* person and number of *persons*."""

    first: Indexes
    persons: Indexes
    total: int

    @property
    def window(self) -> int:
        """Sites to expand at a time."""
        return max(16, WINDOW_GENOTYPES // max(1, self.total))


def groups_of(pieces: Sequence[Piece], total: int) -> Groups:
    """The groups of *pieces* in a batch of *total* persons."""
    first = np.array([piece.first_person for piece in pieces], np.int64)
    return Groups(first, np.array([piece.staying for piece in pieces], np.int64), total)


def merged(
    tables: Iterator[pa.Table], groups: Groups, fill: Fill, assembly: Assembly, contig: str
) -> Iterator[pa.Table]:
    """Rows sorted by key, of several groups each, as rows of the whole batch, one a site."""
    held: pa.Table | None = None
    for rows in tables:
        held = rows if held is None else pa.concat_tables([held, rows])
        starts = _starts(held)
        # the last site may go on in the next table
        while len(starts) > groups.window:
            cut = int(starts[groups.window])
            yield _merged(held.slice(0, cut), groups, fill, assembly, contig)
            held, starts = held.slice(cut), starts[groups.window :] - cut
    if held is not None and len(held):
        starts = np.append(_starts(held), len(held))
        for place in range(0, len(starts) - 1, groups.window):
            start, end = starts[place], starts[min(place + groups.window, len(starts) - 1)]
            yield _merged(held.slice(start, end - start), groups, fill, assembly, contig)


def _starts(rows: pa.Table) -> Indexes:
    """The first row of each site."""
    if not len(rows):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], ~same_as_next(rows, KEY.names))))


def _merged(rows: pa.Table, groups: Groups, fill: Fill, assembly: Assembly, contig: str) -> pa.Table:
    starts = _starts(rows)
    site = np.cumsum(np.bincount(starts, minlength=len(rows))) - 1
    sites = rows.take(array(starts))
    source = rows["source"].to_numpy()
    members = _Members(site, groups.first[source], groups.persons[source])
    columns: dict[str, Any] = {name: sites[name] for name in _SITES.names}
    par = stretch_rows(assembly, contig, sites["pos"])["par"]
    # a code is 3 x called alleles + copies, and who is filled has none
    codes = 3 * fill.called_alleles(sites["pos"].to_numpy().astype(np.int64), par).astype(np.uint8)
    codes[members.everyone()] = _HOM_REF
    for name, code in CLASS_CODES.items():
        codes[members.listed(rows[f"{name}_l"])] = code
        for cells in members.mapped(rows[f"{name}_b"]):
            codes[cells] = code
    for name, code in CLASS_CODES.items():
        columns[f"{name}_l"], columns[f"{name}_b"] = encode_class(codes == code)
    for name in FIELD_BOUNDS:
        columns[name] = _field(rows, name, members, codes.shape)
    for name in ("sv_len", "rsid", "gene", "consequence"):
        columns[name] = _first_known(rows[name], site, len(starts))
    columns["info"] = _infos(rows["info"], site, len(starts))
    columns["filter"] = _filters(rows["filter"], site, starts)
    return table(columns, _SITES)


@dataclass(frozen=True, eq=False)
class _Members:
    """Which cells of (sites, persons) each row is about: its site, first person and how many persons."""

    site: Indexes
    first: Indexes
    persons: Indexes

    def everyone(self) -> tuple[Indexes, Indexes]:
        """The cells of every person of every row."""
        return self._cells(np.arange(len(self.site)))

    def _cells(self, rows: Indexes) -> tuple[Indexes, Indexes]:
        sizes = self.persons[rows]
        row = np.repeat(rows, sizes)
        local = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self.site[row], self.first[row] + local

    def listed(self, column: Any) -> tuple[Indexes, Indexes]:
        """The cells of the persons in a list column."""
        row, person = listed_persons(column)
        return self.site[row], self.first[row] + person

    def mapped(self, column: Any) -> Iterator[tuple[Indexes, Indexes]]:
        """The cells of the persons in a bitmap column, by size of group."""
        present = np.flatnonzero(in_one_piece(column).is_valid().to_numpy(zero_copy_only=False))
        for size in np.unique(self.persons[present]).tolist():
            rows = present[self.persons[present] == size]
            place, bits = mapped_persons(column.take(array(rows)), size)
            row, person = np.nonzero(bits)
            row = rows[place[row]]
            yield self.site[row], self.first[row] + person

    def valued(self, column: Any) -> Iterator[tuple[tuple[Indexes, Indexes], npt.NDArray[np.int32]]]:
        """The cells of the persons in a gq or dp column with their values, by size of group."""
        present = np.flatnonzero(in_one_piece(column).is_valid().to_numpy(zero_copy_only=False))
        for size in np.unique(self.persons[present]).tolist():
            rows = present[self.persons[present] == size]
            values, there = values_of(column.take(array(rows)), size)
            yield self._cells(rows), np.where(there, values, MISSING).ravel()


def _field(rows: pa.Table, name: str, members: _Members, shape: tuple[int, ...]) -> Any:
    """A gq or dp column: the values of those whose files have the site, NULL for who is filled."""
    values: npt.NDArray[np.int32] = np.full(shape, MISSING, np.int32)
    listed = np.zeros(shape[0], bool)
    for cells, stored in members.valued(rows[name]):
        values[cells] = stored
        listed[cells[0]] = True
    return stored_values(values[listed], listed)


def _first_known(column: Any, site: Indexes, sites: int) -> Any:
    """For each site the value of the first row that has one."""
    known = np.flatnonzero(in_one_piece(column).is_valid().to_numpy(zero_copy_only=False))
    first = np.full(sites, -1, np.int64)
    first[site[known][::-1]] = known[::-1]
    return in_one_piece(column).take(array(first, mask=first < 0))


def _infos(column: Any, site: Indexes, sites: int) -> Any:
    """For each site the kept INFO fields, each as the first file says that has it."""
    texts = in_one_piece(column)
    if texts.null_count == len(texts):
        return nulls(sites, pa.string())
    found: list[str | None] = [None] * sites
    for place, text in zip(site.tolist(), texts.to_pylist(), strict=True):
        found[place] = info_of_both(found[place], text)
    return array(found, pa.string())


def _filters(column: Any, site: Indexes, starts: Indexes) -> Any:
    """For each site its filters: PASS only if no file says otherwise."""
    words = in_one_piece(column).dictionary_encode()
    codes = words.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    names = [*words.dictionary.to_pylist(), None]
    found = codes[starts]
    other = np.unique(site[codes != found[site]])
    texts: list[str | None] = [names[code] for code in found]
    for place in other.tolist():
        rows = slice(starts[place], starts[place + 1] if place + 1 < len(starts) else len(codes))
        given = {name for code in np.unique(codes[rows]) for name in (names[code] or "").split(";")}
        texts[place] = ";".join(sorted(given - {"", "PASS"})) or "PASS"
    return array(texts, pa.string())
