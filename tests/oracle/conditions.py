"""Conditions of a release as trees of and, or and leaves, from the JSON that travels.

What a node may leave out is said of these trees (decision 14), so the oracle grows them by itself. A
tree is a truth, or `("leaf", condition)`, `("and", trees)`, `("or", trees)`; the trees of one junction
are each there once, in the order of their text.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb

from tests.oracle.rows import columns_in, is_public, safe

Tree = Any
TRUE, FALSE, NULL = (
    {"literal": ["boolean", "true"]}, {"literal": ["boolean", "false"]}, {"literal": ["null", ""]},
)  # fmt: skip
TRUTHS = (TRUE, FALSE)
TURNED = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
DENIED = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
COMPARED = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt,
    "ge": operator.ge,
}  # fmt: skip
NEVER_NULL = ("is_null", "is_true", "is_false", "is_not_distinct")
TRUTHFUL = {*COMPARED, *NEVER_NULL, "and", "or", "not", "in", "like", "ilike", "starts_with"}
BOOLEANS = ("t2d", "smoker")
# NULL where an operand is and nowhere else; DuckDB never fails on them
PLAIN = {*COMPARED, "not", "like", "ilike", "starts_with", "floor", "ceil", "sign", "to_text", "lower"} | {
    "upper", "length",
}  # fmt: skip


def call(op: str, *args: Any) -> Any:
    """An operator and its operands."""
    return {"op": op, "args": list(args)}


def text_of(tree: Tree) -> str:
    """The text that trees of one junction are ordered by."""
    kind, inner = tree
    if kind == "leaf":
        return json.dumps(inner, sort_keys=True)
    return f"{kind}({','.join(text_of(part) for part in inner)})"


def leaves_of(tree: Tree) -> list[Any]:
    """The conditions at the leaves."""
    kind, inner = tree
    return [inner] if kind == "leaf" else [leaf for part in inner for leaf in leaves_of(part)]


class Trees:
    """Grows trees over the scans of one release."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        tables: dict[str, str],
        chosen: frozenset[tuple[str, ...]] = frozenset(),
    ) -> None:
        self.connection, self.tables, self.chosen = connection, tables, chosen

    def conjunction(self, parts: list[Any]) -> list[Tree]:
        """What holds where all of *parts* do."""
        tree = self.junction("and", [self.grow(part) for part in parts])
        if isinstance(tree, bool):
            return [] if tree else [("leaf", FALSE)]
        return list(tree[1]) if tree[0] == "and" else [tree]

    def tried(self, tree: Tree) -> bool:
        """Whether a part may be left out: not `IS NOT NULL`, what is public, or what is missing."""
        if tree[0] != "leaf":
            return any(self.tried(part) for part in tree[1])
        part = tree[1]
        if is_public(part, self.tables) or is_there(part) or self.is_presence(part):
            return False
        return not (only_missing(part) and self.technical(part))

    def is_presence(self, part: Any) -> bool:
        """Whether *part* asks whether a person has a row, whatever it says."""
        return "column" in part and part["column"][1] == "present" and self.technical(part)

    def technical(self, part: Any) -> bool:
        """Whether NULL is a missing value in what *part* reads, and not what a sub-aggregate chose."""
        return not any(tuple(column["column"]) in self.chosen for column in columns_in(part))

    def grow(self, part: Any, no: bool = False) -> Tree:
        """The tree of *part*, or of its negation."""
        if part in TRUTHS:
            return (part == TRUE) != no
        if part == NULL:
            return False
        op, args = part.get("op"), part.get("args", [])
        if op == "not":
            return self.grow(args[0], not no)
        if op in ("and", "or"):
            return self.junction("or" if (op == "or") != no else "and", [self.grow(arg, no) for arg in args])
        if op == "in" and len(args) > 2:
            chosen = [self.grow(call("eq", args[0], choice), no) for choice in args[1:]]
            return self.junction("and" if no else "or", chosen)
        if op == "case":
            return self.case(args, no)
        if not columns_in(part):
            return self.constant(call("not", part) if no else part)
        inner = self.inner(part)
        if inner is not None:
            return self.by_cases(part, inner, no)
        return ("leaf", denied(part) if no else turned(part))

    def case(self, args: list[Any], no: bool) -> Tree:
        """CASE: the condition and its value, or not the condition and the rest."""
        if len(args) < 2:
            return self.grow(args[0], no) if args else False
        here = self.junction("and", [self.grow(args[0]), self.grow(args[1], no)])
        rest = self.case(args[2:], no)
        if rest is False:
            return here
        otherwise = self.junction("or", [self.grow(args[0], True), self.lacking(args[0])])
        return self.junction("or", [here, self.junction("and", [otherwise, rest])])

    def by_cases(self, part: Any, inner: Any, no: bool) -> Tree:
        """*part* by what a condition within it says."""
        told = ((TRUE, self.grow(inner)), (FALSE, self.grow(inner, True)), (NULL, self.lacking(inner)))
        return self.junction(
            "or",
            [self.junction("and", [said, self.grow(put(part, inner, value), no)]) for value, said in told],
        )

    def lacking(self, part: Any) -> Tree:
        """Whether *part* is NULL."""
        if part.get("op") in NEVER_NULL:
            return False
        if "literal" in part:
            return part == NULL
        return ("leaf", call("is_null", part))

    def inner(self, part: Any) -> Any:
        """The first condition within *part* that holds no other."""
        several = len(columns_in(part)) > 1
        for found in within(part):
            column = several and "column" in found and found["column"][1] in BOOLEANS
            if (found.get("op") in TRUTHFUL or column) and not is_public(found, self.tables):
                return found
        return None

    def constant(self, part: Any) -> bool:
        """Whether a condition that reads nothing holds."""
        try:
            found = self.connection.execute(f"SELECT TRY_CAST({safe(part)} AS BOOLEAN)").fetchall()
        except duckdb.Error:
            return False
        return bool(found[0][0])

    def junction(self, kind: str, trees: list[Tree]) -> Tree:
        """Trees joined, without truths and without junctions of the same kind among them."""
        kept: dict[str, Tree] = {}
        for tree in trees:
            if isinstance(tree, bool):
                if tree == (kind == "or"):
                    return tree
                continue
            for part in tree[1] if tree[0] == kind else [tree]:
                kept[text_of(part)] = part
        if not kept:
            return kind == "and"
        parts = [kept[text] for text in sorted(kept)]
        return parts[0] if len(parts) == 1 else (kind, parts)


