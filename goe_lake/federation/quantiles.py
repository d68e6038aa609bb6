"""Quantiles of the union, from the counts by intervals of every node: a value, and how far off it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.computed import RATIO_DIGITS
from goe_lake.engine.sql import identifier
from goe_lake.federation.held import Held, Worth
from goe_lake.federation.merge import Part
from goe_lake.query.quantiles import Quantile, QuantileKind
from goe_lake.query.taint import APPROX, OK, WITHHELD
from goe_lake.release import Release, approx_column, withheld_column

Counts = npt.NDArray[np.int64]
Steps = npt.NDArray[np.float64]
Group = tuple[Any, ...]
SOURCE: Final = "quantiles$rows"


@dataclass(frozen=True)
class Counted:
    """The persons of one group: *counts* of them between the steps *first* and *last*, both included.

    Up to *hidden* persons more may be anywhere from 0 to *top*.
    """

    first: Steps
    last: Steps
    counts: Counts
    hidden: int
    top: int

    def quantile(self, kind: QuantileKind, probability: Fraction) -> tuple[float, float, float] | None:
        """An estimate of the quantile in steps, and the least and the most that it can be; None of nobody."""
        known = int(self.counts.sum())
        if known == 0:
            return None
        if kind is QuantileKind.DEVIATION:
            return self._from_median().quantile(QuantileKind.CONTINUOUS, probability)
        low = _between(kind, probability, known + self.hidden, lambda rank: self._least(rank - self.hidden))
        high = _between(kind, probability, known + self.hidden, self._most)
        few = _between(kind, probability, known, self._least)
        many = _between(kind, probability, known, self._most)
        low, high = min(low, few), max(high, many)
        value = low if low == high else min(max(self._likely(float(probability)), low), high)
        return (float(round(value)) if kind is QuantileKind.DISCRETE else value), low, high

    def _from_median(self) -> Counted:
        """The distances of the same persons from their median, wherever in its bounds that is."""
        found = self.quantile(QuantileKind.CONTINUOUS, Fraction(1, 2))
        assert found is not None
        _, low, high = found
        least = np.maximum(0, np.maximum(self.first - high, low - self.last))
        most = np.maximum(self.last - low, high - self.first)
        return Counted(least, most, self.counts, self.hidden, self.top)

    def _least(self, rank: int) -> float:
        """The least that the value number *rank*, from 1, of the known persons can be."""
        if rank < 1:
            return 0.0
        return _at(self.first, self.counts, rank)

    def _most(self, rank: int) -> float:
        """The most that it can be."""
        if rank > int(self.counts.sum()):
            return self.top
        return _at(self.last, self.counts, rank)

    def _likely(self, probability: float) -> float:
        """The quantile of persons who are spread evenly over their intervals."""
        starts, ends = self.first - 0.5, self.last + 0.5
        edges = np.unique(np.concatenate([starts, ends]))
        density = np.zeros(len(edges))
        np.add.at(density, np.searchsorted(edges, starts), self.counts / (ends - starts))
        np.add.at(density, np.searchsorted(edges, ends), -self.counts / (ends - starts))
        below = np.concatenate([[0.0], np.cumsum(np.cumsum(density)[:-1] * np.diff(edges))])
        return float(np.interp(probability * below[-1], below, edges))


def _at(places: Steps, counts: Counts, rank: int) -> float:
    order = np.argsort(places, kind="stable")
    return float(places[order][np.searchsorted(np.cumsum(counts[order]), rank)])


def _between(kind: QuantileKind, probability: Fraction, persons: int, value: Any) -> float:
    """The quantile of *persons* ordered values, where *value* gives the one of each rank, from 1.

    As DuckDB: a discrete one is the value of rank ceil(n p), a continuous one lies at (n - 1) p between
    the two values around it.
    """
    if kind is QuantileKind.DISCRETE:
        return float(value(max(1, ceil(probability * persons))))
    place = probability * (persons - 1)
    below, part = floor(place), float(place - floor(place))
    lower = float(value(below + 1))
    return lower if part == 0 else lower + (float(value(below + 2)) - lower) * part


def add_quantiles(
    held: Held,
    release: Release,
    quantiles: Sequence[tuple[Quantile, Sequence[Part]]],
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Held, dict[str, float]]:
    """The cells of *release* with a column for each of *quantiles*, and the largest error of each.

    Each comes with the parts of the release that counts by intervals for it, whose domains tell which
    groups a node may have. Errors are in the column's unit.
    """
    keys = [key.name for key in release.keys]
    listed = ", ".join(keys) if keys else "1"
    rows = connection.execute(f"SELECT {listed}, rowid FROM {identifier(held.store)}").fetchall()
    columns: dict[str, list[Any]] = {"rowid": [row[-1] for row in rows]}
    groups = [row[:-1] if keys else () for row in rows]
    errors: dict[str, float] = {}
    for quantile, parts in quantiles:
        tables = _tables(parts, keys)
        found = [_of_group(group, quantile, tables, parts) for group in groups]
        facts = [(its.value, its.level, its.lower, its.upper) for its in found]
        values: list[list[Any]] = [list(column) for column in zip(*facts, strict=True)] or [[], [], [], []]
        columns |= dict(zip(_companions(quantile.name), values, strict=True))
        errors[quantile.name] = max((its.error for its in found), default=0.0)
    return _joined(held, columns, [quantile.name for quantile, _ in quantiles], connection), errors


@dataclass(frozen=True)
class Found:
    """A quantile of one group in the column's unit, its level, and its bounds where it is approximate."""

    value: float | None
    level: int
    lower: float | None = None
    upper: float | None = None

    @property
    def error(self) -> float:
        """How far the value may be from the pooled one."""
        if self.value is None or self.lower is None or self.upper is None:
            return 0.0
        return max(self.value - self.lower, self.upper - self.value)


