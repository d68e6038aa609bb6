"""Cells and their evidence from persons' totals in memory, where these are few.

It counts what the SQL of `Blueprint` counts from the tables `totals` and `cells`. DuckDB takes longer to
plan statements of some dozen aggregates than to run them over some thousand persons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa

from goe_lake.disclosure import ClassEvidence, Evidence, Family, Rule
from goe_lake.disclosure.evidence import Shares
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.assembled import Columns, Groups, assemble
from goe_lake.engine.behind import RowsBehind, by_rows, codes_of, site_of_all
from goe_lake.engine.blueprint import ONCE, ROWS, THERE, Blueprint, Kinds
from goe_lake.engine.class_kinds import ClassKind
from goe_lake.engine.duck import one_row
from goe_lake.engine.ranks import distinct, ranks
from goe_lake.engine.sql import identifier
from goe_lake.engine.totals import Totals, TotalsOfRows
from goe_lake.release import Measure, MeasureFunction
from goe_lake.vcf.arrow import pc

#: More totals than these stay in DuckDB, which need not hold them in memory.
MOST_TOTALS: Final = 300_000
#: Sums below it are counted with 64 bits.
MOST_SUM: Final = 2**62


def gather_few(blueprint: Blueprint) -> tuple[pa.Table, Evidence] | None:
    """The cells and their evidence, in the order of the keys; None where DuckDB has to count them.

    So it has to where totals are many or none, numbers have more than 64 bits, keys are floating (-0 is
    0 there), a person's scores are looked up, or each cell lies at a site of its own.
    """
    if not _fits(blueprint):
        return None
    # what follows from one row is not planned by DuckDB, column by column
    sql = blueprint.rows_sql() if blueprint.single else blueprint.totals_sql()
    table = blueprint.reading.session.connection.sql(sql).to_arrow_table()
    floating = any(pa.types.is_floating(table.schema.field(name).type) for name in blueprint.keys)
    if floating or not len(table):
        return None
    table = _sorted(table, blueprint.keys)
    try:
        return _Few(
            blueprint, TotalsOfRows(blueprint, table) if blueprint.single else Totals(table)
        ).gathered()
    except (pa.ArrowInvalid, OverflowError):
        return None


def _fits(blueprint: Blueprint) -> bool:
    reading = blueprint.reading
    scored = reading.session.audited and any(code.of is None for _, code, _ in codes_of(blueprint))
    if scored or (blueprint.one_site and reading.keyed_by_site):
        return False
    read = {kind.carriers for kind in blueprint.classes if kind.carriers is not None}
    if reading.scans("genotypes"):
        if reading.scans("scores"):
            return False
        read.add("genotype_rows")
    elif reading.scans("scores"):
        read.add("scores")
    connection = reading.session.connection
    counts = (one_row(connection, f"SELECT count(*) FROM {identifier(name)}")[0] for name in sorted(read))
    return reading.session.samples <= MOST_TOTALS and all(count <= MOST_TOTALS for count in counts)


def _sorted(totals: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    """*totals* by cell and person, with the number of the `cell`."""
    cell = ranks(totals.select(list(keys)), len(totals))
    person = totals.column("person").to_numpy().astype(np.int64)
    place = cell * (int(person.max()) + 1) + person
    numbered = totals.append_column("cell", pa.array(cell))
    return numbered if (np.diff(place) > 0).all() else numbered.take(pa.array(np.argsort(place), pa.int64()))


@dataclass(eq=False)
class _Few:
    """*totals* are sorted by cell and person."""

    blueprint: Blueprint
    totals: Totals

    def gathered(self) -> tuple[pa.Table, Evidence]:
        """The cells and their evidence."""
        blueprint, columns = self.blueprint, Columns()
        for name in ("", *(str(place) for place in range(len(blueprint.reading.filters)))):
            columns.update(self._standing(name))
        table: dict[str, Any] = {name: self.keys.column(name) for name in blueprint.keys}
        for place, measure in enumerate(blueprint.measures):
            values, found = self._measure(place, measure)
            table[measure.name] = values
            columns.update({f"{measure.name}_{name}": column for name, column in found.items()})
        evidence = assemble(
            blueprint,
            columns,
            self._groups(columns["persons"] + columns["outside"]),
            [self._family(kinds) for kinds in blueprint.kinds],
            [self._classes(place, kind) for place, kind in enumerate(blueprint.classes)],
        )
        if blueprint.reading.session.audited:
            evidence = replace(evidence, behind=self._behind(), places=np.arange(self.cells))
        return pa.table(table), evidence

    # columns of the totals ------------------------------------------------------------------------------

    @cached_property
    def cell(self) -> Counts:
        """The cell of each total; they rise."""
        return self.totals.numbers("cell")

    @cached_property
    def starts(self) -> Counts:
        """The first total of each cell."""
        return np.flatnonzero(np.diff(self.cell, prepend=-1)).astype(np.int64)

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.starts)

    @cached_property
    def keys(self) -> pa.Table:
        """The keys of each cell."""
        names = list(self.blueprint.keys)
        return self.totals.table.select(names).take(pa.array(self.starts, pa.int64()))

    @cached_property
    def there(self) -> Mask:
        """Whether a person is inside or outside of a cell."""
        return (self.totals.numbers("n_in") > 0) | (self.totals.numbers("n_out") > 0)

    # sums over a cell ------------------------------------------------------------------------------------

    def count(self, chosen: Mask) -> Counts:
        """How many of the *chosen* totals each cell has."""
        return np.bincount(self.cell[chosen], minlength=self.cells).astype(np.int64)

    def sum(self, values: Counts) -> Counts:
        """The sum of *values* over each cell; raises OverflowError where 64 bits may not hold it."""
        largest = max(abs(int(values.max())), abs(int(values.min())))
        if largest * len(values) >= MOST_SUM:
            raise OverflowError
        return np.asarray(np.add.reduceat(values, self.starts), dtype=np.int64)

    def sizes(self, chosen: Mask, values: Counts) -> tuple[Counts, Counts]:
        """How many *chosen* totals of each cell have each of *values*: the cells, and the sizes."""
        pairs = distinct([self.cell[chosen], values[chosen]])
        size = np.bincount(pairs[1], minlength=len(pairs[0])).astype(np.int64)
        return pairs[0][:, 0], size

    def largest_size(self, chosen: Mask, values: Counts) -> Counts:
        """How many *chosen* totals of each cell share the commonest of *values*."""
        return self._extreme(np.maximum, *self.sizes(chosen, values))

    def _extreme(self, which: np.ufunc, cell: Counts, size: Counts, cells: int | None = None) -> Counts:
        """The least or the largest *size* of each cell; 0 where there is none."""
        found = np.zeros(self.cells if cells is None else cells, dtype=np.int64)
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        if len(first):
            found[cell[first]] = which.reduceat(size, first)
        return found

    # evidence ------------------------------------------------------------------------------------------

    def _standing(self, name: str) -> Columns:
        inside = self.totals.numbers(f"n_in{name}") > 0
        return {
            f"persons{name}": self.count(inside),
            f"outside{name}": self.count(~inside & (self.totals.numbers(f"n_out{name}") > 0)),
            f"known_persons{name}": self.count(self.totals.numbers(f"k_in{name}") > 0),
            f"known_outside{name}": self.count(~inside & (self.totals.numbers(f"k_out{name}") > 0)),
            f"unknown_persons{name}": self.count(self.totals.numbers(f"u_in{name}") > 0),
            f"unknown_outside{name}": self.count(~inside & (self.totals.numbers(f"u_out{name}") > 0)),
        }

    def _measure(self, place: int, measure: Measure) -> tuple[pa.Array[Any], Columns]:
        """The values of one measure, and its participants, commonest, carriers, shares and smallest class."""
        totals, given = self.totals.numbers(f"t{place}"), self.totals.given(f"t{place}")
        values = pa.array(self.sum(totals)).cast(pa.decimal128(38, 0))
        has, shares = totals > 0, np.zeros(self.cells)
        smallest, unlike, values_of, rarest = np.zeros((4, self.cells), dtype=np.int64)
        if measure.function is MeasureFunction.SUM:
            some = pa.array(self.count(given) > 0)
            values = pc.if_else(some, values, pa.scalar(None, values.type))
            if {factor.column for factor in measure.factors} != {"called_alleles"}:
                has = given
            commonest = self.largest_size(has, totals)
            shares = self._shares(place, measure, totals)
            if self.blueprint.has_classes(measure):
                smallest = self._smallest(f"class{place}", has)
            if self.blueprint.is_of_few(measure):
                smallest = np.ones_like(smallest)
            unlike = self._unlike(place, measure, has)
            if self.blueprint.least_values(measure):
                values_of, rarest = self._spread(place, measure, has)
        else:
            one = self.blueprint.reading.session.one_sample_a_person
            alike = measure.function is MeasureFunction.PERSONS and one
            commonest = (
                self.count(has) if alike else self.largest_size(has, self.totals.numbers(f"rows{place}"))
            )
        return values, {
            "participants": self.count(has),
            "commonest": commonest,
            "carriers": self.count(totals > 0),
            "share": shares,
            "smallest": smallest,
            "unlike": unlike,
            "values": values_of,
            "rarest": rarest,
        }

    def _spread(self, place: int, measure: Measure, has: Mask) -> tuple[Counts, Counts]:
        """How many different values there are (of several columns, of one), and how many share the rarest."""
        apart = len(self.blueprint.columns_apart(measure))
        names = [f"y{place}_{number}" for number in range(apart)] or [f"t{place}"]
        found = [self.sizes(has & self.totals.given(name), self.totals.numbers(name)) for name in names]
        values = np.min([np.bincount(cell, minlength=self.cells) for cell, _ in found], axis=0)
        rarest = np.zeros(self.cells, dtype=np.int64) if apart else self._extreme(np.minimum, *found[0])
        return values.astype(np.int64), rarest

    def _unlike(self, place: int, measure: Measure, has: Mask) -> Counts:
        """How many persons lack the commonest value of a product's column: the fewest that are any."""
        fewest = np.zeros(self.cells, dtype=np.int64)
        for number in range(len(self.blueprint.columns_apart(measure))):
            name = f"y{place}_{number}"
            others = self.count(has) - self.largest_size(
                has & self.totals.given(name), self.totals.numbers(name)
            )
            fewer = (others > 0) & ((fewest == 0) | (others < fewest))
            fewest[fewer] = others[fewer]
        return fewest

    def _shares(self, place: int, measure: Measure, totals: Counts) -> Shares:
        """The largest share of one person in a sum; of a product, in the sum of its centred terms."""
        whole: Any
        if self.blueprint.rule_of(measure) is Rule.MOMENT_OF_FEW:
            return np.zeros(self.cells)
        if len(measure.factors) == 1:
            sizes: Any = np.abs(totals)
            whole = self.sum(sizes).astype(np.float64)
        else:
            sizes = self.totals.doubles(f"d{place}")
            whole = np.add.reduceat(sizes, self.starts)
        largest = np.maximum.reduceat(sizes, self.starts).astype(np.float64)
        shares: Shares = np.divide(largest, whole, out=np.zeros(self.cells), where=whole > 0)
        return shares

    def _smallest(self, name: str, has: Mask) -> Counts:
        """How many persons the smallest class that is not empty has."""
        return self._extreme(np.minimum, *self.sizes(has & self.totals.given(name), self.totals.codes(name)))

    def _groups(self, added: Counts) -> Groups:
        """The group of each cell and its persons."""
        reading = self.blueprint.reading
        group = ranks(self.keys.select(list(reading.public_keys)), self.cells)
        groups = int(group.max()) + 1
        pairs, _ = distinct([group[self.cell[self.there]], self.totals.numbers("person")[self.there]])
        union = np.bincount(pairs[:, 0], minlength=groups).astype(np.int64)
        whole = np.bincount(group, added, minlength=groups).astype(np.int64)
        margins = (ranks(self.keys.select(list(margin)), self.cells) for margin in reading.release.margins)
        return Groups(group, union[group], (whole == union)[group], tuple(margins))

    def _family(self, kinds: Kinds) -> Family:
        there, width = self.there, len(kinds.sql)
        known = {
            THERE: (self.totals.numbers("n_in") > 0).astype(np.int64),
            ROWS: self.totals.numbers("n_in"),
            ONCE: np.ones(len(there), dtype=np.int64),
        }
        added = [*(known[name] for name in kinds.known), *map(self.totals.numbers, kinds.columns)]
        excused = np.zeros(len(there), dtype=bool)
        for name in kinds.excused:
            excused |= self.totals.numbers(name) > 0
        vectors, kind = distinct([column[there] for column in (*added, excused.astype(np.int64))])
        pairs, number = distinct([self.cell[there], kind])
        return Family(
            measures=kinds.measures,
            known=len(kinds.known),
            vectors=vectors[:, :width],
            excused=vectors[:, width] > 0,
            cell=pairs[:, 0],
            kind=pairs[:, 1],
            persons=np.bincount(number, minlength=len(pairs)).astype(np.int64),
        )

    def _classes(self, place: int, kind: ClassKind) -> ClassEvidence:
        """The smallest class of each cell, genotype keys left aside, and who is not in the largest."""
        blueprint, name = self.blueprint, f"c{place}"
        chosen, value = self.totals.given(name), self.totals.numbers(name)
        around = ranks(self.keys.select([key for key in blueprint.keys if key not in kind.aside]), self.cells)
        of, value = around[self.cell][chosen], value[chosen]
        if kind.carriers is not None:
            of, value = self._weighed(kind.carriers, of, self.totals.numbers("person")[chosen])
        elif kind.aside and not blueprint.single:
            pairs, number = distinct([of, self.totals.numbers("person")[chosen]])
            together, of = np.zeros(len(pairs), dtype=np.int64), pairs[:, 0]
            if kind.person:
                together[:] = np.iinfo(np.int64).min
                np.maximum.at(together, number, value)
            else:
                np.add.at(together, number, value)
            value = together
        cells = int(around.max()) + 1
        pairs, number = distinct([of, value])
        size = np.bincount(number, minlength=len(pairs)).astype(np.int64)
        smallest = self._extreme(np.minimum, pairs[:, 0], size, cells)
        if kind.weights:  # a weight that nobody here carries looks like one that a few do
            carried = np.bincount(pairs[pairs[:, 1] % 2 == 0, 0], minlength=cells)
            smallest[(smallest > 0) & (carried < kind.weights)] = 1
        largest = self._extreme(np.maximum, pairs[:, 0], size, cells)
        whole = np.bincount(pairs[:, 0], size, minlength=cells).astype(np.int64)
        by_keys = bool(kind.aside) and kind.carriers is None
        return ClassEvidence(smallest[around], (whole - largest)[around] if by_keys else None)

    def _weighed(self, carriers: str, of: Counts, person: Counts) -> tuple[Counts, Counts]:
        """Each person of a group once, with what the table *carriers* says of the person: group, and c."""
        sql = f"SELECT DISTINCT person, c FROM {identifier(carriers)} ORDER BY person"
        table = self.blueprint.reading.session.connection.sql(sql).to_arrow_table()
        who, c = (table.column(name).to_numpy().astype(np.int64) for name in ("person", "c"))
        pairs, _ = distinct([of, person])
        first = np.searchsorted(who, pairs[:, 1], side="left")
        times = np.searchsorted(who, pairs[:, 1], side="right") - first
        # the first row of a person, and how far behind it each of the others is
        behind = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
        return np.repeat(pairs[:, 0], times), c[np.repeat(first, times) + behind]

    def _behind(self) -> RowsBehind:
        """Who is behind each cell."""
        blueprint = self.blueprint
        codes = {
            name: code.of(self.totals.numbers, place)
            for name, code, place in codes_of(blueprint)
            if code.of is not None
        }
        return RowsBehind(
            blueprint.reading,
            self.cell,
            self.totals.numbers("person"),
            # of a sum below 0 its distance from 2^64
            {name: code.astype(np.uint64) for name, code in codes.items()},
            site_of_all(blueprint, self.cells) if blueprint.one_site else None,
            frozenset(measure.name for measure in blueprint.measures if by_rows(blueprint, measure)),
        )
