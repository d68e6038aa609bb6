"""The form of the argument of a sum or mean, from its SQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog, ColumnType
from goe_lake.computed import column_of
from goe_lake.query.clauses import is_given
from goe_lake.query.constants import written_number
from goe_lake.query.expressions import both, convert
from goe_lake.query.forms import MOST_DEGREE, MOST_ROWS, MOST_SUM, Branch, Form, constant_form, indicator
from goe_lake.query.function_forms import FunctionForms
from goe_lake.query.refusals import Code, in_the_text, refusal
from goe_lake.query.subset import CAST_TYPES
from goe_lake.release import MOST_FACTORS, Call, ColumnRef, Expr

# Stands for a constant that an earlier round will release: whether a form exists does not depend on it
PENDING = Fraction(7, 5)
SUMMABLE = frozenset({ColumnType.DOUBLE, ColumnType.INTEGER, ColumnType.BOOLEAN})


def form_of(node: exp.Expr, catalog: Catalog, tables: dict[str, str]) -> Form:
    """The form of a sum's argument; *tables* gives the table of each alias. QueryRefused if it has none."""
    form = _Builder(catalog, tables).form(node)
    several = len(form.branches) > 1 and any(not branch.columns for branch in form.branches)
    if several and all(tables[column.table] not in PUBLIC_COLUMNS for column in node.find_all(exp.Column)):
        # a count of those for whom a sum by person is 0 because of nothing would be one of few
        there = Call("not", (Call("is_null", (convert(node.transform(_divided)),)),))
        return replace(form, given=there)
    return form


def _divided(node: exp.Expr) -> exp.Expr:
    """*node* without a value where it divides by 0."""
    if not isinstance(node, exp.Div) or not node.right.find(exp.Column):
        return node
    divisor = exp.Nullif(this=_without_nullif(node.right), expression=exp.Literal.number(0))
    return exp.Div(this=node.left, expression=divisor)


