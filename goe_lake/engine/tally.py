"""Cells and their evidence from the number of persons of each kind of row, site by site.

What `Blueprint.cells_sql` and its companions count over persons is counted here over kinds, each
weighted with its persons: the same numbers, for all sites at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goe_lake.disclosure import ClassEvidence, Evidence, Family
from goe_lake.disclosure.families import Counts
from goe_lake.engine.assembled import Columns, Groups, assemble
from goe_lake.engine.behind import ClassesBehind
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.class_counts import PLACE, ClassCounts
from goe_lake.engine.genotypes import CLASSES, Indexes
from goe_lake.engine.row_kinds import RowKinds
from goe_lake.engine.selection import Selection
from goe_lake.release import Measure, MeasureFunction

#: Persons by combination of the keys about persons, and site.
Grid: TypeAlias = npt.NDArray[np.int64]
Bits: TypeAlias = npt.NDArray[np.bool_]


def tally(
    blueprint: Blueprint, kinds: RowKinds, sites: Selection, counts: ClassCounts, group_of: Indexes
) -> tuple[pa.Table, Evidence]:
    """The cells at *sites* (keys and values, everything told) and their evidence, site by site.

    *counts* are by group, class and site; *group_of* is the group of each sample.
    """
    tally = _Tally(blueprint, kinds, sites, persons_of_kinds(kinds, counts))
    cells, evidence = tally.cells_and_evidence()
    if not blueprint.reading.session.audited:
        return cells, evidence
    site, combination = tally.places
    behind = ClassesBehind(kinds, tally.key_of, sites, counts, group_of, site, combination)
    return cells, replace(evidence, behind=behind, places=np.arange(len(site)))


@dataclass(frozen=True, eq=False)
class Tallied:
    """Cells, their evidence, and where each is: its site and its combination of the keys about persons.

    *combination_of* gives the combination of each kind.
    """

    cells: pa.Table
    evidence: Evidence
    site: Counts
    combination: Counts
    combination_of: Counts


def tallied(blueprint: Blueprint, kinds: RowKinds, sites: Selection, persons: Grid) -> Tallied:
    """What `tally` gives, from the *persons* of each kind at each site, and where the cells are."""
    whole = _Tally(blueprint, kinds, sites, persons)
    return Tallied(*whole.cells_and_evidence(), *whole.places, whole.key_of)


def persons_of_kinds(kinds: RowKinds, counts: ClassCounts) -> Grid:
    """How many persons have each kind of row: (kinds, sites)."""
    persons = np.zeros((len(kinds.table), counts.shape[2]), dtype=np.int64)
    for group, kind_in in enumerate(kinds.groups):
        for name in CLASSES:
            kind = kind_in[PLACE[name]]
            if kind >= 0:
                persons[kind] += counts[group, PLACE[name]]
    return persons


@dataclass(eq=False)
class _Tally:
    blueprint: Blueprint
    kinds: RowKinds
    sites: Selection
    persons: Grid
    _sums: dict[bytes, Grid] = field(default_factory=dict)

    # keys ---------------------------------------------------------------------------------------------

    @cached_property
    def person_keys(self) -> list[str]:
        return [key.name for key in self.blueprint.reading.person_keys]

    @cached_property
    def key_of(self) -> Counts:
        """The number of each kind's combination of the keys about persons; kinds come sorted by them."""
        return self._numbered(self.person_keys)

    def _numbered(self, names: list[str]) -> Counts:
        """A number for each kind, equal where the columns *names* are; in the order of first use."""
        columns = (self.kinds.table.column(name).to_pylist() for name in names)
        # SQL groups what is not a number together, and Python tells it apart from itself
        rows = zip(*(["NaN" if x != x else x for x in column] for column in columns), strict=True)
        numbers: dict[tuple[Any, ...], int] = {}
        found = [numbers.setdefault(row, len(numbers)) for row in rows]
        return np.array(found if names else [0] * len(self.persons), dtype=np.int64)

    @cached_property
    def combinations(self) -> int:
        """How many combinations of keys about persons there are; one where there is no such key."""
        return max(1, int(self.key_of.max(initial=0)) + 1)

    # sums of persons ----------------------------------------------------------------------------------

    def sum(self, chosen: Bits) -> Grid:
        """The persons of the *chosen* kinds: (combinations, sites)."""
        return self._sum(chosen, np.ones(len(chosen), dtype=np.int64))

    def _sum(self, chosen: Bits, weights: Counts) -> Grid:
        """The sum of *weights* over the persons of the *chosen* kinds, worked out once."""
        weights = np.where(chosen, weights, 0)
        name = weights.tobytes()
        if name not in self._sums:
            self._sums[name] = self._by(self.key_of, self.combinations, weights)
        return self._sums[name]

    def _by(self, number_of: Counts, numbers: int, weights: Counts) -> Grid:
        """The weighted persons of the kinds of each number: (numbers, sites)."""
        total = np.zeros((numbers, self.persons.shape[1]), dtype=np.int64)
        for kind in np.flatnonzero(weights):
            weight = weights[kind]
            total[number_of[kind]] += self.persons[kind] if weight == 1 else self.persons[kind] * weight
        return total

    # cells --------------------------------------------------------------------------------------------

    @cached_property
    def there(self) -> Bits:
        """Which (site, combination) is a cell: any where a person has a row; the only one without keys."""
        if not self.blueprint.keys:
            return np.ones((len(self.sites), 1), dtype=bool)
        return np.ascontiguousarray(self.sum(np.ones(len(self.persons), dtype=bool)).T > 0)

    @cached_property
    def everywhere(self) -> bool:
        return bool(self.there.all())

    @cached_property
    def cell_of(self) -> Counts:
        """The number of each cell by (site, combination), -1 where there is none."""
        numbers = np.full(self.there.shape, -1, dtype=np.int64)
        numbers[self.there] = np.arange(int(self.there.sum()))
        return numbers

    @cached_property
    def places(self) -> tuple[Counts, Counts]:
        """The site and the combination of each cell."""
        site, combination = np.nonzero(self.there)
        return site.astype(np.int64), combination.astype(np.int64)

    def pick(self, grid: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The entries of *grid* (combinations, sites) that are cells, in their order."""
        flat = grid.reshape(-1) if len(grid) == 1 else grid.T.reshape(-1)
        return flat if self.everywhere else flat[self.there.reshape(-1)]

    def cells_and_evidence(self) -> tuple[pa.Table, Evidence]:
        blueprint = self.blueprint
        columns = Columns()
        columns.update(self._standing(""))
        for place in range(len(blueprint.reading.filters)):
            columns.update(self._standing(str(place)))
        table: dict[str, Any] = self._key_columns()
        for place, measure in enumerate(blueprint.measures):
            values, evidence = self._measure(place, measure)
            table[measure.name] = values
            columns.update({f"{measure.name}_{name}": column for name, column in evidence.items()})
        names = (*blueprint.keys, *(measure.name for measure in blueprint.measures))
        cells = pa.table({name: table[name] for name in names})
        families = [self._family(place) for place in range(len(blueprint.kinds))]
        classes = [self._classes(place) for place in range(len(blueprint.classes))]
        return cells, assemble(blueprint, columns, self._groups(), families, classes)

    def _key_columns(self) -> dict[str, Any]:
        site, combination = self.places
        columns: dict[str, Any] = {}
        whole = self.everywhere and self.combinations == 1
        for name in self.sites.keys.column_names:
            column = self.sites.keys.column(name)
            columns[name] = column if whole else column.take(site)
        _, first = np.unique(self.key_of, return_index=True)
        for name in self.person_keys:
            columns[name] = self.kinds.table.column(name).take(first).take(combination)
        return columns

    def _standing(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """The persons inside and outside: all, those known, and those whom a missing value hides."""
        inside = self.kinds.numbers(f"n_in{name}") > 0
        chosen = {
            f"persons{name}": inside,
            f"outside{name}": ~inside & (self.kinds.numbers(f"n_out{name}") > 0),
            f"known_persons{name}": self.kinds.numbers(f"k_in{name}") > 0,
            f"known_outside{name}": ~inside & (self.kinds.numbers(f"k_out{name}") > 0),
            f"unknown_persons{name}": self.kinds.numbers(f"u_in{name}") > 0,
            f"unknown_outside{name}": ~inside & (self.kinds.numbers(f"u_out{name}") > 0),
        }
        return {column: self.pick(self.sum(mask)) for column, mask in chosen.items()}

    def _measure(self, place: int, measure: Measure) -> tuple[Any, dict[str, npt.NDArray[Any]]]:
        """The values of one measure, and its participants, commonest, carriers and largest share."""
        kinds = self.kinds
        totals, given = kinds.numbers(f"t{place}"), kinds.given(f"t{place}")
        total = self._sum(given, totals)
        values = pa.array(self.pick(total))
        has, share = totals > 0, np.zeros(total.shape, dtype=np.float64)
        smallest = np.zeros(total.shape, dtype=np.int64)
        if measure.function is MeasureFunction.SUM:
            values = pc.if_else(
                pa.array(self.pick(self.sum(given)) > 0), values, pa.scalar(None, values.type)
            )
            if {factor.column for factor in measure.factors} != {"called_alleles"}:
                has = given
            commonest = self._commonest(totals, has)
            if len(measure.factors) == 1:
                share = self._largest(totals, given)
            else:
                smallest = self._smallest(self._numbered([f"class{place}"]), has)
        else:
            commonest = self.sum(has)  # each has one row
        return values.cast(pa.decimal128(38, 0)), {
            "participants": self.pick(self.sum(has)),
            "commonest": self.pick(commonest),
            "carriers": self.pick(self.sum(totals > 0)),
            "share": self.pick(share),
            "smallest": self.pick(smallest),
            # one factor of many values is not of genotypes
            **{name: self.pick(np.zeros_like(smallest)) for name in ("unlike", "values", "rarest")},
        }

    def _smallest(self, class_of: Counts, has: Bits) -> Grid:
        """How many persons the smallest class that is not empty has, among those who have a value."""
        smallest = np.zeros((self.combinations, len(self.sites)), dtype=np.int64)
        for number in np.unique(class_of[has]):
            size = self.sum(has & (class_of == number))
            fewer = (size > 0) & ((smallest == 0) | (size < smallest))
            smallest[fewer] = size[fewer]
        return smallest

    def _commonest(self, totals: Counts, has: Bits) -> Grid:
        """How many persons share the commonest total among those who have one."""
        found = np.zeros((self.combinations, len(self.sites)), dtype=np.int64)
        for value in np.unique(totals[has]):
            np.maximum(found, self.sum(has & (totals == value)), out=found)
        return found

    def _largest(self, totals: Counts, given: Bits) -> npt.NDArray[np.float64]:
        """The largest share of one person in the sum of absolute totals; 0 where that is 0."""
        sizes = np.abs(totals)
        largest = np.zeros((self.combinations, len(self.sites)), dtype=np.float64)
        for size in np.unique(sizes[given & (sizes > 0)]):
            largest[self.sum(given & (sizes == size)) > 0] = size
        whole = self._sum(given, sizes)
        return np.divide(largest, whole, out=largest, where=whole > 0)

    # evidence -----------------------------------------------------------------------------------------

    def _family(self, place: int) -> Family:
        """The kinds of persons in each cell, for the measures of one quantity."""
        kinds, table = self.blueprint.kinds[place], self.kinds
        width = len(kinds.sql)
        columns = [table.numbers(f"v{place}_{number}") for number in range(width)]
        columns.append(table.numbers(f"excused{place}"))
        distinct, kind_of = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
        there = (table.numbers("n_in") > 0) | (table.numbers("n_out") > 0)
        nothing = np.empty(0, dtype=np.int64)
        found = [(nothing, nothing, nothing)]
        for kind in range(len(distinct)):
            grid = self.sum(there & (kind_of.reshape(-1) == kind)).T
            site, combination = np.nonzero(grid)
            cell = self.cell_of[site, combination]
            found.append((cell, np.full(len(cell), kind, dtype=np.int64), grid[site, combination]))
        cell, kind_in, persons = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return Family(
            measures=kinds.measures,
            known=len(kinds.known),
            vectors=distinct[:, :width],
            excused=distinct[:, width] > 0,
            cell=cell,
            kind=kind_in,
            persons=persons,
        )

    def _classes(self, place: int) -> ClassEvidence:
        """The smallest class that is not empty; genotype keys aside, since those tell the classes."""
        told = self.blueprint.reading.genotype_keys
        number_of = self._numbered([name for name in self.person_keys if name not in told])
        given, values = self.kinds.given(f"c{place}"), self.kinds.numbers(f"c{place}")
        numbers = int(number_of.max(initial=0)) + 1
        smallest, largest, total = (np.zeros((numbers, len(self.sites)), dtype=np.int64) for _ in "abc")
        for value in np.unique(values[given]):
            size = self._by(number_of, numbers, (given & (values == value)).astype(np.int64))
            fewer = (size > 0) & ((smallest == 0) | (size < smallest))
            smallest[fewer] = size[fewer]
            np.maximum(largest, size, out=largest)
            total += size
        combination = self._of_combinations(number_of)
        others = self.pick((total - largest)[combination]) if self.blueprint.classes[place].aside else None
        return ClassEvidence(self.pick(smallest[combination]), others)

    def _groups(self) -> Groups:
        """The group of each cell and its persons; each person is in one cell of it only."""
        public = self.blueprint.reading.public_keys
        number_of = self._numbered([name for name in self.person_keys if name in public])
        numbers = int(number_of.max(initial=0)) + 1
        there = (self.kinds.numbers("n_in") > 0) | (self.kinds.numbers("n_out") > 0)
        union = self._by(number_of, numbers, there.astype(np.int64))
        site, combination = self.places
        of_combination = self._of_combinations(number_of)
        return Groups(
            group=site * numbers + of_combination[combination],
            union=self.pick(union[of_combination]),
            disjoint=np.ones(len(site), dtype=bool),
            margins=(),  # by_class leaves releases with margins to rows
        )

    def _of_combinations(self, number_of: Counts) -> Counts:
        """What *number_of* says of each combination of the keys about persons, by its first kind."""
        if not len(number_of):
            return np.zeros(self.combinations, dtype=np.int64)
        _, first = np.unique(self.key_of, return_index=True)
        return number_of[first]