@dataclass
class Intervals:
    """One node's intervals of a group: their first and last steps and how many persons are in each.

    *withheld* and *marked* say whether a count is withheld, or approximate.
    """

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    persons: list[int] = field(default_factory=list)
    withheld: bool = False
    marked: bool = False


Table = dict[Group, Intervals]


def _tables(parts: Sequence[Part], keys: list[str]) -> list[Table]:
    """For each node its intervals by group."""
    first, last = f"k{len(keys)}", f"k{len(keys) + 1}"
    names = [*keys, first, last, "m0", withheld_column("m0"), approx_column("m0")]
    made = []
    for part in parts:
        table: Table = {}
        for *group, low, high, count, withheld, marked in zip(
            *(part.answer.cells.column(name).to_pylist() for name in names), strict=True
        ):
            its = table.setdefault(tuple(group), Intervals())
            its.first.append(low)
            its.last.append(high)
            its.persons.append(int(count or 0))
            its.withheld |= withheld
            its.marked |= marked
        made.append(table)
    return made


def _of_group(group: Group, quantile: Quantile, tables: Sequence[Table], parts: Sequence[Part]) -> Found:
    """*quantile* in *group*; withheld where it could be anything between the public bounds.

    Approximate counts, of persons whom a condition should leave out or of an earlier answer, bound nothing.
    """
    firsts: list[int] = []
    lasts: list[int] = []
    counts: list[int] = []
    hidden, marked = 0, False
    for table, part in zip(tables, parts, strict=True):
        if part.answer.spread is not None:  # rounded and noisy counts bound no rank
            return Found(None, WITHHELD)
        if group in table:
            its = table[group]
            if its.withheld:
                return Found(None, WITHHELD)
            firsts, lasts, counts = firsts + its.first, lasts + its.last, counts + its.persons
            marked |= its.marked
        elif part.description.protects and _possible(group, part):
            hidden += part.description.min_persons - 1
    first, last = (np.array(values, dtype=np.float64) for values in (firsts, lasts))
    found = Counted(first, last, np.array(counts, dtype=np.int64), hidden, quantile.top).quantile(
        quantile.kind, quantile.probability
    )
    if found is None:
        # a group that no node shows for it may be there by an approximate condition alone
        unseen = group and not any(group in table for table in tables)
        doubtful = unseen and any(part.description.protects for part in parts)
        return Found(None, WITHHELD if hidden or doubtful else OK)
    value, low_step, high_step = found
    if quantile.decimal and low_step == high_step and value not in first:
        # between two decimal numbers DuckDB cuts off at the last place
        low_step, high_step = value - 1, value + 1
    if quantile.rounded:
        low_step, high_step = (
            _before_rounding(quantile, low_step),
            _before_rounding(quantile, high_step, up=1),
        )
    known = low_step == high_step
    if not known and low_step == 0 and high_step == quantile.top:
        return Found(None, WITHHELD)
    if known or marked:
        # persons of the very value at a cut are in one part, which then is not as large as the others
        return Found(_in_unit(quantile, value), APPROX if marked or quantile.cuts else OK)
    least, most = _in_unit(quantile, low_step), _in_unit(quantile, high_step)
    return Found(_in_unit(quantile, value), APPROX, least, most)


