"""Counts by intervals that the node chooses: the two last keys of a release for quantiles.

The intervals of each group hold enough persons by themselves (`disclosure.leaves`). They are laid into a
table first; for everything after that, they are two plain columns about a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from goe_lake.disclosure import Evidence, Policy
from goe_lake.disclosure.leaves import Spread, edges_of
from goe_lake.engine.relation import BIN_COLUMNS, Reading, is_bin
from goe_lake.engine.session import SCALED, DerivedColumn
from goe_lake.engine.sql import safe_sql
from goe_lake.errors import ReleaseRefused
from goe_lake.release import Call, ColumnRef, Key, Literal, Release

MOST_FACTOR: Final = 10**12
LEAF_SCHEMA: Final = pa.schema([("grp", pa.int64()), ("first", pa.int64()), ("last", pa.int64())])


@dataclass(frozen=True)
class Grid:
    """A grid of *column*: *low* and *step* of its values, *top* steps; an edge every *width* steps."""

    column: ColumnRef
    low: Decimal
    step: Decimal
    top: int
    width: int

    @classmethod
    def of(cls, key: Key) -> Grid:
        """The grid that *key* names; ReleaseRefused where its operands are no grid."""
        assert isinstance(key.expression, Call)
        column, *numbers = key.expression.args
        if not isinstance(column, ColumnRef) or not all(isinstance(number, Literal) for number in numbers):
            raise ReleaseRefused("R209", "an interval is of a column, with numbers for its grid")
        try:
            low, step, top, width = (
                Decimal(number.value) for number in numbers if isinstance(number, Literal)
            )
        except ArithmeticError:
            raise ReleaseRefused("R209", "a grid is made of numbers") from None
        if step <= 0 or top < 0 or width < 1 or top != int(top) or width != int(width) or top >= 2**62:
            raise ReleaseRefused("R209", "a grid has steps above 0, and whole numbers of them")
        return cls(column, low, step, int(top), int(width))


def with_intervals(reading: Reading, policy: Policy) -> Reading:
    """*reading* with the intervals of its last two keys as plain columns; unchanged where it has none."""
    keys = reading.release.keys
    if not keys or not is_bin(keys[-1].expression):
        return reading
    grid = Grid.of(keys[-1])
    others = keys[:-2]
    _place_rows(reading, grid, others)
    _lay_intervals(reading, grid, policy)
    _describe(reading, grid)
    ends = tuple(
        replace(key, expression=ColumnRef(grid.column.table, name))
        for key, name in zip(keys[-2:], BIN_COLUMNS, strict=True)
    )
    return Reading(replace(reading.release, keys=(*others, *ends)), reading.session)


def _describe(reading: Reading, grid: Grid) -> None:
    """Let the session know the intervals of a column of a sub-aggregate: they tell what it tells."""
    session, table = reading.session, reading.tables[grid.column.table]
    if table not in session.derived:
        return
    derived = session.derived[table]
    known = derived.known(grid.column.column)
    ends = DerivedColumn(known.column, technical=True, telling=known.telling)
    session.derived[table] = replace(derived, columns={**derived.columns, **dict.fromkeys(BIN_COLUMNS, ends)})


def _chosen(reading: Reading, grid: Grid) -> bool:
    """Whether a sub-aggregate chose who has no value: they are left out as whom a condition leaves out."""
    return not reading.is_technical((grid.column,))


def _steps(reading: Reading, grid: Grid) -> str:
    """SQL of a value as a number of steps above the grid's lower bound; NULL outside its bounds."""
    table, name = reading.tables[grid.column.table], grid.column.column
    column = reading.session.column(table, name)
    if column is None:
        return "NULL::BIGINT"
    factor, below = column.step / Fraction(grid.step), Fraction(grid.low) / Fraction(grid.step)
    if column.type not in SCALED or factor.denominator != 1 or factor > MOST_FACTOR or below.denominator != 1:
        raise ReleaseRefused("R206", f"{table}.{name} is not stored at a multiple of {grid.step}")
    value = f"({reading.stored(grid.column)}::HUGEINT * {factor.numerator} - ({below.numerator}))"
    if table in reading.session.derived:
        # bounds of what a person's rows may add up to are far beyond what they do
        return f"CASE WHEN {value} IS NOT NULL THEN least(greatest({value}, 0), {grid.top})::BIGINT END"
    return f"CASE WHEN {value} BETWEEN 0 AND {grid.top} THEN ({value})::BIGINT END"


