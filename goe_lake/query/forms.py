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

from goe_lake.query.expressions import both
from goe_lake.release import MOST_FACTORS, Call, ColumnRef, Expr, conjuncts, in_order, too_involved

MOST_COLUMNS: Final = 2
MOST_DEGREE: Final = 2  # of a product that an analyst writes; moments multiply further
MOST_BRANCHES: Final = 64
#: Rows that a sum may be over, and the size that it may have, so that 128 bits hold it and its centred form.
MOST_ROWS: Final = 10**9
MOST_SUM: Final = 2**126
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
    """Branches over disjoint rows; *covers* where together they hold every row. Elsewhere it is NULL.

    *given*, where it is known, is one condition that there is a value.
    """

    branches: tuple[Branch, ...]
    covers: bool
    given: Expr | None = None

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
            branch.degree > degree
            or len(branch.columns) > MOST_COLUMNS
            or any(too_involved(product) for product, _ in branch.terms)
            for branch in self.branches
        )


def constant_form(value: Fraction) -> Form:
    """*value* on every row."""
    return Form((Branch(None, _terms({(): value})),), covers=True)


def indicator(condition: Expr) -> Form:
    """1 where *condition* is true, 0 where it is false, NULL where it is neither."""
    true = Branch(Call("is_true", (condition,)), _terms({(): Fraction(1)}))
    false = Branch(Call("is_false", (condition,)), ())
    return Form((true, false), covers=False)