def is_there(part: Any) -> bool:
    """Whether *part* is `column IS NOT NULL`."""
    return part.get("op") == "not" and is_absent(part["args"][0])


def is_absent(part: Any) -> bool:
    """Whether *part* is `column IS NULL`."""
    return part.get("op") == "is_null" and "column" in part["args"][0]


def only_missing(part: Any) -> bool:
    """Whether *part* says of a condition that it is NULL, which a missing value alone makes it."""
    return part.get("op") == "is_null" and "op" in part["args"][0] and plain(part["args"][0])


def plain(part: Any) -> bool:
    """Whether NULL comes of a missing value alone."""
    if "op" in part:
        return part["op"] in PLAIN and all(plain(arg) for arg in part["args"])
    return part != NULL


def turned(part: Any) -> Any:
    """A comparison with its constant on the right."""
    if part.get("op") in TURNED:
        left, right = part["args"]
        if "literal" in left and "literal" not in right:
            return call(TURNED[part["op"]], right, left)
    return part


def denied(part: Any) -> Any:
    """The negation of *part*."""
    part = turned(part)
    return call(DENIED[part["op"]], *part["args"]) if part.get("op") in DENIED else call("not", part)


def within(part: Any) -> Iterator[Any]:
    """Everything within *part*, innermost first, without itself."""
    for arg in part.get("args", ()):
        yield from within(arg)
        yield arg


def put(part: Any, inner: Any, value: Any) -> Any:
    """*part* where *inner* is known to be *value*, constants that decide taken out."""
    if part == inner:
        return value
    if "op" not in part:
        return part
    return folded(part["op"], [put(arg, inner, value) for arg in part["args"]])


def folded(op: str, args: list[Any]) -> Any:
    """An operator without the constants that decide it."""
    first = args[0]
    if op in ("and", "or"):
        return _joined(op, args)
    if op == "coalesce":
        known = [arg for arg in args if arg != NULL]
        if len(known) < 2 or "literal" in known[0]:
            return known[0] if known else NULL
        return call(op, *known)
    if op == "case":
        return _first_case(args)
    if op == "to_boolean" and first in (*TRUTHS, NULL):
        return first
    if op == "to_integer" and first in TRUTHS:
        return {"literal": ["integer", str(int(first == TRUE))]}
    if "literal" in first and op in ("not", "is_null", "is_true", "is_false"):
        if op == "not" and first == NULL:
            return NULL
        return _truth(first == {"not": FALSE, "is_null": NULL, "is_true": TRUE, "is_false": FALSE}[op])
    if op in COMPARED:
        if NULL in args:
            return NULL
        if all("literal" in arg for arg in args):
            return _compared(op, args)
    return call(op, *args)


def _joined(op: str, args: list[Any]) -> Any:
    if _truth(op == "or") in args:
        return _truth(op == "or")
    kept = [arg for arg in args if arg not in TRUTHS]
    if not kept:
        return _truth(op == "and")
    return kept[0] if len(kept) == 1 else call(op, *kept)


def _first_case(args: list[Any]) -> Any:
    kept: list[Any] = []
    last = args[-1] if len(args) % 2 else NULL
    for condition, value in zip(args[:-1:2], args[1::2], strict=False):
        if condition == TRUE:
            last = value
            break
        if condition not in (FALSE, NULL):
            kept += [condition, value]
    return call("case", *kept, last) if kept else last


def _compared(op: str, args: list[Any]) -> Any:
    (kind, left), (other, right) = (arg["literal"] for arg in args)
    if {kind, other} <= {"integer", "decimal"}:
        return _truth(COMPARED[op](Decimal(left), Decimal(right)))
    if kind == other and op in ("eq", "ne"):
        return _truth(COMPARED[op](left, right))
    return call(op, *args)


def _truth(value: bool) -> Any:
    return TRUE if value else FALSE
