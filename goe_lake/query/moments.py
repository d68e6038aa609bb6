"""Variances, correlations and regressions from exact sums: the part that the gateway computes.

Every value is `unit * whole + shift`, with whole numbers that nodes sum exactly. A sum of products is
taken about the mean in whole numbers as well, about the whole number nearest to it, so that nothing
cancels: what is left to doubles is at most half a step from the mean. A column that is constant has a
variance of exactly 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from goe_lake.query.arguments import form_of
from goe_lake.query.forms import MOST_ROWS, MOST_SUM, Branch, Form, Product
from goe_lake.query.language import over_persons
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.sums import Measures, cast_to, count_of, number, stored_total_of, times
from goe_lake.release import Expr

# What a workspace must know to run final SQL. Sums are whole numbers (HUGEINT) of n pairs, and `c` is the
# whole number nearest to a mean; each macro gives NULL over no row, and what DuckDB gives where a
# variance is 0. Notation: sxy = sum of x * y; m2, m3, m4 = sums of powers of the distance from the mean.
MACROS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nearest(n, s)": "(2 * s::HUGEINT + sign(s::HUGEINT) * n::HUGEINT) // nullif(2 * n::HUGEINT, 0)",
        "off_mean(n, s)": "(s::HUGEINT - n::HUGEINT * nearest(n, s))::DOUBLE",
        # sum of (x - cx) * (y - cy), less what the two means are off their c
        "comoment(n, sx, sy, sxy)": (
            "(sxy::HUGEINT - nearest(n, sx) * sy::HUGEINT - nearest(n, sy) * sx::HUGEINT"
            " + n::HUGEINT * nearest(n, sx) * nearest(n, sy))::DOUBLE"
            " - off_mean(n, sx) * off_mean(n, sy) / nullif(n, 0)::DOUBLE"
        ),
        "third(n, s1, s2, s3)": (
            "(s3::HUGEINT - nearest(n, s1) * (3 * s2::HUGEINT - nearest(n, s1) * (3 * s1::HUGEINT"
            " - n::HUGEINT * nearest(n, s1))))::DOUBLE"
        ),
        "fourth(n, s1, s2, s3, s4)": (
            "(s4::HUGEINT - nearest(n, s1) * (4 * s3::HUGEINT - nearest(n, s1) * (6 * s2::HUGEINT"
            " - nearest(n, s1) * (4 * s1::HUGEINT - n::HUGEINT * nearest(n, s1)))))::DOUBLE"
        ),
        "second(n, s1, s2)": (
            "(s2::HUGEINT - nearest(n, s1) * (2 * s1::HUGEINT - n::HUGEINT * nearest(n, s1)))::DOUBLE"
        ),
        "moment3(n, s1, s2, s3)": (
            "third(n, s1, s2, s3) - 3 * (off_mean(n, s1) / n) * second(n, s1, s2)"
            " + 2 * n * pow(off_mean(n, s1) / n, 3)"
        ),
        "moment4(n, s1, s2, s3, s4)": (
            "fourth(n, s1, s2, s3, s4) - 4 * (off_mean(n, s1) / n) * third(n, s1, s2, s3)"
            " + 6 * pow(off_mean(n, s1) / n, 2) * second(n, s1, s2) - 3 * n * pow(off_mean(n, s1) / n, 4)"
        ),
        "skewness_of(n, s1, s2, s3)": (
            "CASE WHEN n > 2 AND comoment(n, s1, s1, s2) > 0 THEN sqrt(n::DOUBLE * (n - 1)) / (n - 2)"
            " * (moment3(n, s1, s2, s3) / n) / pow(comoment(n, s1, s1, s2) / n, 1.5) END"
        ),
        "tailedness(n, s1, s2, s3, s4)": (
            "moment4(n, s1, s2, s3, s4) / n / pow(comoment(n, s1, s1, s2) / n, 2)"
        ),
        "kurtosis_pop_of(n, s1, s2, s3, s4)": (
            "CASE WHEN n > 1 AND comoment(n, s1, s1, s2) > 0 THEN tailedness(n, s1, s2, s3, s4) - 3 END"
        ),
        "kurtosis_of(n, s1, s2, s3, s4)": (
            "CASE WHEN n > 3 AND comoment(n, s1, s1, s2) > 0 THEN (n - 1)::DOUBLE"
            " * ((n + 1) * tailedness(n, s1, s2, s3, s4) - 3 * (n - 1)) / ((n - 2)::DOUBLE * (n - 3)) END"
        ),
        "corr_of(n, sx, sy, sxx, syy, sxy)": (
            "CASE WHEN comoment(n, sx, sx, sxx) * comoment(n, sy, sy, syy) = 0 THEN 'nan'::DOUBLE"
            " ELSE comoment(n, sx, sy, sxy) / sqrt(comoment(n, sx, sx, sxx) * comoment(n, sy, sy, syy)) END"
        ),
        "slope_of(n, sx, sy, sxx, sxy)": (
            "CASE WHEN comoment(n, sx, sx, sxx) = 0 THEN 'nan'::DOUBLE"
            " ELSE comoment(n, sx, sy, sxy) / comoment(n, sx, sx, sxx) END"
        ),
        "r2_of(n, sx, sy, sxx, syy, sxy)": (
            "CASE WHEN comoment(n, sx, sx, sxx) = 0 THEN NULL"
            " WHEN comoment(n, sy, sy, syy) = 0 THEN 1::DOUBLE"
            " ELSE pow(comoment(n, sx, sy, sxy), 2)"
            " / (comoment(n, sx, sx, sxx) * comoment(n, sy, sy, syy)) END"
        ),
    }
)


_NAMES: Final[Mapping[str, str]] = MappingProxyType({head.split("(")[0]: head for head in MACROS})


def macro_statements(names: Collection[str] = _NAMES) -> list[str]:
    """The SQL that makes a workspace know the macros *names*; each comes after those that it calls."""
    return [
        f"CREATE TEMP MACRO {_NAMES[name]} AS ({MACROS[_NAMES[name]]})" for name in _NAMES if name in names
    ]


def macros_in(node: exp.Expr) -> frozenset[str]:
    """The names of the macros that *node* calls, and of those that these call."""
    called = {call.name for call in node.find_all(exp.Anonymous)} & _NAMES.keys()
    for name in reversed(tuple(_NAMES)):  # a macro calls earlier ones only
        if name in called:
            called.update(_NAMES.keys() & re.findall(r"\w+(?=\()", MACROS[_NAMES[name]]))
    return frozenset(called)


@dataclass(frozen=True)
class Variable:
    """An argument whose value is `unit * whole + shift`; *whole* is a form in stored whole numbers."""

    whole: Form
    unit: Fraction
    shift: Fraction


#: The whole numbers of a variable have a square, a billion times, in 128 bits.
MOST_WHOLE: Final = 2**47
#: What a factor is in whole numbers where it is rounded: the nearest one is within 1e-9 of it.
LEAST_FACTOR: Final = 2**29
#: Units that are told apart by so many digits come of released constants, which have 12 of them.
MOST_DENOMINATOR: Final = 10**9


def variable_of(form: Form, measures: Measures, at: exp.Expr) -> Variable:
    """*form* in the smallest whole numbers; a constant that every row has is set aside.

    Where factors that were released, such as a mean and a deviation of each country, make the whole numbers
    too large to be squared, these are rounded.
    """
    shift = Fraction(0)
    if len(form.branches) == 1 and form.branches[0].degree:
        (branch,) = form.branches
        shift = branch.intercept
        form = Form(
            (Branch(branch.where, branch.terms[: -1 if shift else None], branch.columns),), form.covers
        )
    stored = [
        [(product, value * measures.step(product)) for product, value in branch.terms]
        for branch in form.branches
    ]
    values = [value for terms in stored for _, value in terms]
    common = lcm(*(value.denominator for value in values))
    unit = Fraction(gcd(*(int(value * common) for value in values)) or 1, common)
    if common > MOST_DENOMINATOR:
        unit = _coarse(stored, unit, measures, at)
    whole = tuple(
        Branch(
            branch.where,
            tuple((product, Fraction(round(value / unit))) for product, value in terms),
            branch.columns,
        )
        for branch, terms in zip(form.branches, stored, strict=True)
    )
    return Variable(Form(whole, form.covers), unit, shift)


def _coarse(
    stored: list[list[tuple[Product, Fraction]]], unit: Fraction, measures: Measures, at: exp.Expr
) -> Fraction:
    """A unit in which the values of *stored* are small enough, or *unit* where that would round too much."""
    sizes = [
        sum((abs(value) * measures.largest(product, at) for product, value in terms), start=Fraction(0))
        for terms in stored
    ]
    coarse = max(max(sizes) / MOST_WHOLE, unit)
    factors = [abs(value) for terms in stored for product, value in terms if product and value]
    return coarse if factors and min(factors) / coarse >= LEAST_FACTOR else unit


@dataclass(frozen=True)
class Sums:
    """Final SQL of the sums over the rows that have every variable, each asked for when it is read."""

    variables: tuple[Variable, ...]
    where: Expr | None
    measures: Measures
    at: exp.Expr

    @property
    def n(self) -> exp.Expr:
        """How many rows there are."""
        return count_of(self._joint(()), self.where, self.measures)

    def sum(self, *places: int) -> exp.Expr:
        """The sum of the product of the variables at *places*."""
        form = self._joint(places)
        self._check_size(form, len(places))
        return stored_total_of(form, self.where, self.measures)

    def _joint(self, places: tuple[int, ...]) -> Form:
        """The product of the variables at *places*, on the rows that have all variables."""
        product = Form((Branch(None, (((), Fraction(1)),)),), covers=True)
        for variable in self.variables:
            product = product.times(_there(variable.whole))
        for place in places:
            product = product.times(self.variables[place].whole)
        if product.too_much():
            hint = "use one or two columns, each in one form"
            raise refusal(Code.ARGUMENT_FORM, self.at, "this reads more columns than are multiplied", hint)
        return product

    def _check_size(self, form: Form, places: int) -> None:
        """The sum, and all that its centred form adds up to, has a place in 128 bits."""
        for branch in form.branches:
            size = sum(
                abs(value) * self.measures.largest(product, self.at) for product, value in branch.terms
            )
            if size * 2**places * MOST_ROWS > MOST_SUM:
                message = "by their public bounds these numbers may be too large to be summed exactly"
                hint = "ask for a lower moment, or have the column declared at a coarser resolution"
                raise refusal(Code.ARGUMENT_FORM, self.at, message, hint)


def _there(form: Form) -> Form:
    """1 wherever *form* has a value."""
    one = (((), Fraction(1)),)
    return Form(tuple(Branch(branch.where, one, branch.columns) for branch in form.branches), form.covers)


def moment_of(node: exp.Expr, where: Expr | None, measures: Measures) -> exp.Expr:
    """The final expression of aggregate *node*, one of `MOMENTS`."""
    arguments = arguments_of(node)
    forms = [form_of(argument, measures.catalog, measures.tables) for argument in arguments]
    if not all(form.branches for form in forms):
        raise refusal(Code.ARGUMENT_FORM, node, "the argument is always NULL", "give it a value")
    sums = Sums(tuple(variable_of(form, measures, node) for form in forms), where, measures, node)
    return exp.Paren(this=MOMENTS[over_persons(node) or ""](sums))


def arguments_of(node: exp.Expr) -> list[exp.Expr]:
    """What an aggregate of one or two arguments is taken of."""
    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    return [part for part in (node.this, node.args.get("expression")) if part is not None]


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _comoment(sums: Sums, x: int, y: int) -> exp.Expr:
    """The sum of the products of the distances from two means, in the variables' units."""
    whole = _call("comoment", sums.n, sums.sum(x), sums.sum(y), sums.sum(x, y))
    return times(whole, sums.variables[x].unit * sums.variables[y].unit)


