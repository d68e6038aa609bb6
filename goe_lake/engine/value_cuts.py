"""Conditions and keys that tell persons apart by few values of a column of which powers are summed.

The sums of x, x², … over `x < 4.5` less those over `x < 4.2` are of three values: they would say how many
persons have each. What reads such a column may part its values at multiples of a public step only.
"""

from __future__ import annotations

from typing import Final

from goe_lake.engine.blueprint import Blueprint, is_not_missing, is_ratio
from goe_lake.engine.duck import one_row
from goe_lake.engine.relation import BIN_COLUMNS, MEASURED, Reading
from goe_lake.engine.sql import safe_sql
from goe_lake.release import (
    Call,
    ColumnRef,
    Expr,
    Literal,
    LiteralType,
    Measure,
    columns_in,
    stored_below,
    stored_in,
    value_of,
)

_ALIAS: Final = {"samples": "p", "scores": "c"}


def cuts_values(blueprint: Blueprint, measure: Measure) -> bool:
    """Whether few values of a column that *measure* takes powers or functions of are told apart."""
    least = blueprint.least_values(measure)
    if not least:
        return False
    reading = blueprint.reading
    factors = blueprint.many_valued(measure)
    own = dict.fromkeys(
        column
        for factor in factors
        for column in (
            *reading.made_of(factor),
            *((reading.tables[its.table], its.column) for its in stored_in(factor)),
        )
    )
    keys = (key.expression for key in reading.release.keys)
    read = (*reading.release.conditions, *keys, *measure.conditions)
    # which values are missing is public
    defined = [_is_defined(factor) for factor in factors if is_ratio(factor)]
    parts = [part for part in read if not (is_not_missing(part) or any(part in told for told in defined))]
    return bool(_chosen_beneath(reading) & set(own)) or any(
        _cuts(reading, part, column, least) for column in own for part in parts
    )


def _is_defined(ratio: ColumnRef) -> tuple[Expr, ...]:
    """What says only that *ratio* has a value: that it does not divide by 0."""
    there = [Call("not", (Call("is_null", (value_of(ratio),)),))]
    if len(divisors := stored_below(ratio)) == 1:
        zero = Literal(LiteralType.INTEGER, "0")
        there += [Call(op, (divisors[0], zero)) for op in ("gt", "ne")]
        there += [Call("not", (Call("eq", (divisors[0], zero)),))]
    return tuple(there)


def _chosen_beneath(reading: Reading) -> set[tuple[str, str]]:
    """The columns that conditions and filters of sub-aggregates read."""
    found: set[tuple[str, str]] = set()
    for part in reading.release.relation.derived:
        tables = {scan.alias: scan.table for scan in part.relation.scans}
        filters = (output.where for output in part.outputs if output.where is not None)
        read = {column for condition in (*part.conditions, *filters) for column in columns_in(condition)}
        found.update((tables[column.table], column.column) for column in read)
    return found


def _cuts(reading: Reading, part: Expr, column: tuple[str, str], least: int) -> bool:
    """Whether *part* is not the same for all of the values between two multiples of the step of *column*."""
    table, name = column
    read = set(columns_in(part))
    if any(column in reading.made_of(other) for other in read if reading.derived_in((other,))):
        return True
    if column not in reading.where_from(part):
        return False
    alias = next((other.table for other in read if reading.tables[other.table] == table), None)
    if alias is None or any(_is_elsewhere(reading, other, table) for other in read):
        return True
    value = reading.stored(ColumnRef(alias, name))
    said = f"coalesce(({safe_sql(part, reading.resolve)})::VARCHAR, '')"
    parted = (
        f"SELECT {value} // {step_of(least)} AS step FROM {table} {_ALIAS[table]} "
        f"WHERE {value} IS NOT NULL GROUP BY step HAVING count(DISTINCT {said}) > 1"
    )
    (cut,) = one_row(reading.session.connection, f"SELECT count(*) FROM ({parted})")
    return bool(cut)


def _is_elsewhere(reading: Reading, column: ColumnRef, table: str) -> bool:
    return reading.tables[column.table] != table or column.column in BIN_COLUMNS or table not in MEASURED


def step_of(least: int) -> int:
    """The step, in resolutions of a column: the first of 1, 2, 5 times a power of ten from *least* on."""
    power = int("1" + "0" * (len(str(least)) - 1))
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)
