"""Arguments of sums and means as branches of `slope * column + intercept`.

A sum of such an argument is a combination of sums of plain columns and counts of rows, each of which
a node can check by itself; that is why CASE and arithmetic never reach a node as one opaque number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from goe_lake.catalog import Catalog, ColumnType
from goe_lake.query.expressions import both, convert
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.subset import CAST_TYPES
from goe_lake.release import Call, ColumnRef, Expr

# Stands for a constant that an earlier round will release: whether a form exists does not depend on it
PENDING = Fraction(7, 5)
SUMMABLE = frozenset({ColumnType.DOUBLE, ColumnType.INTEGER, ColumnType.BOOLEAN})


@dataclass(frozen=True)
class Branch:
    """The rows of *where*: there the argument is slope * column + intercept, or the intercept alone.

    It is NULL where the column is.
    """

    where: Expr | None
    slope: Fraction
    column: ColumnRef | None
    intercept: Fraction

    def map(self, change: Callable[[Fraction], Fraction], *, shift: Fraction = Fraction(0)) -> Branch:
        """The branch with *change* applied to both coefficients, and *shift* added to the intercept."""
        return replace(self, slope=change(self.slope), intercept=change(self.intercept) + shift)


@dataclass(frozen=True)
class Form:
    """Branches over disjoint rows; *covers* where together they hold every row. Elsewhere it is NULL."""

    branches: tuple[Branch, ...]
    covers: bool

    def constant(self) -> Fraction | None:
        """The form's value where it is one constant on every row."""
        if self.covers and len(self.branches) == 1 and self.branches[0].column is None:
            return self.branches[0].intercept
        return None


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
            case exp.Neg():
                return self._scaled(node.this, Fraction(-1))
            case exp.Cast():
                return self._cast(node)
            case exp.Add() | exp.Sub():
                return self._sum(node)
            case exp.Mul() | exp.Div():
                return self._product(node)
            case exp.Case():
                return self._case(node)
            case exp.If():
                return self._branches([(convert(node.this), node.args["true"])], node.args.get("false"))
        raise _unfit(node)

    def _column(self, node: exp.Column) -> Form:
        column = self.catalog.column(self.tables[node.table], node.name)
        if column.type not in SUMMABLE:
            raise refusal(
                Code.TYPES, node, f"{node.name} is not a number", "sum or average a measured column"
            )
        return Form((Branch(None, Fraction(1), ColumnRef(node.table, node.name), Fraction(0)),), covers=True)

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

    def _scaled(self, node: exp.Expr, factor: Fraction) -> Form:
        form = self.form(node)
        return replace(
            form, branches=tuple(branch.map(lambda value: value * factor) for branch in form.branches)
        )

    def _sum(self, node: exp.Binary) -> Form:
        left = self.form(node.left)
        right = self.form(node.right) if isinstance(node, exp.Add) else self._scaled(node.right, Fraction(-1))
        for one, other in ((left, right), (right, left)):
            constant = other.constant()
            if constant is not None:
                moved = (branch.map(lambda value: value, shift=constant) for branch in one.branches)
                return replace(one, branches=tuple(moved))
        raise _unfit(node)

    def _product(self, node: exp.Binary) -> Form:
        left, right = self.form(node.left), self.form(node.right)
        factor = right.constant()
        if isinstance(node, exp.Div):
            if not factor:
                raise _unfit(node)
            return self._scaled(node.left, 1 / factor)
        if factor is not None:
            return self._scaled(node.left, factor)
        factor = left.constant()
        if factor is None:
            raise _unfit(node)
        return self._scaled(node.right, factor)

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
            here = both(earlier, Call("is_true", (condition,)) if condition is not None else None)
            inner = self._value(value)
            branches += [replace(branch, where=both(here, branch.where)) for branch in inner.branches]
            covers = covers and inner.covers
            if condition is not None:
                earlier = both(earlier, Call("not", (Call("is_true", (condition,)),)))
        return Form(tuple(branches), covers=covers and default is not None)

    def _value(self, value: exp.Expr) -> Form:
        return Form((), covers=False) if isinstance(value, exp.Null) else self.form(value)


def _is_nothing(value: exp.Expr | None) -> bool:
    return value is None or isinstance(value, exp.Null)


def _constant(value: Fraction) -> Form:
    return Form((Branch(None, Fraction(0), None, value),), covers=True)


def indicator(condition: Expr) -> Form:
    """1 where *condition* is true, 0 where it is false, NULL where it is neither."""
    true = Branch(Call("is_true", (condition,)), Fraction(0), None, Fraction(1))
    false = Branch(Call("is_false", (condition,)), Fraction(0), None, Fraction(0))
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


def _unfit(node: exp.Expr) -> Exception:
    text = node.sql("duckdb")
    hint = "sum or average one measured column, or combine several sums in the answer"
    return refusal(Code.ARGUMENT_FORM, node, f"{text} is not a column times a number plus a number", hint)