def _over(value: exp.Expr, divisor: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Div(this=value, expression=divisor))


def _variance(sums: Sums, x: int = 0, y: int = 0, *, sample: bool) -> exp.Expr:
    """Over n, or over n - 1, which is NULL for one row."""
    least = exp.Sub(this=sums.n, expression=number(1)) if sample else sums.n
    return _over(_comoment(sums, x, y), exp.Nullif(this=least, expression=number(0)))


def _mean(sums: Sums, place: int) -> exp.Expr:
    variable = sums.variables[place]
    of_whole = _over(cast_to(sums.sum(place), "DOUBLE"), exp.Nullif(this=sums.n, expression=number(0)))
    scaled = times(of_whole, variable.unit)
    shift = times(cast_to(number(1), "DOUBLE"), variable.shift)
    return exp.Paren(this=exp.Add(this=scaled, expression=shift)) if variable.shift else scaled


def _root(value: exp.Expr) -> exp.Expr:
    return exp.Sqrt(this=value)


def _powers(name: str, most: int) -> Callable[[Sums], exp.Expr]:
    """The macro *name* of n and the sums of the powers up to *most*."""
    return lambda sums: _call(name, sums.n, *(sums.sum(*[0] * power) for power in range(1, most + 1)))


# y is the first argument of every function of two, and x the second
def _slope(sums: Sums) -> exp.Expr:
    whole = _call("slope_of", sums.n, sums.sum(1), sums.sum(0), sums.sum(1, 1), sums.sum(0, 1))
    return times(whole, sums.variables[0].unit / sums.variables[1].unit)


