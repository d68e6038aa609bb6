"""Final SQL: what the gateway makes of the merged cells.

The final SQL reads one table, `cells`: keys k0, k1, … and measures m0, m1, …, each with its bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlglot import exp

from goe_lake.query.aggregates import Measures, finish
from goe_lake.query.checks import AGGREGATES
from goe_lake.release import MeasureFunction


@dataclass(frozen=True)
class OutputColumn:
    """One column of the answer: its SQL over the merged cells, and the measures that it reads.

    *count* names the measure where the column is that count of rows or persons and nothing else;
    *unit* is that of the one column that it shows, sums or averages, "" where there is none.
    """

    name: str
    sql: str
    measures: tuple[str, ...]
    count: str | None
    unit: str


@dataclass(frozen=True)
class Condition:
    """A part of HAVING over the merged cells, and the measures that it reads.

    Where it compares one count with a constant, *certain* and *impossible* are SQL over the count's
    bounds: the condition holds if *certain* does, and fails if *impossible* does.
    """

    sql: str
    measures: tuple[str, ...]
    certain: str | None = None
    impossible: str | None = None


@dataclass(frozen=True)
class Ordering:
    """One ORDER BY item over the merged cells, and the measures that it reads."""

    sql: str
    suffix: str
    measures: tuple[str, ...]


@dataclass(frozen=True)
class Finisher:
    """Rewrites expressions of the query into expressions over the merged cells.

    *keys* gives the column of each group key, *outputs* the expression behind each output name.
    """

    keys: dict[exp.Expr, exp.Column]
    measures: Measures
    outputs: dict[str, exp.Expr]

    def final(self, node: exp.Expr) -> exp.Expr:
        """*node* with its keys and aggregates replaced by columns of the cells."""
        if node in self.keys:
            return self.keys[node].copy()
        if isinstance(node, (*AGGREGATES, exp.Filter)):
            return finish(node, self.measures)
        if isinstance(node, exp.Column) and not node.table and node.name in self.outputs:
            return exp.Paren(this=self.final(self.outputs[node.name]))
        node = node.copy()
        for child in list(node.iter_expressions()):
            child.replace(self.final(child))
        return node

    def output(self, node: exp.Expr, name: str) -> OutputColumn:
        """One column of the answer."""
        final = self.final(node)
        return OutputColumn(
            name, final.sql("duckdb"), _measures_in(final), self._count(final), self._unit(node)
        )

    def _unit(self, node: exp.Expr) -> str:
        shown = node.this if isinstance(node, exp.Filter) else node
        shown = shown.this if isinstance(shown, exp.Sum | exp.Avg) else shown
        if not isinstance(shown, exp.Column) or shown.table not in self.measures.tables:
            return ""
        return self.measures.catalog.column(self.measures.tables[shown.table], shown.name).unit

    def condition(self, node: exp.Expr) -> Condition:
        """One part of HAVING."""
        final = self.final(node)
        certain, impossible = self._by_bounds(final)
        return Condition(f"({final.sql('duckdb')})", _measures_in(final), certain, impossible)

    def ordering(self, item: exp.Expr) -> Ordering:
        """One item of ORDER BY."""
        assert isinstance(item, exp.Ordered)
        final = self.final(item.this)
        nulls = item.args.get("nulls_first")
        direction = " DESC" if item.args.get("desc") else ""
        return Ordering(
            final.sql("duckdb"), f"{direction} NULLS {'FIRST' if nulls else 'LAST'}", _measures_in(final)
        )

    def _count(self, final: exp.Expr) -> str | None:
        """The count that *final* is, casts aside."""
        while isinstance(final, exp.Paren | exp.Cast):
            final = final.this
        counts = {
            measure.name
            for measure in self.measures.asked.values()
            if measure.function is not MeasureFunction.SUM
        }
        return final.name if isinstance(final, exp.Column) and final.name in counts else None

    def _by_bounds(self, final: exp.Expr) -> tuple[str | None, str | None]:
        """What makes a comparison of one count with a constant certain, and what makes it impossible."""
        final = final.unnest()
        rule = BY_BOUNDS.get(type(final))
        if rule is None or not isinstance(final, exp.Binary):
            return None, None
        left, right = final.left, final.right
        if isinstance(left.unnest(), exp.Literal):
            left, right, rule = right, left, BY_BOUNDS[MIRRORED[type(final)]]
        count = self._count(left)
        if count is None or not isinstance(right.unnest(), exp.Literal) or right.unnest().is_string:
            return None, None
        parts = {"lower": f"{count}_lower", "upper": f"{count}_upper", "constant": right.sql("duckdb")}
        certain, impossible = rule
        return certain.format(**parts), impossible.format(**parts)


# For a comparison of a count with a constant: when it surely holds, and when it surely does not.
BY_BOUNDS: Final[Mapping[type[exp.Expr], tuple[str, str]]] = MappingProxyType(
    {
        exp.GT: ("{lower} > {constant}", "{upper} <= {constant}"),
        exp.GTE: ("{lower} >= {constant}", "{upper} < {constant}"),
        exp.LT: ("{upper} < {constant}", "{lower} >= {constant}"),
        exp.LTE: ("{upper} <= {constant}", "{lower} > {constant}"),
    }
)
MIRRORED: Final[Mapping[type[exp.Expr], type[exp.Expr]]] = MappingProxyType(
    {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}
)


def _measures_in(final: exp.Expr) -> tuple[str, ...]:
    names = (column.name for column in final.find_all(exp.Column))
    return tuple(dict.fromkeys(name for name in names if name.startswith("m")))
