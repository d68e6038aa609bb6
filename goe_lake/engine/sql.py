"""A node's own SQL for the expressions of a release; only from here does text reach DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from goe_lake.release import Call, ColumnRef, Expr, Literal, LiteralType

Resolve = Callable[[ColumnRef], str]

_INFIX: Final[Mapping[str, str]] = MappingProxyType(
    {
        "and": "AND", "or": "OR",
        "eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
        "is_not_distinct": "IS NOT DISTINCT FROM", "like": "LIKE", "ilike": "ILIKE",
        "add": "+", "sub": "-", "mul": "*", "div": "/", "int_div": "//", "mod": "%", "concat": "||",
    }
)  # fmt: skip
_TESTS: Final = frozenset(
    {
        "eq", "ne", "lt", "le", "gt", "ge", "is_null", "is_true", "is_false", "is_not_distinct", "in", "like",
        "ilike", "starts_with",
    }
)  # fmt: skip
# casts, whole numbers that overflow, divisions by zero
_FAILING: Final = frozenset(
    {
        "to_integer", "to_double", "to_boolean", "add", "sub", "mul", "div", "int_div", "mod", "neg", "abs",
        "round", "substring", "exp", "ln", "sqrt", "pow",
    }
)  # fmt: skip
_PREFIX: Final[Mapping[str, str]] = MappingProxyType({"not": "NOT", "neg": "-"})
_POSTFIX: Final[Mapping[str, str]] = MappingProxyType(
    {"is_null": "IS NULL", "is_true": "IS TRUE", "is_false": "IS FALSE"}
)
_FUNCTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        name: name
        for name in (
            "exp", "ln", "sqrt", "pow",
            "abs", "floor", "ceil", "round", "sign", "least", "greatest", "coalesce", "nullif",
            "lower", "upper", "length", "starts_with", "substring", "year", "month",
            "bin_first", "bin_last",  # in words only: the engine has columns for them (`engine.bins`)
        )
    }
)  # fmt: skip
_CASTS: Final[Mapping[str, str]] = MappingProxyType(
    {"to_integer": "BIGINT", "to_double": "DOUBLE", "to_boolean": "BOOLEAN", "to_text": "VARCHAR"}
)


def to_sql(expression: Expr, resolve: Resolve) -> str:
    """The DuckDB text of *expression*; *resolve* gives the text of a column."""
    match expression:
        case ColumnRef():
            return resolve(expression)
        case Literal():
            return _literal(expression)
        case Call(op, args):
            return _call(op, [to_sql(argument, resolve) for argument in args])


def _guarded_sql(expression: Expr, resolve: Resolve) -> str:
    """The same, where a condition that DuckDB would raise on is NULL, and not what it is joined with."""
    if not isinstance(expression, Call):
        return to_sql(expression, resolve)
    text = _call(expression.op, [_guarded_sql(argument, resolve) for argument in expression.args])
    fails = expression.op in _TESTS and any(may_fail(argument) for argument in expression.args)
    return f"TRY({text})" if fails else text


def may_fail(expression: Expr) -> bool:
    """Whether DuckDB may raise on *expression*, conditions within it aside."""
    if not isinstance(expression, Call) or expression.op in _TESTS:
        return False
    return expression.op in _FAILING or any(may_fail(argument) for argument in expression.args)


def safe_sql(expression: Expr, resolve: Resolve) -> str:
    """The same, NULL where DuckDB would raise: whether a query fails must not depend on a person."""
    text = _guarded_sql(expression, resolve)
    return text if isinstance(expression, ColumnRef | Literal) else f"TRY({text})"


def quoted(text: str) -> str:
    """*text* as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """*name* as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(literal: Literal) -> str:
    match literal.type:
        case LiteralType.NULL:
            return "NULL"
        case LiteralType.TEXT:
            return quoted(literal.value)
        case LiteralType.DATE:
            return f"DATE {quoted(literal.value)}"
        case LiteralType.PENDING:
            return f"${literal.value}"
        case _:
            return f"({literal.value})" if literal.value.startswith("-") else literal.value


def _call(op: str, args: list[str]) -> str:
    if op in _INFIX:
        return "(" + f" {_INFIX[op]} ".join(args) + ")"
    if op in _PREFIX:
        return f"({_PREFIX[op]} {args[0]})"
    if op in _POSTFIX:
        return f"({args[0]} {_POSTFIX[op]})"
    if op in _CASTS:
        return f"CAST({args[0]} AS {_CASTS[op]})"
    if op == "in":
        return f"({args[0]} IN ({', '.join(args[1:])}))"
    if op == "case":
        branches = "".join(f" WHEN {args[i]} THEN {args[i + 1]}" for i in range(0, len(args) - 1, 2))
        default = f" ELSE {args[-1]}" if len(args) % 2 else ""
        return f"(CASE{branches}{default} END)"
    return f"{_FUNCTIONS[op]}({', '.join(args)})"
