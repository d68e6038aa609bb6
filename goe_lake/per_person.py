"""The columns of per-person sub-aggregates: type, bounds and resolution follow from what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from goe_lake.catalog import SAMPLE_ID, Catalog, Column, ColumnType, Table, TableKind
from goe_lake.release import PRESENT, Output, OutputFunction, PerPerson, pending_in

#: More rows than a person has at any node: the bound of what is counted and summed over them.
MOST_ROWS: Final = 10**9
#: Says of a column that SQL holds its sums as decimal numbers, and not as doubles.
OF_DECIMALS: Final = "A sum of decimal numbers"
PRESENT_COLUMN: Final = Column(PRESENT, ColumnType.BOOLEAN, "Whether the person has a row")


def per_person_name(part: PerPerson) -> str:
    """The name of the table that *part* makes: what it computes, by digest."""
    return f"derived_{part.digest()[:24]}"


def per_person_table(part: PerPerson, catalog: Catalog) -> Table:
    """The table that *part* makes of the tables of *catalog*, one row a sample.

    A part with constants that are not known yet is called by its alias: it has no digest.
    """
    tables = {scan.alias: scan.table for scan in part.relation.scans}
    columns = (SAMPLE_ID, PRESENT_COLUMN, *(output_column(item, catalog, tables) for item in part.outputs))
    waits = any(True for expression in part.expressions() for _ in pending_in(expression))
    name = f"waiting_{part.alias}" if waits else per_person_name(part)
    return Table(name, TableKind.PERSONAL, columns)


def output_column(output: Output, catalog: Catalog, tables: Mapping[str, str]) -> Column:
    """One column of a sub-aggregate; *tables* gives the table of each alias.

    A column that the catalogue lacks counts as a number without a unit: it is NULL.
    """
    if output.function is OutputFunction.ROWS:
        bounds = (Decimal(0), Decimal(MOST_ROWS))
        return Column(output.name, ColumnType.INTEGER, bounds=bounds, resolution=Decimal(1))
    assert output.argument is not None
    known = catalog.tables[tables[output.argument.table]].by_name.get(output.argument.column)
    column = known or Column(output.argument.column, ColumnType.DOUBLE, resolution=Decimal(1))
    if output.function is not OutputFunction.SUM:
        return replace(column, name=output.name, nullable=True)
    return _summed(output, column)


def _summed(output: Output, column: Column) -> Column:
    """The column of a sum, weighted or not."""
    factors = [weight.factor for weight in output.weights] or [Decimal(1)]
    step = min(Decimal(1).scaleb(-places(factor)) for factor in factors)
    low, high = column.bounds or (Decimal(0), Decimal(1))
    ends = [end * factor * MOST_ROWS for end in (low, high) for factor in factors]
    whole = step == 1 and column.type is not ColumnType.DOUBLE
    return Column(
        output.name,
        ColumnType.INTEGER if whole else ColumnType.DOUBLE,
        "" if whole or column.type is ColumnType.DOUBLE else OF_DECIMALS,
        bounds=(min(Decimal(0), *ends), max(Decimal(0), *ends))
        if column.bounds is not None or column.type is ColumnType.BOOLEAN
        else None,
        resolution=(column.resolution or Decimal(1)) * step,
    )


def places(number: Decimal) -> int:
    """The decimal places of *number*; of 0 those that it is written with."""
    exponent = (number.normalize() if number else number).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
