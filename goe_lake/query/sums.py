"""Sums and counts of argument forms: the measures that they ask nodes for, and how these are put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import prod

from sqlglot import exp

from goe_lake.catalog import Catalog, Column, ColumnType
from goe_lake.computed import column_of
from goe_lake.query.expressions import both
from goe_lake.query.forms import Form, Product
from goe_lake.query.quantiles import Quantile
from goe_lake.query.refusals import Code, refusal
from goe_lake.release import (
    Call,
    ColumnRef,
    Expr,
    Measure,
    MeasureFunction,
    conjuncts,
    in_order,
    stored_in,
    value_of,
)

Asked = tuple[MeasureFunction, Product, Expr | None]


@dataclass
class Measures:
    """The measures of one release, each asked for once."""

    catalog: Catalog
    tables: dict[str, str]
    asked: dict[Asked, Measure] = field(default_factory=dict)
    quantiles: list[Quantile] = field(default_factory=list)

    def column(
        self, function: MeasureFunction, factors: Product = (), where: Expr | None = None
    ) -> exp.Column:
        """The column of the merged cells that holds this measure."""
        if function is not MeasureFunction.SUM:
            for ratio in (factor for factor in factors if value_of(factor) is not factor):
                where = both(where, given(ratio))
            factors = tuple(factor for factor in factors if value_of(factor) is factor)
        where = _beside(factors, where)
        key = (function, factors, where)
        if key not in self.asked:
            resolution = Decimal(1)
            if function is MeasureFunction.SUM:
                resolution = prod(
                    (self.described(factor).resolution or Decimal(1) for factor in factors), start=Decimal(1)
                )
            self.asked[key] = Measure(f"m{len(self.asked)}", function, factors, where, resolution)
        return exp.column(self.asked[key].name)

    def rows(self, columns: Product = (), where: Expr | None = None) -> exp.Expr:
        """How many rows have a value in each of *columns*, as the BIGINT that SQL counts in."""
        return cast_to(self.column(MeasureFunction.ROWS, columns, where), "BIGINT")

    def sum(self, factors: Product, columns: Product, where: Expr | None) -> exp.Column:
        """The sum of the product of *factors* over the rows that have a value in each of *columns*."""
        read = {column for factor in factors for column in (factor, *stored_in(factor))}
        for column in columns:
            if column not in read:
                where = both(where, given(column))
        # a truth is 0 or 1, as are its powers
        truths = {factor for factor in factors if self.described(factor).type is ColumnType.BOOLEAN}
        factors = in_order((*truths, *(factor for factor in factors if factor not in truths)))
        return self.column(MeasureFunction.SUM, factors, where)

    def described(self, column: ColumnRef) -> Column:
        """What the catalogue says of a column."""
        return column_of(self.catalog.tables[self.tables[column.table]].by_name, column.column)

    def step(self, factors: Product) -> Fraction:
        """What the unit of a sum of products is worth."""
        return prod((self.described(factor).step for factor in factors), start=Fraction(1))

    def largest(self, factors: Product, at: exp.Expr) -> Fraction:
        """The largest absolute value of a product, in its steps; QueryRefused without public bounds."""
        return prod((self._largest(factor, at) for factor in factors), start=Fraction(1))

    def _largest(self, factor: ColumnRef, at: exp.Expr) -> Fraction:
        column = self.described(factor)
        if column.type is ColumnType.BOOLEAN:
            return Fraction(1)
        if column.bounds is None:
            message = f"{factor.column} has no public bounds, so the sum of its squares could be of any size"
            raise refusal(Code.ARGUMENT_FORM, at, message, "sum or average it, or use a column with bounds")
        return max(abs(Fraction(bound)) for bound in column.bounds) / column.step


def _beside(factors: Product, where: Expr | None) -> Expr | None:
    """*where* without what *factors* say by themselves: that they are not missing."""
    told = _told(factors)
    parts = tuple(part for part in conjuncts(where) if part not in told) if where is not None else ()
    return Call("and", parts) if len(parts) > 1 else parts[0] if parts else None


def _told(columns: Product) -> set[Expr]:
    """The conditions that none of *columns* is missing."""
    read = (stored for column in columns for stored in stored_in(column))
    return {given(column) for column in (*read, *columns)}


def given(column: ColumnRef) -> Expr:
    """Whether *column* has a value; a ratio by person has none where it divides by 0."""
    return Call("not", (Call("is_null", (value_of(column),)),))


def total_of(form: Form, where: Expr | None, measures: Measures) -> exp.Expr:
    """The sum of *form*: NULL over no value, as in SQL."""
    if not form.branches:
        raise refusal(Code.ARGUMENT_FORM, None, "the argument is always NULL", "give it a value")
    terms = _terms(form, where, measures, stored=False)
    if len(form.branches) == 1 and len(terms) == 1:
        return terms[0]
    present = count_of(form, where, measures)
    return exp.Case(
        ifs=[exp.If(this=exp.GT(this=present, expression=exp.Literal.number(0)), true=_added(terms))]
    )


def stored_total_of(form: Form, where: Expr | None, measures: Measures) -> exp.Expr:
    """The sum of *form*, which is over values as they are stored, in whole numbers; 0 or NULL over none."""
    terms = _terms(form, where, measures, stored=True)
    alone = len(form.branches) == len(terms) == 1
    return terms[0] if alone else exp.Paren(this=_added(terms))


def _added(terms: list[exp.Expr]) -> exp.Expr:
    total: exp.Expr = exp.Literal.number(0)
    for term in terms:
        zeroed = exp.Coalesce(this=term, expressions=[exp.Literal.number(0)])
        total = exp.Add(this=total, expression=zeroed)
    return total


def _terms(form: Form, where: Expr | None, measures: Measures, *, stored: bool) -> list[exp.Expr]:
    """The parts of a sum: each product's sum times its coefficient, and the constant times the rows."""
    terms: list[exp.Expr] = []
    for branch in form.branches:
        here = both(where, branch.where)
        for product, value in branch.terms:
            if product:
                factor = value if stored else value * measures.step(product)
                terms.append(times(measures.sum(product, branch.columns, here), factor))
            else:
                count = measures.column(MeasureFunction.ROWS, branch.columns, here)
                terms.append(times(exp.Nullif(this=count, expression=exp.Literal.number(0)), value))
    return terms


