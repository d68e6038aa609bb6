"""Final SQL: what the gateway makes of the merged cells of one release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.query.aggregates import finish
from goe_lake.query.checks import is_answered
from goe_lake.query.language import is_window_head, over_persons
from goe_lake.query.moments import arguments_of
from goe_lake.query.quantiles import QUANTILES
from goe_lake.query.sums import Measures

# Aggregates with the unit of what they are taken of, and those with its square
SAME_UNIT = frozenset(
    {"sum", "avg", "fsum", "kahan_sum", "sumkahan", "stddev", "stddev_pop", "stddev_samp", "sem", *QUANTILES}
)
SQUARE_UNIT = frozenset({"var_pop", "var_samp"})


def over(node: exp.Expr, made: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """*node* with each of its children as what is *made* of it; nothing beneath them is copied."""
    copy = type(node)()
    copy.comments = list(node.comments) if node.comments else node.comments
    copy._type = deepcopy(node._type)
    copy._meta = deepcopy(node._meta)
    for name, value in node.args.items():
        if isinstance(value, exp.Expr):
            copy.set(name, made(value))
        elif isinstance(value, list):
            copy.args[name] = []
            for item in value:
                copy.append(name, made(item) if isinstance(item, exp.Expr) else item)
        else:
            copy.args[name] = value
    return copy


@dataclass(frozen=True)
class Finisher:
    """Rewrites expressions of the query into expressions over the merged cells.

    *keys* gives the column of each group key, *outputs* the expression behind each output name.
    """

    keys: Mapping[exp.Expr, exp.Column]
    measures: Measures
    outputs: Mapping[str, exp.Expr]

    def final(self, node: exp.Expr) -> exp.Expr:
        """*node* with its keys and aggregates replaced by columns of the cells."""
        if node in self.keys:
            return self.keys[node].copy()
        if is_answered(node) and not is_window_head(node):
            return finish(node, self.measures)
        if isinstance(node, exp.Column) and not node.table and node.name in self.outputs:
            return exp.Paren(this=self.final(self.outputs[node.name]))
        return over(node, self.final)

    def unit(self, node: exp.Expr) -> str:
        """The unit of the one column that *node* shows, sums or averages; "" where there is none."""
        shown = node.this if isinstance(node, exp.Filter) else node
        name = over_persons(shown)
        if name in SAME_UNIT or name in SQUARE_UNIT:
            shown = arguments_of(shown)[0]
        if not isinstance(shown, exp.Column) or shown.table not in self.measures.tables:
            return ""
        unit = self.measures.catalog.column(self.measures.tables[shown.table], shown.name).unit
        return f"({unit})^2" if unit and name in SQUARE_UNIT else unit
