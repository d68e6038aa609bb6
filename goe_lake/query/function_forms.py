"""Arguments of sums that are functions of a person's columns, as forms over computed columns.

`ln(a * x)` is `ln(x) + ln(a)`, `sqrt(a * x)` is `sqrt(a) * sqrt(x)`, and `(x + a) / (b * y)` is
`x / y / b + a / b * (1 / y)`: a constant never goes into what a node computes of a person, so that there
are as many functions of a column as `computed.Function` lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import TypeAlias

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog
from goe_lake.computed import Computed, Function, Unbounded, computed_column
from goe_lake.query.forms import Branch, Form, Product, constant_form
from goe_lake.query.refusals import Code, in_the_text, refusal
from goe_lake.release import Call, ColumnRef, value_of

_CONTEXT = Context(prec=30)
Terms: TypeAlias = tuple[tuple[Product, Fraction], ...]
#: The most columns that are added up on a side of a ratio by person.
MOST_ADDED = 4
_HINT = (
    "take it of one column times a number: ln(x), ln(x + 1), sqrt(x), 1 / x, x / y, x / (y * y); by person "
    "of sums of one nested query: (x + y) / z"
)


@dataclass(frozen=True)
class FunctionForms:
    """Makes forms of functions; *tables* gives the table of each alias, and refusals point at *at*."""

    catalog: Catalog
    tables: Mapping[str, str]
    at: exp.Expr

    def logarithm(self, form: Form) -> Form:
        """ln of *form*, of one product of columns and a number above 0, or of a column and 1."""
        branch = self._one_branch(form)
        terms = dict(branch.terms)
        if len(terms) == 2 and terms.get(()) == 1:
            ((column,), value) = next((product, value) for product, value in branch.terms if product)
            if value != 1 or computed_column(column.column):
                raise self._unfit()
            return self._of(Function.LN_OF_ONE_MORE, column)
        product, value = self._one_term(branch)
        made = constant_form(Fraction(_decimal(value).ln(_CONTEXT)))
        for factor in product:
            made = made.plus(self._logarithm_of(factor))
        return made

    def _logarithm_of(self, factor: ColumnRef) -> Form:
        """ln of one factor: of a ratio it is a difference, so that no function stands in another."""
        known = computed_column(factor.column)
        if known is None:
            return self._of(Function.LN, factor)
        times = {
            Function.INVERSE: (-1,),
            Function.RATIO: (1, -1),
            Function.RATIO_TO_SQUARE: (1, -2),
        }.get(known.function)
        if times is None:
            raise self._unfit()
        made = constant_form(Fraction(0))
        for name, power in zip(known.columns, times, strict=True):
            column = ColumnRef(factor.table, name)
            made = made.plus(self._of(Function.LN, column).scaled(Fraction(power)))
        return made

    def root(self, form: Form) -> Form:
        """The square root of *form*, of a column times a number above 0."""
        product, value = self._one_term(self._one_branch(form))
        (column,) = self._stored(product, 1)
        return self._of(Function.SQRT, column).scaled(Fraction(_decimal(value).sqrt(_CONTEXT)))

    def ratio(self, top: Form, bottom: Form) -> Form:
        """*top* over *bottom*, which is a column, or the square of one, times a number.

        By person either is a sum or difference of several.
        """
        if self._by_person(top, bottom):
            return self._ratio_by_person(top, bottom)
        product, value = self._one_term(self._one_branch(bottom), negative=True)
        below = self._stored(product, len(product))
        if len(set(below)) != 1 or len(below) > 2:
            raise self._unfit()
        branches: list[Branch] = []
        for branch in top.branches:
            made = Form((Branch(branch.where, (), branch.columns),), covers=True)
            for above, factor in branch.terms:
                made = made.plus(self._over(above, below).scaled(factor / value))
            branches += made.branches
        return Form(tuple(branches), top.covers)

    def _by_person(self, *forms: Form) -> bool:
        """Whether all columns of *forms* are those of one sub-aggregate."""
        columns = [column for form in forms for branch in form.branches for column in branch.columns]
        tables = {column.table for column in columns}
        return len(tables) == 1 and self.tables[tables.pop()] not in PUBLIC_COLUMNS

    def _ratio_by_person(self, top: Form, bottom: Form) -> Form:
        branches: list[Branch] = []
        for below in bottom.branches:
            if not below.columns:
                if below.terms:
                    raise self._unfit()
                continue  # divided by 0
            for above in top.branches:
                branches += self._over_sides(above, below)
        covers = all(below.columns for below in bottom.branches)
        return Form(tuple(branches), top.covers and bottom.covers and covers)

    def _over_sides(self, above: Branch, below: Branch) -> tuple[Branch, ...]:
        """*above* over *below*, where both hold: a ratio for each number that columns above are times of."""
        bottom, divisor = self._side(below.terms)
        table = below.columns[0].table
        here = Branch(above.where, ()).plus(Branch(below.where, ()))
        sides = [self._side(terms) for terms in _of_one_size(above.terms)]
        if all(side == bottom for side, _ in sides):  # a constant, where it is not over 0
            first, *others = bottom.split("_")
            names = Computed(Function.RATIO_BY_PERSON, (first if others else f"{first}_{first}", bottom)).name
            told = Call("not", (Call("is_null", (value_of(ColumnRef(table, names)),)),))
            here = here.plus(Branch(told, ()))
        made = Form((here,), covers=True)
        for added, factor in sides:
            if added == bottom:
                made = made.plus(constant_form(factor / divisor))
                continue
            ratio = ColumnRef(table, Computed(Function.RATIO_BY_PERSON, (added, bottom)).name)
            one = Branch(None, (((ratio,), factor / divisor),), (ratio,))
            made = made.plus(Form((one,), covers=True))
        return made.branches

    def _side(self, terms: Terms) -> tuple[str, Fraction]:
        """What is added up in *terms*, which differ in their signs alone, and their size."""
        sizes = {abs(value) for _, value in terms}
        stored = all(len(product) == 1 and not computed_column(product[0].column) for product, _ in terms)
        if not stored or len(sizes) != 1 or not 1 <= len(terms) <= MOST_ADDED:
            raise self._unfit()
        # one spelling of a sum, whose first column is added
        ordered = sorted(terms, key=lambda term: (term[1] < 0, term[0][0].column))
        sign = 1 if ordered[0][1] > 0 else -1
        names = (f"{'' if value * sign > 0 else 'm'}{product[0].column}" for product, value in ordered)
        return "_".join(names), sizes.pop() * sign

    def _over(self, above: Product, below: tuple[ColumnRef, ...]) -> Form:
        """One product of columns over a column or its square."""
        column = below[0]
        if not above and len(below) == 1:
            return self._of(Function.INVERSE, column)
        (top,) = self._stored(above, 1)
        if top == column:
            raise self._unfit()
        return self._of(Function.RATIO if len(below) == 1 else Function.RATIO_TO_SQUARE, top, column)

    def _of(self, function: Function, *columns: ColumnRef) -> Form:
        """The computed column of *columns*, as a form."""
        if {self.tables[column.table] for column in columns} != {"samples"}:
            node, text = in_the_text(self.at)
            hint = "functions are taken of columns of samples; or take the ratio of sums, sum(a) / sum(b)"
            raise refusal(Code.ARGUMENT_FORM, node, f"{text} is not made of columns of samples", hint)
        made = Computed(function, tuple(column.column for column in columns))
        try:
            made.describe(self.catalog.tables["samples"].by_name)
        except Unbounded as error:
            hint = "the result could be of any size: use ln(x + 1), the ratio of sums, or other bounds"
            raise refusal(Code.ARGUMENT_FORM, self.at, f"{self._text()}: {error}", hint) from None
        factor = ColumnRef(columns[0].table, made.name)
        return Form(
            (Branch(None, (((factor,), Fraction(1)),), tuple(sorted(columns, key=_name))),), covers=True
        )

    def _one_branch(self, form: Form) -> Branch:
        if len(form.branches) != 1 or not form.covers:
            raise self._unfit()
        return form.branches[0]

    def _one_term(self, branch: Branch, *, negative: bool = False) -> tuple[Product, Fraction]:
        """The one product of *branch* and its factor, above 0 unless it may be negative."""
        if len(branch.terms) != 1 or not branch.terms[0][0]:
            raise self._unfit()
        product, value = branch.terms[0]
        if value < 0 and not negative:
            raise self._unfit()
        return product, value

    def _stored(self, product: Product, length: int) -> Product:
        """*product*, of so many stored columns."""
        if len(product) != length or any(computed_column(factor.column) for factor in product):
            raise self._unfit()
        return product

    def _text(self) -> str:
        return in_the_text(self.at)[1]

    def _unfit(self) -> Exception:
        node, text = in_the_text(self.at)
        return refusal(
            Code.ARGUMENT_FORM, node, f"{text} is not a function of columns that is answered", _HINT
        )


def _of_one_size(terms: Terms) -> list[Terms]:
    """*terms* in parts, each of the same number but for the sign."""
    found: dict[Fraction, list[tuple[Product, Fraction]]] = {}
    for term in terms:
        found.setdefault(abs(term[1]), []).append(term)
    return [tuple(part) for part in found.values()]


def _name(column: ColumnRef) -> tuple[str, str]:
    return column.table, column.column


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