def _before_rounding(quantile: Quantile, steps: float, *, up: int = -1) -> float:
    """The least, or (*up* of 1) the largest number of steps that may have been rounded to *steps*."""
    size = abs(steps + float(Fraction(quantile.low) / Fraction(quantile.step)))
    moved = steps + up * (size / 2**RATIO_DIGITS + 1)
    return min(max(moved, 0.0), float(quantile.top))


def _in_unit(quantile: Quantile, steps: float) -> float:
    """A number of steps as a value: the double that is nearest to the decimal one."""
    start = 0 if quantile.kind is QuantileKind.DEVIATION else Fraction(quantile.low)
    return float(start + Fraction(steps) * Fraction(quantile.step))


def _possible(group: Group, part: Part) -> bool:
    """Whether the node can have *group* at all, by public facts."""
    domain = part.domain
    if domain.combinations is None or not domain.keys:
        return not domain.empty
    # the keys of a release are numbered in the order of its columns
    return tuple(group[int(name[1:])] for name in domain.keys) in domain.combinations


def _joined(
    held: Held, columns: Mapping[str, list[Any]], names: list[str], connection: duckdb.DuckDBPyConnection
) -> Held:
    """*held* with the columns of quantiles, in the order of its rows."""
    kinds = [(name, kind) for name in names for kind in _companions(name).items()]
    schema = pa.schema([("rowid", pa.int64()), *(kind for _, kind in kinds)])
    connection.register(SOURCE, pa.table(dict(columns), schema=schema))
    store = f"{held.store}$q"
    shown = ", ".join(f"q.{identifier(column)} AS {identifier(column)}" for _, (column, _) in kinds)
    connection.execute(
        f"CREATE TEMP TABLE {identifier(store)} AS SELECT c.*, {shown} FROM {identifier(held.store)} c "
        f"JOIN {identifier(SOURCE)} q ON c.rowid = q.rowid ORDER BY c.rowid"
    )
    connection.unregister(SOURCE)
    there = ' WHERE "$maybe" = 0'
    listed = ", ".join([*held.columns, *names])
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {held.name} AS SELECT {listed} FROM {identifier(store)}{there}"
    )
    worth = {**held.worth, **dict.fromkeys(names, Worth(tainted=True, bounded=True, real=True))}
    return replace(held, store=store, columns=(*held.columns, *names), worth=worth)


def _companions(name: str) -> dict[str, pa.DataType]:
    """A quantile's column and its companions, by their names without quotes."""
    return {
        name: pa.float64(),
        f"{name}$s": pa.int8(),
        f"{name}$lo": pa.float64(),
        f"{name}$hi": pa.float64(),
    }