@dataclass(frozen=True)
class _Builder:
    catalog: Catalog
    tables: dict[str, str]

    def form(self, node: exp.Expr) -> Form:
        match node:
            case exp.Paren():
                return self.form(node.this)
            case exp.Column():
                return self._column(node)
            case exp.Literal() if not node.is_string:
                return constant_form(Fraction(node.name))
            case exp.Placeholder():
                return constant_form(PENDING)
        return self._made(node)

    def _made(self, node: exp.Expr) -> Form:
        """The form of what is computed from others."""
        match node:
            case exp.Neg():
                return self.form(node.this).scaled(Fraction(-1))
            case exp.Cast():
                return self._cast(node)
            case exp.Add() | exp.Sub():
                return self._sum(node)
            case exp.Mul() | exp.Div():
                return self._product(node)
            case exp.Pow():
                return self._power(node)
            case exp.Ln() | exp.Log():
                return self._logarithm(node)
            case exp.Sqrt():
                return self._functions(node).root(self.form(node.this))
            case exp.Case():
                return self._case(node)
            case exp.If():
                return self._branches([(convert(node.this), node.args["true"])], node.args.get("false"))
            case exp.Coalesce() | exp.Greatest() | exp.Least() | exp.Abs() | exp.Nullif():
                return self.form(_as_case(node))
        if is_condition(node):  # DuckDB sums truths, and takes them for numbers nowhere else
            return indicator(convert(node))
        raise _unfit(node)

    def _functions(self, node: exp.Expr) -> FunctionForms:
        return FunctionForms(self.catalog, self.tables, node)

    def _logarithm(self, node: exp.Expr) -> Form:
        """ln(x), log(x) to the base 10, or log(b, x) to a number b."""
        made = self._functions(node)
        if isinstance(node, exp.Ln):
            return made.logarithm(self.form(node.this))
        value = node.args.get("expression")
        base = node.this.unnest() if value is not None else exp.Literal.number(10)
        if not isinstance(base, exp.Literal) or base.is_string or not Decimal(base.name) > 1:
            raise _unfit(node)
        form = made.logarithm(self.form(node.this if value is None else value))
        return form.scaled(1 / Fraction(Decimal(base.name).ln()))

    def _power(self, node: exp.Pow) -> Form:
        """A column to a power: squares up to the fourth power are products, and others functions."""
        exponent = written_number(node.expression)
        if exponent == 2:
            return self._multiplied(node, node.this, node.this)
        if exponent == Decimal("0.5"):
            return self._functions(node).root(self.form(node.this))
        if exponent == -1:
            return self._functions(node).ratio(constant_form(Fraction(1)), self.form(node.this))
        if exponent not in (3, 4):
            raise _unfit(node)
        square = self._multiplied(node, node.this, node.this)
        return self._product_of(node, square, square if exponent == 4 else self.form(node.this))

    def _has_room(self, form: Form) -> bool:
        """Whether the sum of such products has a place in 128 bits, by the public bounds."""
        columns = {column for branch in form.branches for column in branch.columns}
        described = [
            column_of(self.catalog.tables[self.tables[column.table]].by_name, column.column)
            for column in columns
        ]
        return all(
            column.bounds is not None
            and (max(map(abs, column.bounds)) / (column.resolution or 1)) ** MOST_FACTORS * MOST_ROWS
            < MOST_SUM
            for column in described
        )

    def _column(self, node: exp.Column) -> Form:
        column = self.catalog.column(self.tables[node.table], node.name)
        if column.type not in SUMMABLE:
            raise refusal(
                Code.TYPES, node, f"{node.name} is not a number", "sum or average a measured column"
            )
        read = ColumnRef(node.table, node.name)
        return Form((Branch(None, (((read,), Fraction(1)),), (read,)),), covers=True)

    def _cast(self, node: exp.Cast) -> Form:
        """A cast to a number: of a condition it is 1 or 0; of a number it must not change the value."""
        operand = node.this.unnest()
        target = CAST_TYPES[node.to.this]
        if target not in ("to_integer", "to_double"):
            raise _unfit(node)
        if isinstance(operand, exp.Literal) and operand.name.isdigit():
            return self.form(operand)
        if isinstance(operand, exp.Column):
            kind = self.catalog.column(self.tables[operand.table], operand.name).type
            if kind is ColumnType.DOUBLE and target == "to_integer":
                raise _unfit(node)
            return self.form(operand)
        if self._is_truth(operand):
            return indicator(convert(operand))
        if target == "to_integer":
            raise _unfit(node)
        return self.form(operand)

    def _is_truth(self, node: exp.Expr) -> bool:
        """Whether *node* is true, false or NULL: a condition, a boolean column, or a choice among these."""
        match node:
            case exp.Paren():
                return self._is_truth(node.this)
            case exp.Column():
                return self.catalog.column(self.tables[node.table], node.name).type is ColumnType.BOOLEAN
            case exp.Coalesce():
                return all(self._is_truth(part) for part in (node.this, *node.expressions))
            case exp.Case():
                values = [*(item.args["true"] for item in node.args["ifs"]), node.args.get("default")]
                return all(self._is_truth(value) for value in values if not _is_nothing(value))
        return is_condition(node)

    def _sum(self, node: exp.Binary) -> Form:
        right = self.form(node.right)
        return _fit(
            node,
            self.form(node.left).plus(right if isinstance(node, exp.Add) else right.scaled(Fraction(-1))),
        )

    def _product(self, node: exp.Binary) -> Form:
        if isinstance(node, exp.Mul):
            return self._multiplied(node, node.left, node.right)
        divisor = self.form(_without_nullif(node.right))
        if any(branch.columns for branch in divisor.branches):
            return _fit(node, self._functions(node).ratio(self.form(node.left), divisor))
        if any(not branch.intercept for branch in divisor.branches):
            raise _unfit(node)
        inverse = (Branch(its.where, (((), 1 / its.intercept),)) for its in divisor.branches)
        return _fit(node, self.form(node.left).times(Form(tuple(inverse), divisor.covers)))

    def _multiplied(self, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> Form:
        return self._product_of(node, self.form(left), self.form(right))

    def _product_of(self, node: exp.Expr, left: Form, right: Form) -> Form:
        """The product of two forms: of two columns, or up to the fourth power of one."""
        made = left.times(right)
        of_one = all(len(branch.columns) < 2 for branch in made.branches)
        if of_one and not made.too_much() and self._has_room(made):
            return made
        return _fit(node, made)

    def _case(self, node: exp.Case) -> Form:
        if node.this is not None:
            pairs = [
                (convert(exp.EQ(this=node.this, expression=item.this)), item.args["true"])
                for item in node.args["ifs"]
            ]
        else:
            pairs = [(convert(item.this), item.args["true"]) for item in node.args["ifs"]]
        return self._branches(pairs, node.args.get("default"))

    def _branches(self, pairs: list[tuple[Expr, exp.Expr]], default: exp.Expr | None) -> Form:
        """The branches of a CASE; each holds only where no earlier condition does."""
        branches: list[Branch] = []
        earlier: Expr | None = None
        covers = True
        for condition, value in [*pairs, *([(None, default)] if default is not None else [])]:
            true, untrue = _decided(condition) if condition is not None else (None, None)
            here = both(earlier, true)
            inner = self._value(value)
            branches += [
                Branch(both(here, branch.where), branch.terms, branch.columns) for branch in inner.branches
            ]
            covers = covers and inner.covers
            earlier = both(earlier, untrue)
        return Form(tuple(branches), covers=covers and default is not None)

    def _value(self, value: exp.Expr) -> Form:
        return Form((), covers=False) if isinstance(value, exp.Null) else self.form(value)


def _decided(condition: Expr) -> tuple[Expr, Expr]:
    """Where *condition* is true, and where it is not: whether a value is missing is never unknown."""
    if isinstance(condition, Call) and condition.op == "not":
        (inner,) = condition.args
        if isinstance(inner, Call) and inner.op == "is_null":
            return condition, inner
    true = Call("is_true", (condition,))
    return true, Call("not", (true,))


def _as_case(node: exp.Expr) -> exp.Case:
    """A choice between values as the CASE that it is short for."""
    ifs: list[tuple[exp.Expr, exp.Expr]]
    match node:
        case exp.Coalesce():
            *first, last = (node.this, *node.expressions)
            ifs = [(is_given(value), value) for value in first]
        case exp.Greatest() | exp.Least():
            parts = sorted((node.this, *node.expressions), key=lambda part: part.find(exp.Column) is None)
            if len(parts) != 2 or parts[1].find(exp.Column) is not None:
                raise _unfit(node)  # of two columns the one that is missing does not count
            compared, last = exp.GT if isinstance(node, exp.Greatest) else exp.LT, parts[1]
            ifs = [(compared(this=parts[0], expression=last), parts[0])]
        case exp.Abs():
            last = node.this
            ifs = [(exp.LT(this=last, expression=exp.Literal.number(0)), exp.Neg(this=exp.paren(last)))]
        case _:
            last = node.this
            ifs = [(exp.EQ(this=last, expression=node.expression), exp.null())]
    made = [exp.If(this=test.copy(), true=value.copy()) for test, value in ifs]
    return exp.Case(ifs=made, default=last.copy())


def _without_nullif(node: exp.Expr) -> exp.Expr:
    """The divisor *node* without `nullif(…, 0)`: what is divided by 0 has no value."""
    inner = node.unnest()
    zero = isinstance(inner, exp.Nullif) and inner.expression.unnest() == exp.Literal.number(0)
    return inner.this if zero else node


def _is_nothing(value: exp.Expr | None) -> bool:
    return value is None or isinstance(value, exp.Null)


def is_condition(node: exp.Expr) -> bool:
    """Whether *node* is a comparison, or a combination of comparisons."""
    return isinstance(
        node,
        exp.Predicate
        | exp.Connector
        | exp.Not
        | exp.Boolean
        | exp.StartsWith
        | exp.NullSafeEQ
        | exp.NullSafeNEQ,
    )


def _fit(node: exp.Expr, form: Form) -> Form:
    if form.too_much(MOST_DEGREE):
        raise _unfit(node)
    return form


def _unfit(node: exp.Expr) -> Exception:
    node, text = in_the_text(node)
    hint = "sum or average measured columns, or combine several sums in the answer"
    if node.find(exp.Exp) is not None:
        hint = (
            "exp(a * x) is another function for each a, and many of them tell single persons; use ln or x * x"
        )
    elif node.find(exp.Div) is not None:
        hint = "take the ratio of sums, sum(a) / sum(b), or group by it"
    message = f"{text} is not made of two columns, or products of two, and numbers"
    return refusal(Code.ARGUMENT_FORM, node, message, hint)
