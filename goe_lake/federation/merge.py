"""The cells of all nodes as one table: sums where every part is known, bounds where one is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.catalog import Catalog
from goe_lake.computed import column_of
from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.genotypes import one_chunk
from goe_lake.engine.node import NodeAnswer
from goe_lake.engine.ranks import first_of_each, ranks
from goe_lake.federation.domains import Combination, Domain
from goe_lake.federation.node import NodeDescription
from goe_lake.per_person import per_person_table
from goe_lake.release import (
    ColumnRef,
    Measure,
    MeasureFunction,
    Release,
    approx_column,
    lower_column,
    withheld_column,
)
from goe_lake.vcf.arrow import pc

#: Numbers below it are added with 64 bits.
MOST_NUMBER: Final = 2**62
#: Whole numbers: of 64 bits, or Python's where these are too few.
Numbers = npt.NDArray[Any]


@dataclass(frozen=True)
class Part:
    """What one node contributed: its public facts, its domain for the release, and its cells."""

    description: NodeDescription
    domain: Domain
    answer: NodeAnswer


@dataclass(frozen=True, eq=False)
class Values:
    """A whole number a group, and where there is one."""

    numbers: Numbers
    given: Mask

    def array(self, where: Mask) -> pa.Array[Any]:
        """The numbers *where* they are to be shown, NULL elsewhere."""
        missing = ~(self.given & where)
        if self.numbers.dtype != object:
            return pa.array(self.numbers, mask=missing)
        known = [None if none else number for number, none in zip(self.numbers, missing, strict=True)]
        return pa.array(known, pa.decimal128(38, 0))

    def or_else(self, other: Values) -> Values:
        """The numbers, and where there is none the *other* ones."""
        return Values(np.where(self.given, self.numbers, other.numbers), self.given | other.given)

    def plus(self, further: Counts) -> Values:
        """The numbers with *further* ones added; 0 where there is none."""
        return Values(np.where(self.given, self.numbers, 0) + further, np.ones_like(self.given))


@dataclass(frozen=True, eq=False)
class MergedMeasure:
    """One measure of each group: its value and bounds (NULL where not known), and what they are worth.

    *held* says that a part of it is not known, *approximate* that a part left a condition out.
    """

    value: pa.Array[Any]
    lower: pa.Array[Any]
    upper: pa.Array[Any]
    held: Mask
    approximate: Mask


@dataclass(frozen=True, eq=False)
class Merged:
    """The union of all parts, in the order of the keys; *shown* says whether a node named the group."""

    keys: pa.Table
    measures: Mapping[str, MergedMeasure]
    shown: Mask


def merge(
    release: Release, parts: Sequence[Part], catalog: Catalog, domain: Sequence[Combination] = ()
) -> Merged:
    """The union over *parts*.

    A release without keys gives exactly one row. The combinations of *domain* have a row even where no
    node named them.
    """
    union = _Union.of([key.name for key in release.keys], parts, domain)
    one_sample = all(part.description.one_sample_a_person for part in parts)
    measures = {
        measure.name: union.measure(
            measure,
            below=never_negative(measure, release, catalog),
            above=at_most_one_a_person(measure, release, one_sample=one_sample),
        )
        for measure in release.measures
    }
    shown: Mask = np.any(union.telling, axis=1) | (not release.keys)
    return Merged(union.keys, measures, shown)


@dataclass(frozen=True, eq=False)
class _Union:
    """The groups of all nodes, and who tells of each.

    *keys* has a row for each group, *group* is the number of that of each row of *cells*. *telling* says by
    group and node who names a group, *missing* who does not and may hide persons in it, *hidden* how many
    each may hide.
    """

    keys: pa.Table
    cells: pa.Table
    group: Counts
    telling: Mask
    missing: Mask
    hidden: Counts

    @classmethod
    def of(cls, keys: Sequence[str], parts: Sequence[Part], domain: Sequence[Combination]) -> _Union:
        """The union of *parts*; the combinations of *domain* are groups whoever names them."""
        names, *others = (part.answer.cells.column_names for part in parts)
        common = [name for name in names if all(name in its for its in others)]
        tables = [part.answer.cells.select(common) for part in parts]
        # a key that is NULL at every row of a node has no type there
        cells = pa.concat_tables(tables, promote_options="permissive")
        node = np.repeat(np.arange(len(parts)), [part.answer.cells.num_rows for part in parts])
        listed = [combinations_table(keys, domain)] if keys and domain else []
        named = pa.concat_tables([cells.select(list(keys)), *listed], promote_options="permissive")
        number = ranks(named, cells.num_rows + (len(domain) if listed else 0))
        group, first = number[: cells.num_rows], first_of_each(number) if keys else np.zeros(1, np.int64)
        found = named.take(pa.array(first, pa.int64())) if keys else pa.table({})
        can = _possible(found, len(first), parts)
        # what a node that cannot have the group says of it is not heard
        heard = can[group, node]
        if not heard.all():
            group, node, cells = group[heard], node[heard], cells.filter(pa.array(heard))
        telling = np.zeros(can.shape, dtype=bool)
        telling[group, node] = True
        hidden = np.array([_hidden(part) for part in parts], dtype=np.int64)
        missing = can & (hidden > 0) & ~telling
        # a group that no node can have is none
        there: Mask = np.any(can, axis=1) | (not keys)
        if not there.all():
            found, group = found.filter(pa.array(there)), (np.cumsum(there) - 1)[group]
            telling, missing = telling[there], missing[there]
        return cls(found, cells, group, telling, missing, hidden)

    def measure(self, measure: Measure, *, below: bool, above: bool) -> MergedMeasure:
        """One merged measure; *below* says that no part is below 0, *above* that a person adds at most 1.

        A node without a row hides 0..k-1 persons; one whose value is withheld hides any number.
        """
        value = self._sum(measure.name)
        withheld = self._any(withheld_column(measure.name))
        approximate = self._any(approx_column(measure.name))
        held = self.missing.any(axis=1) | withheld
        everywhere, nowhere = np.ones_like(held), np.zeros_like(held)
        nothing = np.zeros(len(held), dtype=np.int64)
        told = self._sum(lower_column(measure.name))
        # what was computed without a condition bounds nothing
        lower = value.or_else(told).plus(nothing).array(~approximate if below else nowhere)
        most = value.plus(self.missing @ self.hidden)
        upper = most.array(~approximate & ~withheld if above else nowhere)
        if measure.function is not MeasureFunction.SUM:
            value = value.plus(nothing)
        return MergedMeasure(value.array(everywhere & ~held), lower, upper, held, approximate)

    def _sum(self, name: str) -> Values:
        """The sum of a column over each group; nothing where no part has the column."""
        groups = len(self.telling)
        total, given = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=bool)
        if name not in self.cells.column_names:
            return Values(total, given)
        column = one_chunk(self.cells.column(name))
        there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        numbers, group = _numbers(column.filter(pa.array(there))), self.group[there]
        given[group] = True
        sums = total.astype(numbers.dtype)
        np.add.at(sums, group, numbers)
        return Values(sums, given)

    def _any(self, name: str) -> Mask:
        """Whether a truth holds for any part of each group."""
        found = np.zeros(len(self.telling), dtype=bool)
        if name in self.cells.column_names:
            true = pc.fill_null(one_chunk(self.cells.column(name)), False).to_numpy(zero_copy_only=False)
            found[self.group[np.asarray(true, dtype=bool)]] = True
        return found


def _numbers(column: pa.Array[Any]) -> Numbers:
    """Whole numbers of a column without missing ones: so many that their sum has 64 bits, or Python's."""
    try:
        numbers: Numbers = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return np.array([int(number) for number in column.to_pylist() if number is not None], dtype=object)
    largest = max(abs(int(numbers.max(initial=0))), abs(int(numbers.min(initial=0))))
    return numbers if largest * max(len(numbers), 1) < MOST_NUMBER else numbers.astype(object)