def _intercept(sums: Sums) -> exp.Expr:
    at_zero = exp.Sub(this=_mean(sums, 0), expression=exp.Mul(this=_slope(sums), expression=_mean(sums, 1)))
    varies = exp.NEQ(this=_comoment(sums, 1, 1), expression=number(0))
    return exp.Case(ifs=[exp.If(this=varies, true=at_zero)])


def _of_pair(name: str) -> Callable[[Sums], exp.Expr]:
    return lambda sums: _call(
        name, sums.n, sums.sum(1), sums.sum(0), sums.sum(1, 1), sums.sum(0, 0), sums.sum(0, 1)
    )


def _standard_error(sums: Sums) -> exp.Expr:
    of_whole = _over(_variance(sums, sample=False), exp.Nullif(this=sums.n, expression=number(0)))
    return _root(of_whole)


# The final half of each aggregate, by DuckDB's name; the sums that it reads are what nodes are asked for.
MOMENTS: Final[Mapping[str, Callable[[Sums], exp.Expr]]] = MappingProxyType(
    {
        "var_pop": lambda sums: _variance(sums, sample=False),
        "var_samp": lambda sums: _variance(sums, sample=True),
        "stddev_pop": lambda sums: _root(_variance(sums, sample=False)),
        "stddev_samp": lambda sums: _root(_variance(sums, sample=True)),
        "stddev": lambda sums: _root(_variance(sums, sample=True)),
        "sem": _standard_error,
        "skewness": _powers("skewness_of", 3),
        "kurtosis": _powers("kurtosis_of", 4),
        "kurtosis_pop": _powers("kurtosis_pop_of", 4),
        "covar_pop": lambda sums: _variance(sums, 0, 1, sample=False),
        "covar_samp": lambda sums: _variance(sums, 0, 1, sample=True),
        "corr": _of_pair("corr_of"),
        "regr_count": lambda sums: cast_to(sums.n, "UINTEGER"),
        "regr_avgx": lambda sums: _mean(sums, 1),
        "regr_avgy": lambda sums: _mean(sums, 0),
        "regr_sxx": lambda sums: _comoment(sums, 1, 1),
        "regr_syy": lambda sums: _comoment(sums, 0, 0),
        "regr_sxy": lambda sums: _comoment(sums, 0, 1),
        "regr_slope": _slope,
        "regr_intercept": _intercept,
        "regr_r2": _of_pair("r2_of"),
    }
)
