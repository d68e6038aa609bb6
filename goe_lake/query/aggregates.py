"""Every aggregate in two halves: the measures that nodes compute, and how an answer is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from goe_lake.catalog import ColumnType
from goe_lake.computed import computed_column
from goe_lake.query.arguments import form_of
from goe_lake.query.expressions import both, convert
from goe_lake.query.forms import Form, indicator
from goe_lake.query.language import over_persons
from goe_lake.query.moments import MOMENTS, arguments_of, moment_of
from goe_lake.query.quantiles import QUANTILES, Taken, quantiles_of
from goe_lake.query.sums import Measures, cast_to, count_of, number, times, total_of
from goe_lake.release import Call, ColumnRef, Expr, MeasureFunction


def finish(node: exp.Expr, measures: Measures) -> exp.Expr:
    """The final expression for aggregate *node*, over the merged cells; notes the measures it needs."""
    where: Expr | None = None
    if isinstance(node, exp.Filter):
        where = convert(node.expression.this)
        node = node.this
    return DECOMPOSITIONS[over_persons(node) or ""](node, where, measures)


def _count(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    argument = node.this.unnest()
    if isinstance(argument, exp.Star | exp.Literal):
        return measures.rows(where=where)
    if isinstance(argument, exp.Distinct):
        return _persons(node, where, measures)
    if isinstance(argument, exp.Column):
        return measures.rows((_reference(argument),), where)
    present = Call("not", (Call("is_null", (convert(argument),)),))
    return measures.rows(where=both(where, present))


def _persons(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    return cast_to(measures.column(MeasureFunction.PERSONS, where=where), "BIGINT")


def _count_if(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    # DuckDB's count_if is a sum of ones: a HUGEINT
    counted = measures.column(MeasureFunction.ROWS, where=both(where, convert(node.this)))
    return cast_to(counted, "HUGEINT")


def _sum(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    form = form_of(node.this, measures.catalog, measures.tables)
    whole = _is_whole(form, measures)
    return cast_to(total_of(form, where, measures), "HUGEINT" if whole else "DOUBLE")


def _double_sum(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    (argument,) = arguments_of(node)
    return cast_to(total_of(form_of(argument, measures.catalog, measures.tables), where, measures), "DOUBLE")


def _avg(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    form = form_of(node.this, measures.catalog, measures.tables)
    total = cast_to(total_of(form, where, measures), "DOUBLE")
    present = exp.Nullif(this=count_of(form, where, measures), expression=exp.Literal.number(0))
    return exp.Paren(this=exp.Div(this=total, expression=present))


def _geometric_mean(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    (argument,) = arguments_of(node)
    return exp.Exp(this=_avg(exp.Avg(this=exp.Ln(this=argument.copy())), where, measures))


def _quantile(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    taken = quantiles_of(node, where, measures.catalog, measures.tables, measures.quantiles)
    values = [_moved(exp.column(quantile.name), taken) for quantile in taken.quantiles]
    return exp.Array(expressions=values) if taken.several else values[0]


def _moved(value: exp.Expr, taken: Taken) -> exp.Expr:
    """*value* times the factor of *taken*, and its constant more."""
    moved = times(value, taken.factor)
    if not taken.constant:
        return moved
    constant = times(number(1), taken.constant)
    return exp.Paren(this=exp.Add(this=moved, expression=constant))


def _all(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    return _truth(node.this, where, measures, deciding=False)


def _any(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    return _truth(node.this, where, measures, deciding=True)


def _truth(node: exp.Expr, where: Expr | None, measures: Measures, *, deciding: bool) -> exp.Expr:
    """One row of the *deciding* truth decides; without any, a row of the other does; NULL over no value."""
    branches = dict(zip((True, False), indicator(convert(node)).branches, strict=True))
    ifs = [
        exp.If(
            this=exp.GT(
                this=measures.rows(where=both(where, branches[truth].where)), expression=exp.Literal.number(0)
            ),
            true=exp.Boolean(this=truth),
        )
        for truth in (deciding, not deciding)
    ]
    return exp.Case(ifs=ifs)


def _is_whole(form: Form, measures: Measures) -> bool:
    """Whether SQL sums the argument as whole numbers."""
    return all(
        all(value.denominator == 1 for _, value in branch.terms)
        and not any(computed_column(factor.column) for product, _ in branch.terms for factor in product)
        and all(measures.described(column).type is not ColumnType.DOUBLE for column in branch.columns)
        for branch in form.branches
    )


def _reference(column: exp.Column) -> ColumnRef:
    return ColumnRef(column.table, column.name)


# Both halves of each aggregate: the function notes the measures and returns the final expression.
DECOMPOSITIONS: Final[Mapping[str, Callable[[exp.Expr, Expr | None, Measures], exp.Expr]]] = MappingProxyType(
    {
        "count": _count,
        "count_if": _count_if,
        "approx_count_distinct": _persons,  # persons are counted exactly
        "sum": _sum,
        **dict.fromkeys(("fsum", "kahan_sum", "sumkahan"), _double_sum),
        "avg": _avg,
        "geomean": _geometric_mean,
        "bool_and": _all,
        "bool_or": _any,
        **dict.fromkeys(MOMENTS, moment_of),
        **dict.fromkeys(QUANTILES, _quantile),
    }
)
