"""Expressions over a person's row: from SQL to the operators that may cross a border."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from goe_lake.errors import ReleaseRefused
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.subset import CAST_TYPES, name_of
from goe_lake.release import Call, ColumnRef, Expr, Literal, LiteralType, conjuncts

NULL = Literal(LiteralType.NULL, "")

# SQL nodes whose operands become the operands of one operator, in this order.
OPERATIONS: dict[type[exp.Expr], tuple[str, tuple[str, ...]]] = {
    exp.Not: ("not", ("this",)),
    exp.EQ: ("eq", ("this", "expression")),
    exp.NEQ: ("ne", ("this", "expression")),
    exp.LT: ("lt", ("this", "expression")),
    exp.LTE: ("le", ("this", "expression")),
    exp.GT: ("gt", ("this", "expression")),
    exp.GTE: ("ge", ("this", "expression")),
    exp.NullSafeEQ: ("is_not_distinct", ("this", "expression")),
    exp.Like: ("like", ("this", "expression")),
    exp.ILike: ("ilike", ("this", "expression")),
    exp.Add: ("add", ("this", "expression")),
    exp.Sub: ("sub", ("this", "expression")),
    exp.Mul: ("mul", ("this", "expression")),
    exp.Div: ("div", ("this", "expression")),
    exp.IntDiv: ("int_div", ("this", "expression")),
    exp.Mod: ("mod", ("this", "expression")),
    exp.Neg: ("neg", ("this",)),
    exp.Abs: ("abs", ("this",)),
    exp.Sign: ("sign", ("this",)),
    exp.Exp: ("exp", ("this",)),
    exp.Ln: ("ln", ("this",)),
    exp.Sqrt: ("sqrt", ("this",)),
    exp.Pow: ("pow", ("this", "expression")),
    exp.Floor: ("floor", ("this",)),
    exp.Ceil: ("ceil", ("this",)),
    exp.Round: ("round", ("this", "decimals")),
    exp.Least: ("least", ("this", "expressions")),
    exp.Greatest: ("greatest", ("this", "expressions")),
    exp.Coalesce: ("coalesce", ("this", "expressions")),
    exp.Nullif: ("nullif", ("this", "expression")),
    exp.Lower: ("lower", ("this",)),
    exp.Upper: ("upper", ("this",)),
    exp.Length: ("length", ("this",)),
    exp.Year: ("year", ("this",)),
    exp.Month: ("month", ("this",)),
    exp.StartsWith: ("starts_with", ("this", "expression")),
    exp.Substring: ("substring", ("this", "start", "length")),
    exp.DPipe: ("concat", ("this", "expression")),
    exp.In: ("in", ("this", "expressions")),
}


def convert(node: exp.Expr) -> Expr:
    """The release expression that means what SQL *node* means; QueryRefused where there is none."""
    try:
        return _convert(node)
    except ReleaseRefused as error:
        raise refusal(Code.CONSTANT, node, error.message, "shorten it") from None


def _convert(node: exp.Expr) -> Expr:
    special = SPECIAL.get(type(node))
    if special is not None:
        return special(node)
    operation = OPERATIONS.get(type(node))
    if operation is None:
        raise refusal(
            Code.FUNCTION,
            node,
            f"{name_of(node)} is not computed over rows about persons",
            "compute it from the answer",
        )
    name, arguments = operation
    operands = (operand for argument in arguments for operand in _operands(node.args.get(argument)))
    return Call(name, tuple(_convert(operand) for operand in operands))


def _operands(value: object) -> list[exp.Expr]:
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, exp.Expr) else []


def _literal(node: exp.Expr) -> Expr:
    if node.args.get("is_string"):
        return Literal(LiteralType.TEXT, node.name)
    kind = LiteralType.INTEGER if node.name.isdigit() else LiteralType.DECIMAL
    return Literal(kind, node.name)


def _chain(name: str) -> Callable[[exp.Expr], Expr]:
    """An operator that SQL nests to the left and a release holds flat."""

    def convert_chain(node: exp.Expr) -> Expr:
        return Call(name, tuple(_convert(part) for part in node.flatten()))

    return convert_chain


def _is(node: exp.Expr) -> Expr:
    operand, what = _convert(node.this), node.expression
    if isinstance(what, exp.Null):
        return Call("is_null", (operand,))
    if isinstance(what, exp.Boolean):
        return Call("is_true" if what.this else "is_false", (operand,))
    raise refusal(Code.NOT_IN_SUBSET, node, "IS takes NULL, TRUE or FALSE", "use =")


def _between(node: exp.Expr) -> Expr:
    low, high = _convert(node.args["low"]), _convert(node.args["high"])
    operand = _convert(node.this)
    return Call("and", (Call("ge", (operand, low)), Call("le", (operand, high))))


def _case(node: exp.Expr) -> Expr:
    subject = node.this
    parts: list[Expr] = []
    for branch in node.args["ifs"]:
        condition = _convert(branch.this)
        parts.append(Call("eq", (_convert(subject), condition)) if subject is not None else condition)
        parts.append(_convert(branch.args["true"]))
    default = node.args.get("default")
    return Call("case", (*parts, _convert(default)) if default is not None else tuple(parts))


def _if(node: exp.Expr) -> Expr:
    default = node.args.get("false")
    parts = (_convert(node.this), _convert(node.args["true"]))
    return Call("case", (*parts, _convert(default)) if default is not None else parts)


def _cast(node: exp.Expr) -> Expr:
    return Call(CAST_TYPES[node.args["to"].this], (_convert(node.this),))


def _concat(node: exp.Expr) -> Expr:
    # concat() reads NULL as the empty text, || does not
    empty = Literal(LiteralType.TEXT, "")
    texts = (Call("to_text", (_convert(part),)) for part in node.expressions)
    return Call("concat", tuple(Call("coalesce", (text, empty)) for text in texts))


SPECIAL: dict[type[exp.Expr], Callable[[exp.Expr], Expr]] = {
    exp.Column: lambda node: ColumnRef(node.args["table"].name, node.name),
    exp.Literal: _literal,
    exp.Boolean: lambda node: Literal(LiteralType.BOOLEAN, "true" if node.this else "false"),
    exp.Null: lambda node: NULL,
    exp.Placeholder: lambda node: Literal(LiteralType.PENDING, node.name),
    exp.Paren: lambda node: _convert(node.this),
    exp.And: _chain("and"),
    exp.Or: _chain("or"),
    exp.Is: _is,
    exp.Between: _between,
    exp.Case: _case,
    exp.If: _if,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Concat: _concat,
    exp.NullSafeNEQ: lambda node: Call(
        "not", (Call("is_not_distinct", (_convert(node.this), _convert(node.expression))),)
    ),
}


def both(left: Expr | None, right: Expr | None) -> Expr | None:
    """The conjunction of two conditions, where None means no condition."""
    if left is None or right is None:
        return left if right is None else right
    return Call("and", (*conjuncts(left), *conjuncts(right)))
