"""Arguments of sums and means as branches of sums of products: `a * x * y + b * x + c`.

A sum of such an argument is a combination of sums of columns and of their products, and of counts of
rows, each of which a node can check by itself; that is why CASE and arithmetic never reach a node as
one opaque number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

from sqlglot import exp

from goe_lake.catalog import Catalog, ColumnType
from goe_lake.query.clauses import is_given
from goe_lake.query.expressions import both, convert
from goe_lake.query.refusals import Code, in_the_text, refusal
from goe_lake.query.subset import CAST_TYPES
from goe_lake.release import MOST_FACTORS, Call, ColumnRef, Expr, conjuncts, in_order

# Stands for a constant that an earlier round will release: whether a form exists does not depend on it
PENDING = Fraction(7, 5)
SUMMABLE = frozenset({ColumnType.DOUBLE, ColumnType.INTEGER, ColumnType.BOOLEAN})
MOST_COLUMNS: Final = 2
MOST_DEGREE: Final = 2  # of a product that an analyst writes; moments multiply further
MOST_BRANCHES: Final = 64
#: The factors of a product, in their one order; none for a constant.
Product: TypeAlias = tuple[ColumnRef, ...]


@dataclass(frozen=True)
class Branch:
    """The rows of *where*: there the argument is the sum of *terms*, products with their factors.

    It is NULL where one of *columns* is. Terms come with the longest products first.
    """

    where: Expr | None
    terms: tuple[tuple[Product, Fraction], ...]
    columns: tuple[ColumnRef, ...] = ()

    @property
    def intercept(self) -> Fraction:
        """The constant term."""
        return dict(self.terms).get((), Fraction(0))

    @property
    def degree(self) -> int:
        """The length of the longest product."""
        return max((len(product) for product, _ in self.terms), default=0)

    def scaled(self, factor: Fraction) -> Branch:
        """The branch times a number."""
        return Branch(self.where, _terms({p: value * factor for p, value in self.terms}), self.columns)

    def plus(self, other: Branch) -> Branch:
        """The sum of two branches, on the rows of both."""
        terms = dict(self.terms)
        for product, value in other.terms:
            terms[product] = terms.get(product, Fraction(0)) + value
        return self._joint(other, terms)

    def times(self, other: Branch) -> Branch:
        """The product of two branches, on the rows of both."""
        terms: dict[Product, Fraction] = {}
        for one, value in self.terms:
            for two, factor in other.terms:
                product = in_order((*one, *two))
                terms[product] = terms.get(product, Fraction(0)) + value * factor
        return self._joint(other, terms)

    def _joint(self, other: Branch, terms: Mapping[Product, Fraction]) -> Branch:
        columns = in_order({*self.columns, *other.columns})
        return Branch(_on_both(self.where, other.where), _terms(terms), columns)

    @property
    def possible(self) -> bool:
        """Whether *where* does not contradict itself: rows of two branches of one CASE are none."""
        parts = set(conjuncts(self.where)) if self.where is not None else set()
        return not any(
            opposite in parts
            for part in parts
            if isinstance(part, Call)
            for opposite in (
                Call("not", (part,)),
                *((Call("is_false", part.args),) if part.op == "is_true" else ()),
            )
        )


def _on_both(left: Expr | None, right: Expr | None) -> Expr | None:
    """The conjunction of two conditions, each part once."""
    joint = both(left, right)
    parts = tuple(dict.fromkeys(conjuncts(joint))) if joint is not None else ()
    return Call("and", parts) if len(parts) > 1 else parts[0] if parts else None


def _terms(terms: Mapping[Product, Fraction]) -> tuple[tuple[Product, Fraction], ...]:
    """The terms that are not 0, the longest first."""
    kept = [(product, value) for product, value in terms.items() if value]
    return tuple(sorted(kept, key=lambda term: (-len(term[0]), [(c.table, c.column) for c in term[0]])))


@dataclass(frozen=True)
class Form:
    """Branches over disjoint rows; *covers* where together they hold every row. Elsewhere it is NULL."""

    branches: tuple[Branch, ...]
    covers: bool

    def scaled(self, factor: Fraction) -> Form:
        """The form times a number."""
        return Form(tuple(branch.scaled(factor) for branch in self.branches), self.covers)

    def plus(self, other: Form) -> Form:
        """The sum of two forms: NULL where either is."""
        return self._joint(other, (one.plus(two) for one in self.branches for two in other.branches))

    def times(self, other: Form) -> Form:
        """The product of two forms: NULL where either is."""
        return self._joint(other, (one.times(two) for one in self.branches for two in other.branches))

    def _joint(self, other: Form, branches: Iterable[Branch]) -> Form:
        return Form(tuple(branch for branch in branches if branch.possible), self.covers and other.covers)

    def too_much(self, degree: int = MOST_FACTORS) -> bool:
        """Whether a product is longer than *degree*, or of more columns than a node multiplies."""
        return len(self.branches) > MOST_BRANCHES or any(
            branch.degree > degree or len(branch.columns) > MOST_COLUMNS for branch in self.branches
        )


def form_of(node: exp.Expr, catalog: Catalog, tables: dict[str, str]) -> Form:
    """The form of a sum's argument; *tables* gives the table of each alias. QueryRefused if it has none."""
    builder = _Builder(catalog, tables)
    return builder.form(node)


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
                return _constant(Fraction(node.name))
            case exp.Placeholder():
                return _constant(PENDING)
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
            case exp.Pow() if node.expression.unnest() == exp.Literal.number(2):
                return self._multiplied(node, node.this, node.this)
            case exp.Case():
                return self._case(node)
            case exp.If():
                return self._branches([(convert(node.this), node.args["true"])], node.args.get("false"))
            case exp.Coalesce() | exp.Greatest() | exp.Least() | exp.Abs() | exp.Nullif():
                return self.form(_as_case(node))
        raise _unfit(node)

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
        divisor = self.form(node.right)
        if any(branch.columns or not branch.intercept for branch in divisor.branches):
            raise _unfit(node)
        inverse = (Branch(its.where, _terms({(): 1 / its.intercept})) for its in divisor.branches)
        return _fit(node, self.form(node.left).times(Form(tuple(inverse), divisor.covers)))

    def _multiplied(self, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> Form:
        return _fit(node, self.form(left).times(self.form(right)))

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


def _is_nothing(value: exp.Expr | None) -> bool:
    return value is None or isinstance(value, exp.Null)


def _constant(value: Fraction) -> Form:
    return Form((Branch(None, _terms({(): value})),), covers=True)


def indicator(condition: Expr) -> Form:
    """1 where *condition* is true, 0 where it is false, NULL where it is neither."""
    true = Branch(Call("is_true", (condition,)), _terms({(): Fraction(1)}))
    false = Branch(Call("is_false", (condition,)), ())
    return Form((true, false), covers=False)


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
    ratio = node.find(exp.Div)
    if ratio is not None:
        hint = "take the ratio of sums, sum(a) / sum(b), or group by it"
    message = f"{text} is not made of two columns, or products of two, and numbers"
    return refusal(Code.ARGUMENT_FORM, node, message, hint)
