"""Quantiles of persons: each is read off counts of persons by intervals of the column's public bounds.

No node sends a value. It counts persons by intervals that it chooses itself, each of enough persons; from
the counts of all nodes follow bounds of every quantile of the union.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog, Column, ColumnType
from goe_lake.computed import column_of
from goe_lake.per_person import OF_DECIMALS
from goe_lake.query.arguments import form_of
from goe_lake.query.expressions import both
from goe_lake.query.refusals import Code, in_the_text, refusal
from goe_lake.release import (
    Call,
    ColumnRef,
    Expr,
    Key,
    KeyDomain,
    Literal,
    LiteralType,
    Measure,
    MeasureFunction,
    Release,
    value_of,
)

QUANTILES = ("median", "quantile_cont", "quantile_disc", "quantile", "approx_quantile", "mad")
GRID = 2**14  # intervals of the public bounds, at most: the edges that a node may choose among
BINNED_TABLES = frozenset({"samples", "scores"})
#: Steps to either side of 0 of a column by person, whose bounds are far: doubles tell them all apart.
MOST_STEPS = 2**51
MOST_QUANTILES = 100


class QuantileKind(StrEnum):
    """How a quantile is read off the ordered values."""

    CONTINUOUS = "continuous"  # between the two values around its place
    DISCRETE = "discrete"  # the value at its place
    DEVIATION = "deviation"  # of the distances from the median


#: What a quantile that parts persons is called in its notes.
CUTS: Final = "cuts"


@dataclass(frozen=True)
class Quantile:
    """One quantile: the column *name* of its table of cells.

    *column* and *where* choose the values; *text* and *unit* name it to people. *low* and *step* are
    the public lower bound and resolution of the values, *top* the number of steps between the bounds. *cuts*
    says that persons are parted at it, who may have the very value. An edge of the grid is every *width*
    steps. *decimal* says that SQL holds the values as decimal numbers, *rounded* that those of each person
    are rounded to some binary digits.
    """

    name: str
    kind: QuantileKind
    probability: Fraction
    column: ColumnRef
    where: Expr | None
    text: str
    unit: str
    low: Decimal
    step: Decimal
    top: int
    cuts: bool = False
    width: int = 1
    decimal: bool = False
    rounded: bool = False

    @property
    def binned(self) -> tuple[ColumnRef, Expr | None]:
        """What is counted by intervals for it."""
        return self.column, self.where

    def asks_as(self, other: Quantile) -> bool:
        """Whether both are one quantile of the same values."""
        mine, theirs = ((its.kind, its.probability, its.binned, its.cuts) for its in (self, other))
        return mine == theirs


def asked(node: exp.Expr) -> tuple[QuantileKind, tuple[Fraction, ...], bool]:
    """The kind and probabilities of the quantile *node*, and whether it gives a list of them."""
    kind = (
        QuantileKind.DISCRETE
        if isinstance(node, exp.PercentileDisc | exp.Quantile)
        else QuantileKind.CONTINUOUS
    )
    if isinstance(node, exp.Anonymous):  # mad(x)
        return QuantileKind.DEVIATION, (Fraction(1, 2),), False
    if isinstance(node, exp.Median):
        return kind, (Fraction(1, 2),), False
    given = node.args.get("quantile") or node.args.get("expression")
    several = isinstance(given, exp.Array)
    parts: Sequence[exp.Expr | None] = given.expressions if isinstance(given, exp.Array) else [given]
    return kind, tuple(_probability(part, node) for part in parts), several


def _probability(part: exp.Expr | None, node: exp.Expr) -> Fraction:
    part = part.unnest() if part is not None else None
    if isinstance(part, exp.Cast):
        part = part.this.unnest()
    if isinstance(part, exp.Literal) and not part.is_string and 0 <= Fraction(part.name) <= 1:
        return Fraction(part.name)
    hint = "e.g. quantile_cont(bmi, 0.5)"
    raise refusal(Code.CONSTANT, part or node, "a probability is a number from 0 to 1", hint)


def quantiles_of(
    node: exp.Expr, where: Expr | None, catalog: Catalog, tables: dict[str, str], known: list[Quantile]
) -> Taken:
    """The quantiles that the aggregate *node* needs; new ones join *known*."""
    argument = (node.expressions[0] if isinstance(node, exp.Anonymous) else node.this).unnest()
    reference, chosen, factor, constant = _one_column(argument, node, catalog, tables)
    where = both(where, chosen)
    if "genotypes" in tables.values():
        hint = "choose persons by their genotypes with EXISTS, SEMI JOIN or a nested query by sample_id"
        raise refusal(Code.ARGUMENT_FORM, node, "no quantile is taken over rows of genotypes", hint)
    column = column_of(catalog.tables[tables[reference.table]].by_name, reference.column)
    by_person = tables[reference.table] not in BINNED_TABLES
    low, step, top = _grid(argument, column, near=by_person)
    kind, probabilities, several = asked(node)
    if factor < 0 and kind is QuantileKind.DISCRETE:
        hint = "turn the probability round: quantile_disc(-x, 0.9) is -quantile_disc(x, 0.1)"
        raise refusal(Code.ARGUMENT_FORM, node, "a discrete quantile is taken of less than 0 times x", hint)
    made = []
    for asked_for in probabilities:
        probability = 1 - asked_for if factor < 0 else asked_for
        quantile = Quantile(
            f"q{len(known)}",
            kind,
            probability,
            reference,
            where,
            node.sql("duckdb").lower(),
            column.unit,
            low,
            step,
            top,
            CUTS in node.meta,
            1 if by_person else -(-(top + 1) // GRID),
            column.description == OF_DECIMALS,
            value_of(reference) is not reference,
        )
        same = next((its for its in known if its.asks_as(quantile)), None)
        known += [quantile] if same is None else []
        made.append(same or quantile)
    if len(known) > MOST_QUANTILES:
        hint = "ask for them in parts"
        raise refusal(Code.TOO_MUCH_WORK, node, f"there are more than {MOST_QUANTILES} quantiles", hint)
    if kind is QuantileKind.DEVIATION:  # of distances
        factor, constant = abs(factor), Fraction(0)
    return Taken(tuple(made), several, factor, constant)


@dataclass(frozen=True)
class Taken:
    """What an aggregate asks for: *quantiles*, or a list of them, each times *factor* plus *constant*."""

    quantiles: tuple[Quantile, ...]
    several: bool
    factor: Fraction
    constant: Fraction


def _one_column(
    argument: exp.Expr, node: exp.Expr, catalog: Catalog, tables: dict[str, str]
) -> tuple[ColumnRef, Expr | None, Fraction, Fraction]:
    """The column that *argument* is of, where it is one, what it is multiplied with, and what is added.

    The order of persons is then that of the column, or the other way round.
    """
    if isinstance(argument, exp.Cast) and isinstance(argument.this, exp.Column):
        argument = argument.this
    if isinstance(argument, exp.Column) and _is_binned(tables.get(argument.table, "")):
        return ColumnRef(argument.table, argument.name), None, Fraction(1), Fraction(0)
    if not isinstance(argument, exp.Column):
        form = form_of(argument, catalog, tables)
        (branch, *others) = form.branches or (None,)
        if branch is not None and not others and branch.degree == 1 and len(branch.columns) == 1:
            ((column,), factor) = branch.terms[0]
            if _is_binned(tables[column.table]) and (
                value_of(column) is not column or column in branch.columns
            ):
                return column, branch.where, factor, branch.intercept
    _, text = in_the_text(argument)
    hint = "take it of a measured column of samples or scores, or of a sum, count or ratio by person"
    raise refusal(Code.ARGUMENT_FORM, node, f"no quantile of {text} is answered", hint)


def _is_binned(table: str) -> bool:
    """Whether quantiles are taken of columns of *table*: measured ones, and those of sub-aggregates."""
    return bool(table) and (table in BINNED_TABLES or table not in PUBLIC_COLUMNS)


def _grid(node: exp.Expr, column: Column, *, near: bool) -> tuple[Decimal, Decimal, int]:
    """The lower bound of *column*, its resolution, and the steps between its bounds.

    Where it is to be *near*, bounds that hold whatever a person's rows are come nearer to 0.
    """
    if column.type not in (ColumnType.DOUBLE, ColumnType.INTEGER):
        raise refusal(Code.TYPES, node, f"{column.name} is not a number", "take it of a measured column")
    if column.bounds is None or column.resolution is None:
        message = f"{column.name} has no public bounds and resolution"
        raise refusal(Code.ARGUMENT_FORM, node, message, "take it of a column that has (see columns)")
    low, high = (Fraction(bound) / Fraction(column.resolution) for bound in column.bounds)
    start, end = -(-low.numerator // low.denominator), high.numerator // high.denominator
    if near:
        start, end = max(start, -MOST_STEPS), min(end, MOST_STEPS)
    return start * column.resolution, column.resolution, max(end - start, 0)


def bins_release(release: Release, quantile: Quantile) -> Release:
    """The counts by intervals that *quantile* needs, for the groups of *release*."""
    grid = (
        quantile.column,
        Literal(LiteralType.DECIMAL, f"{quantile.low:f}"),
        Literal(LiteralType.DECIMAL, f"{quantile.step:f}"),
        Literal(LiteralType.INTEGER, str(quantile.top)),
        Literal(LiteralType.INTEGER, str(quantile.width)),
    )
    present = Call("not", (Call("is_null", (value_of(quantile.column),)),))
    chosen = [quantile.where] if quantile.where is not None else []
    conditions = tuple(dict.fromkeys((*release.conditions, *chosen, present)))
    count = len(release.keys)
    bins = tuple(
        Key(f"k{count + place}", Call(end, grid), KeyDomain.OPEN)
        for place, end in enumerate(("bin_first", "bin_last"))
    )
    return replace(
        release,
        conditions=conditions,
        keys=(*release.keys, *bins),
        measures=(Measure("m0", MeasureFunction.ROWS),),
    )
