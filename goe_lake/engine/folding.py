"""Expressions of which some conditions are known: constants that decide are taken out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from goe_lake.release import Call, Expr, Literal, LiteralType

TRUTHS: Final = MappingProxyType(
    {value: Literal(LiteralType.BOOLEAN, str(value).lower()) for value in (True, False)}
)
UNKNOWN: Final = Literal(LiteralType.NULL, "")
COMPARED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    # the same said the other way round, and its opposite
    {
        "eq": ("eq", "ne"), "ne": ("ne", "eq"), "lt": ("gt", "ge"), "ge": ("le", "lt"),
        "gt": ("lt", "le"), "le": ("ge", "gt"),
    }
)  # fmt: skip
NUMBERS: Final = frozenset({LiteralType.INTEGER, LiteralType.DECIMAL})
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = MappingProxyType(
    {
        "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
        "ge": operator.ge,
    }
)  # fmt: skip


def given(expression: Expr, condition: Expr, value: Expr) -> Expr:
    """*expression* where *condition* is known to be *value*."""
    if expression == condition:
        return value
    if not isinstance(expression, Call):
        return expression
    return _folded(
        Call(expression.op, tuple(given(argument, condition, value) for argument in expression.args))
    )


def _folded(call: Call) -> Expr:
    """*call* without the constants that decide it; as it is where they do not."""
    op, args = call.op, call.args
    match op:
        case "and" | "or":
            return joined(op, list(args))
        case "not" if isinstance(args[0], Literal):
            return UNKNOWN if args[0] == UNKNOWN else TRUTHS[args[0] == TRUTHS[False]]
        case "is_null" if isinstance(args[0], Literal):
            return TRUTHS[args[0] == UNKNOWN]
        case "is_true" | "is_false" if isinstance(args[0], Literal):
            return TRUTHS[args[0] == TRUTHS[op == "is_true"]]
        case "coalesce":
            return _coalesced(args)
        case "case":
            return _case_of(args)
        case "to_boolean" if args[0] in (UNKNOWN, *TRUTHS.values()):
            return args[0]
        case "to_integer" if args[0] in TRUTHS.values():
            return Literal(LiteralType.INTEGER, "1" if args[0] == TRUTHS[True] else "0")
    if op in COMPARED and UNKNOWN in args:
        return UNKNOWN
    if op in COMPARED and all(isinstance(argument, Literal) for argument in args):
        return _compared(call)
    return call


def _coalesced(args: tuple[Expr, ...]) -> Expr:
    known = tuple(argument for argument in args if argument != UNKNOWN)
    if not known:
        return UNKNOWN
    return known[0] if len(known) == 1 or isinstance(known[0], Literal) else Call("coalesce", known)


def _case_of(args: tuple[Expr, ...]) -> Expr:
    kept: list[Expr] = []
    for place in range(0, len(args) - 1, 2):
        condition, value = args[place], args[place + 1]
        if condition == TRUTHS[True]:
            return Call("case", (*kept, value)) if kept else value
        if condition not in (TRUTHS[False], UNKNOWN):
            kept += [condition, value]
    last = args[-1] if len(args) % 2 else UNKNOWN
    return Call("case", (*kept, last)) if kept else last


def _compared(call: Call) -> Expr:
    left, right = call.args
    assert isinstance(left, Literal)
    assert isinstance(right, Literal)
    if {left.type, right.type} <= NUMBERS:
        return TRUTHS[bool(_COMPARE[call.op](Decimal(left.value), Decimal(right.value)))]
    if left.type is right.type and call.op in ("eq", "ne"):
        return TRUTHS[bool(_COMPARE[call.op](left.value, right.value))]
    return call


def joined(op: str, parts: list[Expr]) -> Expr:
    """*parts* joined by *op*, constants among them taken out."""
    neutral, other = TRUTHS[op == "and"], TRUTHS[op != "and"]
    if other in parts:
        return other
    kept = tuple(part for part in parts if part != neutral)
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else Call(op, kept)
