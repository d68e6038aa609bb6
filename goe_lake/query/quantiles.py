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

from goe_lake.catalog import Catalog, Column, ColumnType
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
)

QUANTILES = ("median", "quantile_cont", "quantile_disc", "quantile", "approx_quantile", "mad")
GRID = 2**14  # intervals of the public bounds, at most: the edges that a node may choose among
BINNED_TABLES = frozenset({"samples", "scores"})
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
    says that persons are parted at it, who may have the very value.
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
) -> tuple[list[Quantile], bool]:
    """The quantiles that the aggregate *node* needs, and whether it is a list; new ones join *known*."""
    argument = (node.expressions[0] if isinstance(node, exp.Anonymous) else node.this).unnest()
    if isinstance(argument, exp.Cast) and isinstance(argument.this, exp.Column):
        argument = argument.this
    if not isinstance(argument, exp.Column) or tables.get(argument.table) not in BINNED_TABLES:
        _, text = in_the_text(argument)
        hint = (
            "take it of a measured column of samples or scores; of a sum by person count the persons by its "
            "value, SELECT s, count(*) … GROUP BY s, and read the quantile off the counts"
        )
        raise refusal(Code.ARGUMENT_FORM, node, f"no quantile of {text} is answered", hint)
    if "genotypes" in tables.values():
        hint = "choose persons by their genotypes with EXISTS, SEMI JOIN or a nested query by sample_id"
        raise refusal(Code.ARGUMENT_FORM, node, "no quantile is taken over rows of genotypes", hint)
    column = catalog.column(tables[argument.table], argument.name)
    low, step, top = _grid(argument, column)
    kind, probabilities, several = asked(node)
    made = []
    for probability in probabilities:
        quantile = Quantile(
            f"q{len(known)}",
            kind,
            probability,
            ColumnRef(argument.table, argument.name),
            where,
            node.sql("duckdb").lower(),
            column.unit,
            low,
            step,
            top,
            CUTS in node.meta,
        )
        same = next((its for its in known if its.asks_as(quantile)), None)
        known += [quantile] if same is None else []
        made.append(same or quantile)
    if len(known) > MOST_QUANTILES:
        hint = "ask for them in parts"
        raise refusal(Code.TOO_MUCH_WORK, node, f"there are more than {MOST_QUANTILES} quantiles", hint)
    return made, several


def _grid(node: exp.Expr, column: Column) -> tuple[Decimal, Decimal, int]:
    """The lower bound of *column*, its resolution, and the steps between its bounds."""
    if column.type not in (ColumnType.DOUBLE, ColumnType.INTEGER):
        raise refusal(Code.TYPES, node, f"{column.name} is not a number", "take it of a measured column")
    if column.bounds is None or column.resolution is None:
        message = f"{column.name} has no public bounds and resolution"
        raise refusal(Code.ARGUMENT_FORM, node, message, "take it of a column that has (see columns)")
    low, high = (Fraction(bound) / Fraction(column.resolution) for bound in column.bounds)
    start, end = -(-low.numerator // low.denominator), high.numerator // high.denominator
    return start * column.resolution, column.resolution, max(end - start, 0)


def bins_release(release: Release, quantile: Quantile) -> Release:
    """The counts by intervals that *quantile* needs, for the groups of *release*."""
    width = -(-(quantile.top + 1) // GRID)
    grid = (
        quantile.column,
        Literal(LiteralType.DECIMAL, f"{quantile.low:f}"),
        Literal(LiteralType.DECIMAL, f"{quantile.step:f}"),
        Literal(LiteralType.INTEGER, str(quantile.top)),
        Literal(LiteralType.INTEGER, str(width)),
    )
    present = Call("not", (Call("is_null", (quantile.column,)),))
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
