"""Marked numbers at the gateway (`≈`): rounded or noisy ones, and conditions that nodes left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

import duckdb
import pyarrow.compute as pc
from sqlglot import exp

from goe_lake.catalog import Column
from goe_lake.computed import RATIO_DIGITS, computed_column
from goe_lake.engine.sql import identifier
from goe_lake.federation.held import Held, Worth, level_of, lower_of, upper_of
from goe_lake.federation.merge import Part
from goe_lake.federation.noise import CONFIDENCE, Noise
from goe_lake.query import Plan
from goe_lake.query.steps import SelectStep
from goe_lake.query.taint import APPROX
from goe_lake.release import Margin, Measure, Release, Spread, approx_column

LEFT_OUT: Final = (
    "≈: a condition that changed fewer than k persons of a country was left out there, or an earlier "
    "value of nearly the same persons was told again"
)


def mark_spread(held: Held, measures: Sequence[Measure], connection: duckdb.DuckDBPyConnection) -> Held:
    """*held* with every number of *measures* marked as approximate; what it bounds is not known any more."""
    sets = []
    for measure in measures:
        name = measure.name
        sets.append(f"{level_of(name)} = greatest({level_of(name)}, {APPROX})")
        if held.of(name).bounded:
            sets += [f"{lower_of(name)} = NULL", f"{upper_of(name)} = NULL"]
    connection.execute(f"UPDATE {identifier(held.store)} SET {', '.join(sets)}")
    told = {measure.name: replace(held.of(measure.name), tainted=True) for measure in measures}
    worth: Mapping[str, Worth] = {**held.worth, **told}
    return replace(held, worth=worth)


def of_functions(release: Release) -> tuple[Measure, ...]:
    """The sums of *release* of functions of a column, each of which is rounded."""
    return tuple(
        measure
        for measure in release.measures
        if any(computed_column(factor.column) is not None for factor in measure.factors)
    )


def rounded_functions(release: Release, columns: Mapping[str, Column]) -> Iterator[str]:
    """One sentence for each function of the *columns* of `samples` that *release* sums: how it is rounded."""
    factors = (factor.column for measure in of_functions(release) for factor in measure.factors)
    for name in dict.fromkeys(factors):
        made = computed_column(name)
        if made is not None and made.by_person:
            yield (
                f"≈: a ratio by person is rounded to {RATIO_DIGITS} binary digits, so that it is within "
                "0.05 %; who has 0 below the line has no value"
            )
        elif made is not None:
            column = made.describe(columns)
            assert column.resolution is not None
            yield (
                f"≈: {column.description} is rounded to {column.resolution:f} for each person, "
                f"so that its mean is within {column.resolution / 2:f}"
            )


def margins_of(plan: Plan, parts: Mapping[int, Sequence[Part]]) -> Iterator[Margin]:
    """How far each number of the releases of *plan* may be off, over all nodes that answered.

    The nodes draw their noise apart: each stays within its share of the doubt, so that all do together.
    """
    for place, release in enumerate(plan.releases):
        spreads = [part.answer.spread for part in parts.get(place, ()) if part.answer.spread is not None]
        columns = _columns(plan, release)
        for measure in release.measures if spreads else ():
            steps = sum(_within(spread, measure, len(spreads)) for spread in spreads)
            confidence = CONFIDENCE if any(spread.kind == "noisy" for spread in spreads) else 1.0
            within = format((Decimal(steps) * measure.resolution).normalize(), "f")
            yield Margin(columns.get(measure.name), _words(measure), within, confidence)


def left_out(plan: Plan, parts: Mapping[int, Sequence[Part]]) -> Iterator[str]:
    """One sentence, where a node told a value without a condition of low effect: not which, nor where."""
    for place, release in enumerate(plan.releases):
        for part in parts.get(place, ()):
            cells = part.answer.cells
            for name in (measure.name for measure in release.measures):
                if approx_column(name) not in cells.column_names:
                    continue
                told = pc.and_(cells.column(approx_column(name)), pc.is_valid(cells.column(name)))
                if pc.any(told).as_py():
                    yield LEFT_OUT
                    return


def _within(spread: Spread, measure: Measure, nodes: int) -> int:
    value = spread.by_measure.get(measure.name, 0.0)
    if spread.kind == "rounded":
        return int(value)
    return Noise(value).half_width(1 - (1 - CONFIDENCE) / nodes) if value else 0


def _columns(plan: Plan, release: Release) -> dict[str, str]:
    """The output columns that are a measure of *release*, in its unit, and nothing else."""
    step = plan.last
    if plan.single is not release or not isinstance(step, SelectStep):
        return {}
    scales = {measure.name: 1 / measure.resolution for measure in release.measures}
    shown = {}
    for item, name in zip(step.select.expressions, step.columns, strict=True):
        number, divisor = _bare(item.unalias()), Decimal(1)
        if isinstance(number, exp.Div) and isinstance(literal := _bare(number.expression), exp.Literal):
            number, divisor = _bare(number.this), Decimal(literal.name)
        if isinstance(number, exp.Column) and scales.get(number.name) == divisor:
            shown[number.name] = name
    return shown


def _bare(expression: exp.Expr) -> exp.Expr:
    """*expression* without casts and parentheses."""
    while isinstance(expression, exp.Cast | exp.Paren):
        expression = expression.this
    return expression


def _words(measure: Measure) -> str:
    where = " filter" if measure.where is not None else ""
    return f"{measure.function}({' * '.join(factor.column for factor in measure.factors)}){where}"
