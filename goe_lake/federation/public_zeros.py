"""What a node's country says of its measures: there is nobody of another country, which is no secret.

A node withholds 0 and a few alike. A value that is taken relative to a person's own country is made of a sum
for each country, of which a node has one: the others are over nobody, by public facts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import pyarrow as pa

from goe_lake.engine.node import NodeAnswer
from goe_lake.release import (
    Call,
    ColumnRef,
    Expr,
    Literal,
    LiteralType,
    Measure,
    MeasureFunction,
    Release,
    approx_column,
    withheld_column,
)

Truth = bool | None


def with_public_zeros(answer: NodeAnswer, release: Release, country: str) -> NodeAnswer:
    """*answer* of a node of *country*, in which measures of persons of other countries are over nobody."""
    scans = (release.relation.first, *(join.scan for join in release.relation.joins))
    aliases = {scan.alias for scan in scans if scan.table == "samples"}
    nobody = [its for its in release.measures if _is_of_nobody(its, aliases, country)]
    if not nobody or answer.spread is not None:
        return answer
    cells = answer.cells
    for measure in nobody:
        value = None if measure.function is MeasureFunction.SUM else 0
        told = {measure.name: value, withheld_column(measure.name): False, approx_column(measure.name): False}
        for name, known in told.items():
            place = cells.schema.get_field_index(name)
            field = cells.schema.field(place)
            column = pa.repeat(pa.scalar(known, field.type), cells.num_rows)
            cells = cells.set_column(place, field, column)
    return replace(answer, cells=cells)


def _is_of_nobody(measure: Measure, aliases: set[str], country: str) -> bool:
    """Whether a part of the filter of *measure* holds for nobody of *country*, whoever that is."""
    return any(_holds(part, aliases, country) == (False,) for part in measure.conditions)


def _holds(node: Expr, aliases: set[str], country: str) -> tuple[Truth] | None:
    """What *node* is for everybody of *country*; None where that depends on more."""
    if not isinstance(node, Call):
        return None
    if node.op in ("eq", "ne", "in", "is_not_distinct"):
        texts = [_text(part, aliases, country) for part in node.args]
        if None in texts:
            return None
        same = texts[0] in texts[1:]
        return (not same,) if node.op == "ne" else (same,)
    operands = [_holds(part, aliases, country) for part in node.args]
    rule = _OPERATORS.get(node.op)
    if rule is None or None in operands:
        return None
    return (rule([operand[0] for operand in operands if operand is not None]),)


_OPERATORS: Final[Mapping[str, Callable[[list[Truth]], Truth]]] = {
    "is_true": lambda truths: truths[0] is True,
    "is_false": lambda truths: truths[0] is False,
    "not": lambda truths: None if truths[0] is None else not truths[0],
    "and": lambda truths: False if False in truths else None if None in truths else True,
    "or": lambda truths: True if True in truths else None if None in truths else False,
}


def _text(node: Expr, aliases: set[str], country: str) -> str | None:
    """The text that *node* is for everybody of *country*; None where it is none, or not known."""
    if isinstance(node, ColumnRef):
        return country if node.table in aliases and node.column == "country" else None
    return node.value if isinstance(node, Literal) and node.type is LiteralType.TEXT else None