def count_of(form: Form, where: Expr | None, measures: Measures) -> exp.Expr:
    """How many rows have a value of *form*.

    Where the branches hold every row, those without a value are subtracted from all rows, so that
    `CASE … ELSE 0` does not ask for the rows of its ELSE.
    """
    if form.given is not None:
        return measures.rows(where=both(where, form.given))
    if form.covers and any(not branch.columns for branch in form.branches):
        total = measures.rows(where=where)
        for branch in form.branches:
            here = both(where, branch.where)
            if not _told(branch.columns) <= set(conjuncts(here) if here is not None else ()):
                missing = exp.Paren(
                    this=exp.Sub(
                        this=measures.rows(where=here), expression=measures.rows(branch.columns, here)
                    )
                )
                total = exp.Sub(this=total, expression=missing)
        return exp.Paren(this=total)
    counts = [measures.rows(branch.columns, both(where, branch.where)) for branch in form.branches]
    total = counts[0]
    for count in counts[1:]:
        total = exp.Add(this=total, expression=count)
    return exp.Paren(this=total)


def times(value: exp.Expr, factor: Fraction) -> exp.Expr:
    """value * factor, in whole numbers as long as the factor is one."""
    if factor == 1:
        return value
    if factor.denominator == 1:
        return exp.Mul(this=value, expression=number(factor.numerator))
    # one rounding: the product is exact below 2^53, and the division rounds once
    product = cast_to(value, "DOUBLE")
    if factor.numerator != 1:
        product = exp.Paren(
            this=exp.Mul(this=product, expression=cast_to(number(factor.numerator), "DOUBLE"))
        )
    return exp.Paren(this=exp.Div(this=product, expression=cast_to(number(factor.denominator), "DOUBLE")))


def number(value: int) -> exp.Expr:
    """A whole number as SQL."""
    return exp.Neg(this=exp.Literal.number(-value)) if value < 0 else exp.Literal.number(value)


def cast_to(value: exp.Expr, kind: str) -> exp.Expr:
    """A cast to one of DuckDB's types."""
    return exp.cast(value, _type_of(kind), dialect="duckdb")


@cache
def _type_of(kind: str) -> exp.DataType:
    """One of DuckDB's types, read once."""
    return exp.DataType.build(kind, dialect="duckdb")
