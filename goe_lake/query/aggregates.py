"""Every aggregate in two halves: the measures that nodes compute, and how an answer is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from goe_lake.catalog import Catalog, ColumnType
from goe_lake.query.expressions import both, convert
from goe_lake.query.forms import Branch, Form, form_of
from goe_lake.query.refusals import Code, refusal
from goe_lake.release import Call, ColumnRef, Expr, Measure, MeasureFunction


@dataclass
class Measures:
    """The measures of one release, each asked for once."""

    catalog: Catalog
    tables: dict[str, str]
    asked: dict[tuple[MeasureFunction, ColumnRef | None, Expr | None], Measure] = field(default_factory=dict)

    def column(
        self, function: MeasureFunction, argument: ColumnRef | None = None, where: Expr | None = None
    ) -> exp.Column:
        """The column of the merged cells that holds this measure."""
        key = (function, argument, where)
        if key not in self.asked:
            name = f"m{len(self.asked)}"
            self.asked[key] = Measure(name, function, argument, where, self._resolution(function, argument))
        return exp.column(self.asked[key].name)

    def rows(self, argument: ColumnRef | None = None, where: Expr | None = None) -> exp.Expr:
        """How many rows, as the BIGINT that SQL counts in."""
        return _cast(self.column(MeasureFunction.ROWS, argument, where), "BIGINT")

    def _resolution(self, function: MeasureFunction, argument: ColumnRef | None) -> Decimal:
        if function is not MeasureFunction.SUM or argument is None:
            return Decimal(1)
        column = self.catalog.column(self.tables[argument.table], argument.column)
        return column.resolution or Decimal(1)


def finish(node: exp.Expr, measures: Measures) -> exp.Expr:
    """The final expression for aggregate *node*, over the merged cells; notes the measures it needs."""
    where: Expr | None = None
    if isinstance(node, exp.Filter):
        where = convert(node.expression.this)
        node = node.this
    return DECOMPOSITIONS[type(node)](node, where, measures)


def _count(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    argument = node.this.unnest()
    if isinstance(argument, exp.Star | exp.Literal):
        return measures.rows(where=where)
    if isinstance(argument, exp.Distinct):
        return _cast(measures.column(MeasureFunction.PERSONS, where=where), "BIGINT")
    if isinstance(argument, exp.Column):
        return measures.rows(_reference(argument), where)
    present = Call("not", (Call("is_null", (convert(argument),)),))
    return measures.rows(where=both(where, present))


def _count_if(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    # DuckDB's count_if is a sum of ones: a HUGEINT
    counted = measures.column(MeasureFunction.ROWS, where=both(where, convert(node.this)))
    return _cast(counted, "HUGEINT")


def _sum(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    form = form_of(node.this, measures.catalog, measures.tables)
    whole = _is_whole(form, measures)
    total = _total(form, where, measures)
    return _cast(total, "HUGEINT" if whole else "DOUBLE")


def _avg(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    form = form_of(node.this, measures.catalog, measures.tables)
    total = _cast(_total(form, where, measures), "DOUBLE")
    present = exp.Nullif(this=_present(form, where, measures), expression=exp.Literal.number(0))
    return exp.Paren(this=exp.Div(this=total, expression=present))


def _total(form: Form, where: Expr | None, measures: Measures) -> exp.Expr:
    """The sum of *form*: NULL over no value, as in SQL."""
    if not form.branches:
        raise refusal(Code.ARGUMENT_FORM, None, "the argument is always NULL", "give it a value")
    terms = [term for branch in form.branches for term in _terms(branch, where, measures)]
    if len(form.branches) == 1 and len(terms) == 1:
        return terms[0]
    present = _present(form, where, measures)
    zeroed = (exp.Coalesce(this=term, expressions=[exp.Literal.number(0)]) for term in terms)
    total: exp.Expr = exp.Literal.number(0)
    for term in zeroed:
        total = exp.Add(this=total, expression=term)
    return exp.Case(ifs=[exp.If(this=exp.GT(this=present, expression=exp.Literal.number(0)), true=total)])


def _terms(branch: Branch, where: Expr | None, measures: Measures) -> list[exp.Expr]:
    """The parts of the branch's sum: slope * sum(column), and intercept * rows."""
    here = both(where, branch.where)
    terms: list[exp.Expr] = []
    if branch.column is not None:
        column = measures.column(MeasureFunction.SUM, branch.column, here)
        step = measures.catalog.column(measures.tables[branch.column.table], branch.column.column).step
        terms.append(_times(column, branch.slope * step))
    if branch.intercept:
        count = measures.column(MeasureFunction.ROWS, branch.column, here)
        terms.append(_times(exp.Nullif(this=count, expression=exp.Literal.number(0)), branch.intercept))
    return terms


def _present(form: Form, where: Expr | None, measures: Measures) -> exp.Expr:
    """How many rows have a value of *form*.

    Where the branches hold every row, those without a value are subtracted from all rows, so that
    `CASE … ELSE 0` does not ask for the rows of its ELSE.
    """
    if form.covers and any(branch.column is None for branch in form.branches):
        total = measures.rows(where=where)
        for branch in form.branches:
            if branch.column is not None:
                here = both(where, branch.where)
                missing = exp.Paren(
                    this=exp.Sub(
                        this=measures.rows(where=here), expression=measures.rows(branch.column, here)
                    )
                )
                total = exp.Sub(this=total, expression=missing)
        return exp.Paren(this=total)
    counts = [measures.rows(branch.column, both(where, branch.where)) for branch in form.branches]
    total = counts[0]
    for count in counts[1:]:
        total = exp.Add(this=total, expression=count)
    return exp.Paren(this=total)


def _is_whole(form: Form, measures: Measures) -> bool:
    """Whether SQL sums the argument as whole numbers."""
    return all(
        branch.slope.denominator == branch.intercept.denominator == 1
        and (branch.column is None or _type(branch.column, measures) is not ColumnType.DOUBLE)
        for branch in form.branches
    )


def _type(column: ColumnRef, measures: Measures) -> ColumnType:
    return measures.catalog.column(measures.tables[column.table], column.column).type


def _times(value: exp.Expr, factor: Fraction) -> exp.Expr:
    """value * factor, in whole numbers as long as the factor is one."""
    if factor == 1:
        return value
    if factor.denominator == 1:
        return exp.Mul(this=value, expression=_number(factor.numerator))
    # one rounding: the product is exact below 2^53, and the division rounds once
    product = _cast(value, "DOUBLE")
    if factor.numerator != 1:
        product = exp.Paren(this=exp.Mul(this=product, expression=_cast(_number(factor.numerator), "DOUBLE")))
    return exp.Paren(this=exp.Div(this=product, expression=_cast(_number(factor.denominator), "DOUBLE")))


def _number(value: int) -> exp.Expr:
    return exp.Neg(this=exp.Literal.number(-value)) if value < 0 else exp.Literal.number(value)


def _cast(value: exp.Expr, kind: str) -> exp.Expr:
    return exp.cast(value, kind, dialect="duckdb")


def _reference(column: exp.Column) -> ColumnRef:
    return ColumnRef(column.table, column.name)


# Both halves of each aggregate: the function notes the measures and returns the final expression.
DECOMPOSITIONS: dict[type[exp.Expr], Callable[[exp.Expr, Expr | None, Measures], exp.Expr]] = {
    exp.Count: _count,
    exp.CountIf: _count_if,
    exp.Sum: _sum,
    exp.Avg: _avg,
}