def _place_rows(reading: Reading, grid: Grid, keys: tuple[Key, ...]) -> None:
    """Fill `placed`: each row with a value, the number of its group, and whether the conditions keep it."""
    listed = [safe_sql(key.expression, reading.resolve) for key in keys]
    group = f"dense_rank() OVER (ORDER BY {', '.join(listed)})" if listed else "0"
    score = "c.pgs_id" if reading.scans("scores") else "NULL"
    kept = reading.condition((*reading.person_conditions, *reading.genotype_conditions))
    public = reading.condition(reading.public_conditions)
    steps = _steps(reading, grid)
    reading.session.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE placed AS SELECT p.s AS s, p.person AS person, {score} AS pgs_id, "
        f"({group})::BIGINT AS grp, {steps} AS v, ({kept}) AS w FROM {reading.source()} "
        f"WHERE {public} AND {'TRUE' if _chosen(reading, grid) else f'({steps}) IS NOT NULL'}"
    )


def _lay_intervals(reading: Reading, grid: Grid, policy: Policy) -> None:
    """Fill `intervals`: the first and last step of the interval of each row."""
    connection = reading.session.connection
    if policy.protects:
        least = max(policy.min_persons, policy.min_contributors)
        counted = connection.sql(
            f"SELECT grp, v // {grid.width} AS cell, count(DISTINCT person) FILTER (w) AS inside, "
            "count(DISTINCT person) FILTER (w IS FALSE) AS outside FROM placed "
            "WHERE w IS NOT NULL AND v IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).to_arrow_table()
        connection.register("leaves", _leaves(counted, grid, least))
        # who was left out without a value is counted beside the first interval
        joined = "ASOF JOIN leaves l ON r.grp = l.grp AND coalesce(r.v, 0) >= l.first"
    else:
        each = "SELECT DISTINCT grp, v AS first, v AS last FROM placed"
        joined = f"JOIN ({each}) l ON r.grp = l.grp AND r.v = l.first"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE intervals AS "
        f"SELECT r.s, r.pgs_id, l.first AS bin_first, l.last AS bin_last FROM placed r {joined}"
    )
    connection.execute("DROP TABLE placed")
    if policy.protects:
        connection.unregister("leaves")


def _leaves(counted: pa.Table, grid: Grid, least: int) -> pa.Table:
    """The intervals of every group, which together hold all of its grid."""
    group, cell, inside, outside = (
        counted.column(name).to_numpy().astype(np.int64) for name in ("grp", "cell", "inside", "outside")
    )
    rows: list[dict[str, int]] = []
    cells = grid.top // grid.width + 1
    ends = np.append(np.flatnonzero(np.diff(group, prepend=-1)), len(group))
    for start, end in pairwise(ends):
        spread = Spread(cell[start:end], inside[start:end], outside[start:end])
        edges = [0, *edges_of(spread, cells, least), cells]
        rows += [
            {
                "grp": int(group[start]),
                "first": low * grid.width,
                "last": min(high * grid.width - 1, grid.top),
            }
            for low, high in pairwise(edges)
        ]
    return pa.Table.from_pylist(rows, schema=LEAF_SCHEMA)


def sized(cells: pa.Table, evidence: Evidence, release: Release) -> Evidence:
    """*evidence* of cells by intervals, with how many persons all intervals of a group hold.

    Where one must be withheld so that a small group cannot be solved for, it is one of the smallest
    group, which is withheld where the groups are counted whole.
    """
    if not release.keys or not is_bin(release.keys[-1].expression):
        return evidence
    groups = list(zip(*(cells.column(key.name).to_pylist() for key in release.keys[:-2]), strict=True))
    groups = groups or [()] * len(cells)
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    number = np.array([numbers[group] for group in groups], dtype=np.int64)
    persons = np.bincount(number, evidence.persons, len(numbers)).astype(np.int64)
    return replace(evidence, size=persons[number])
