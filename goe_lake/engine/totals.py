"""Persons' totals in memory, column by column: as DuckDB added them up, or as follows from one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.disclosure.families import Counts, Mask
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.genotypes import one_chunk
from goe_lake.engine.ranks import distinct
from goe_lake.release import Measure, MeasureFunction
from goe_lake.vcf.arrow import pc

#: Products below it are made with 64 bits.
MOST_PRODUCT: Final = 2**62
Doubles = npt.NDArray[np.float64]


class Totals:
    """The columns of *table*, which are called as in `Blueprint.totals_sql`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._numbers: dict[str, Counts] = {}

    def numbers(self, name: str) -> Counts:
        """A column as 64-bit numbers, 0 where it is missing.

        Raises pa.ArrowInvalid or OverflowError where they are wider.
        """
        if name not in self._numbers:
            self._numbers[name] = self._made(name)
        return self._numbers[name]

    def given(self, name: str) -> Mask:
        """Where a column has a value."""
        return self._is_there(name)

    def doubles(self, name: str) -> Doubles:
        """A column of floating numbers, 0 where it is missing."""
        column = pc.fill_null(self._column(name), 0)
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)

    def codes(self, name: str) -> Counts:
        """A number for each value of a column, whatever its type."""
        codes = pc.fill_null(pc.dictionary_encode(self._column(name)).indices, 0)
        return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int64)

    def _made(self, name: str) -> Counts:
        return self._stored(name)

    def _column(self, name: str) -> pa.Array[Any]:
        return one_chunk(self.table.column(name))

    def _is_there(self, name: str) -> Mask:
        return np.asarray(self._column(name).is_valid().to_numpy(zero_copy_only=False), dtype=bool)

    def _stored(self, name: str) -> Counts:
        column = self._column(name)
        if not pa.types.is_int64(column.type):
            column = column.cast(pa.int64())
        values = pc.fill_null(column, 0) if column.null_count else column
        return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.int64)


class TotalsOfRows(Totals):
    """The same from *table*, the rows of `Blueprint.rows_sql`: a person has at most one in each cell.

    A row is read as it is, and what `Blueprint.totals_sql` says of it is said here.
    """

    def __init__(self, blueprint: Blueprint, table: pa.Table) -> None:
        super().__init__(table)
        self._blueprint = blueprint
        self._masks: dict[str, Mask] = {}
        self._values: dict[str, tuple[Callable[[], Counts], Mask]] = {}
        self._read()

    def given(self, name: str) -> Mask:
        """Where a column has a value."""
        if name in self._masks:
            return np.ones_like(self._masks[name])
        return self._values[name][1] if name in self._values else self._is_there(name)

    def doubles(self, name: str) -> Doubles:
        """The distance of a row from the mean, 0 where there is none."""
        return np.abs(super().doubles(f"z{name[1:]}"))

    def codes(self, name: str) -> Counts:
        """A number for each class of a product."""
        return self.numbers(name)

    def _made(self, name: str) -> Counts:
        if name in self._masks:
            return self._masks[name].astype(np.int64)
        if name in self._values:
            make, there = self._values[name]
            return np.where(there, make(), 0)
        return self._stored(name)

    def _read(self) -> None:
        blueprint = self._blueprint
        inside = self._true("w")
        self._standing("", inside, self._false("w"))
        filters = []
        for place in range(len(blueprint.reading.filters)):
            chosen, name = self._true(f"f{place}"), f"f{place}"
            filters.append(inside & chosen)
            self._standing(str(place), filters[-1], inside & self._false(name))
            self._masks[f"fnull{place}"] = inside & ~self._is_there(name)
        for place, measure in enumerate(blueprint.measures):
            where = measure.where
            kept = inside if where is None else filters[blueprint.reading.filters.index(where)]
            self._measure(place, measure, kept)

    def _standing(self, name: str, inside: Mask, outside: Mask) -> None:
        """Whether a row is inside or outside, whether that is known, and whether it is not."""
        missing, chosen = (self._true(f"{'f' if name else 'w'}{what}{name}") for what in "mu")
        for side, condition in (("in", inside), ("out", outside)):
            self._masks[f"n_{side}{name}"] = condition
            self._masks[f"k_{side}{name}"] = condition & ~missing
            self._masks[f"u_{side}{name}"] = condition & chosen

    def _measure(self, place: int, measure: Measure, kept: Mask) -> None:
        masks, argument = self._masks, f"a{place}"
        if measure.function is not MeasureFunction.SUM:
            counts = measure.function is MeasureFunction.ROWS
            given = self._true(argument) if counts else np.ones_like(kept)
            masks |= {f"t{place}": kept & given, f"rows{place}": kept, f"missing{place}": kept & ~given}
            return
        there = kept & self._is_there(argument)
        masks |= {f"present{place}": there, f"missing{place}": kept & ~there}
        self._values[f"t{place}"] = (lambda: self._stored(argument), there)
        for number in range(len(self._blueprint.columns_apart(measure))):
            self._apart(f"y{place}_{number}", there)
        if self._blueprint.has_classes(measure):
            self._values[f"class{place}"] = (lambda: self._classes(place, measure), there)
        if len(measure.factors) > 1 and self._blueprint.few_valued(measure):
            self._values[f"times{place}"] = (lambda: self._times(place, measure), there)

    def _apart(self, name: str, there: Mask) -> None:
        self._values[name] = (lambda: self._stored(name), there & self._is_there(name))

    def _classes(self, place: int, measure: Measure) -> Counts:
        """The class that columns of few values are: equal numbers where they are equal."""
        blueprint = self._blueprint
        few = dict.fromkeys(blueprint.few_valued(measure) if len(measure.factors) > 1 else ())
        values = [self._stored(f"x{place}_{measure.values.index(column)}") for column in few]
        if blueprint.is_of_carriers(measure):
            values = [np.sign(values[0])]
        beneath = range(len(blueprint.few_in_ratios(measure)))
        return distinct([*values, *(self._stored(f"v{place}_{number}") for number in beneath)])[1]

    def _times(self, place: int, measure: Measure) -> Counts:
        """How often the other factors are added."""
        product: Any = np.ones(len(self.table), dtype=np.int64)
        _, often = self._blueprint.reading.multiplied(measure)
        for column in often or self._blueprint.few_valued(measure):
            values = self._stored(f"x{place}_{measure.values.index(column)}")
            if int(np.abs(product).max(initial=0)) * int(np.abs(values).max(initial=0)) >= MOST_PRODUCT:
                raise OverflowError
            product = product * values
        return np.asarray(product, dtype=np.int64)

    def _true(self, name: str) -> Mask:
        return np.asarray(pc.fill_null(self._column(name), False).to_numpy(zero_copy_only=False), dtype=bool)

    def _false(self, name: str) -> Mask:
        return np.asarray(~pc.fill_null(self._column(name), True).to_numpy(zero_copy_only=False), dtype=bool)
