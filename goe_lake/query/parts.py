"""ntile() over persons: equal parts of them, cut at quantiles that an earlier round reads off the union.

Which part a person is in follows from her own value and the cut points, so that it can be computed at
her node. Persons with a value equal to a cut point are in the part below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.beside import keys_and_values
from goe_lake.query.quantiles import CUTS
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import and_parts

MOST_PARTS = 100


@dataclass(frozen=True)
class EqualParts:
    """*count* equal parts of persons by *value*, the first of the least values, or of the most.

    There are so many in each group of *partition*.
    """

    count: int
    value: exp.Column
    descending: bool
    partition: tuple[exp.Expr, ...] = ()

    def cut_points(self, written: exp.Select) -> exp.Select:
        """The quantiles of the persons of the SELECT *written*, _v0, _v1, … in the order of the parts."""
        quantiles = [
            exp.PercentileDisc(this=self.value.copy(), expression=_number(self._probability(place)))
            for place in range(1, self.count)
        ]
        for quantile in quantiles:
            quantile.meta[CUTS] = True
        return keys_and_values(self.partition, quantiles, written)

    def _probability(self, place: int) -> Fraction:
        return Fraction(self.count - place if self.descending else place, self.count)

    def as_case(self, alias: str) -> exp.Expr:
        """The number of a person's part, by the cut points of *alias*."""
        compared = exp.GT if self.descending else exp.LTE
        ifs = [
            exp.If(
                this=compared(this=self.value.copy(), expression=exp.column(f"_v{place - 1}", table=alias)),
                true=exp.Literal.number(place),
            )
            for place in range(1, self.count)
        ]
        return exp.Paren(this=exp.Case(ifs=ifs, default=exp.Literal.number(self.count)))


def equal_parts(window: exp.Window, select: exp.Select, catalog: Catalog) -> EqualParts:
    """The parts that *window*, an ntile() of *select* over persons, asks for."""
    number = window.this.this
    hint = "e.g. ntile(5) OVER (ORDER BY score)"
    if (
        not isinstance(number, exp.Literal)
        or not number.name.isdigit()
        or not 2 <= int(number.name) <= MOST_PARTS
    ):
        raise refusal(Code.CONSTANT, window, f"ntile takes a number from 2 to {MOST_PARTS}", hint)
    if window.args.get("spec") is not None:
        raise refusal(Code.WINDOW, window, "ntile over persons is answered without a frame", hint)
    order = window.args.get("order")
    items = order.expressions if order is not None else []
    if len(items) != 1 or not isinstance(items[0].this, exp.Column):
        raise refusal(Code.WINDOW, window, "ntile over persons is by one column", hint)
    column = items[0].this
    if not _is_given(column, select, catalog):
        message = f"{column.name} may be missing, and the missing are not the last part"
        raise refusal(Code.WINDOW, window, message, f"add WHERE {column.name} IS NOT NULL")
    fixed = _fixed(select)
    partition = tuple(key for key in window.args.get("partition_by") or () if key.name.lower() not in fixed)
    return EqualParts(int(number.name), column, bool(items[0].args.get("desc")), partition)


def _fixed(select: exp.Select) -> set[str]:
    """The columns that WHERE holds to one constant: they part nobody."""
    where = select.args.get("where")
    parts = and_parts(where.this) if where is not None else []
    return {
        part.left.name.lower()
        for part in parts
        if isinstance(part, exp.EQ)
        and isinstance(part.left, exp.Column)
        and isinstance(part.right, exp.Literal)
    }


def _is_given(column: exp.Column, select: exp.Select, catalog: Catalog) -> bool:
    """Whether *column* has a value for everybody: a score has, others where WHERE says so."""
    where = select.args.get("where")
    for part in and_parts(where.this) if where is not None else ():
        inner = part.this.unnest() if isinstance(part, exp.Not) else None
        if (
            isinstance(inner, exp.Is)
            and isinstance(inner.expression, exp.Null)
            and isinstance(inner.this, exp.Column)
            and inner.this.name.lower() == column.name.lower()
        ):
            return True
    known = [table.by_name.get(column.name.lower()) for table in catalog.tables.values()]
    return all(not its.nullable for its in known if its is not None) or column.name.lower() == "score"


def _number(value: Fraction) -> exp.Expr:
    return exp.Literal.number(f"{float(value):.12g}")