def _possible(groups: pa.Table, count: int, parts: Sequence[Part]) -> Mask:
    """Which of the nodes (columns) can have which of *count* groups (rows), by their domains.

    Keys whose values nobody lists are left out: sites are many, and any node can have each.
    """
    labels = sorted({key for part in parts for key in part.domain.keys if key in groups.column_names})
    of = ranks(groups.select(labels), count)
    first = first_of_each(of)
    columns = {label: groups.column(label).take(pa.array(first, pa.int64())).to_pylist() for label in labels}
    can = np.ones((len(first), len(parts)), dtype=bool)
    looked_up: dict[Domain, Mask] = {}
    for place, part in enumerate(parts):
        domain = part.domain
        if not domain.keys or not domain.combinations:
            can[:, place] = not domain.empty
            continue
        if domain not in looked_up:
            rows = zip(*(columns[key] for key in domain.keys), strict=True)
            looked_up[domain] = np.array([row in domain.combinations for row in rows], dtype=bool)
        can[:, place] = looked_up[domain]
    return can[of]


def _hidden(part: Part) -> int:
    return part.description.min_persons - 1 if part.description.protects else 0


def combinations_table(keys: Sequence[str], combinations: Sequence[Combination]) -> pa.Table:
    """Combinations of key values as a table."""
    columns: dict[str, pa.Array[Any]] = {}
    for index, key in enumerate(keys):
        values: list[Any] = [combination[index] for combination in combinations]
        columns[key] = pa.array(values)
    return pa.table(columns)


def never_negative(measure: Measure, release: Release, catalog: Catalog) -> bool:
    """Whether no part of the measure can be below 0, by public bounds."""
    if measure.function is not MeasureFunction.SUM:
        return True
    tables = {scan.alias: catalog.tables[scan.table] for scan in release.relation.scans}
    tables |= {part.alias: per_person_table(part, catalog) for part in release.relation.derived}

    def never(factor: ColumnRef) -> bool:
        column = column_of(tables[factor.table].by_name, factor.column)
        return column.type.value == "boolean" or (column.bounds is not None and column.bounds[0] >= 0)

    powers = Counter(measure.factors)
    return all(power % 2 == 0 or never(factor) for factor, power in powers.items())


def at_most_one_a_person(measure: Measure, release: Release, *, one_sample: bool) -> bool:
    """Whether a person adds at most 1 to the measure."""
    if measure.function is MeasureFunction.PERSONS:
        return one_sample
    tables = {scan.table for scan in release.relation.scans}
    return measure.function is MeasureFunction.ROWS and tables == {"samples"} and one_sample
