"""DuckDB's own reading of a query: a second opinion on the parser that disclosure control relies on.

Two parsers that read a text differently are a way around every check, so a difference is a refusal.
Nothing is executed here: the text is parsed, and bound to empty tables.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import duckdb

from goe_lake.catalog import SQL_TYPES, Catalog
from goe_lake.engine.duck import one_row
from goe_lake.engine.sql import identifier
from goe_lake.errors import QueryRefused

# Where in the text a node stood, and other traces of spelling
_SPELLING: Final = frozenset({"query_location", "query_location_length"})
# DuckDB's names for one function
_SAME_FUNCTION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mean": "avg", "favg": "avg", "countif": "count_if", "ceiling": "ceil", "power": "pow", "**": "pow",
        "char_length": "length", "character_length": "length", "len": "length",
        "substr": "substring", "lcase": "lower", "ucase": "upper", "^@": "starts_with",
        "^": "pow", "%": "mod", "list": "array_agg", "string_agg": "listagg", "var_samp": "variance",
        "max_by": "arg_max", "min_by": "arg_min", "list_contains": "array_contains", "instr": "strpos",
        "position": "strpos", "string_split": "str_split", "split": "str_split", "datediff": "date_diff",
    }
)  # fmt: skip
# DuckDB's names for one type
_SAME_TYPE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "INT128": "HUGEINT", "INT": "INTEGER",
        "INT4": "INTEGER", "SIGNED": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT", "INT2": "SMALLINT",
        "SHORT": "SMALLINT", "INT1": "TINYINT", "FLOAT8": "DOUBLE", "REAL": "FLOAT", "FLOAT4": "FLOAT",
        "BOOL": "BOOLEAN", "LOGICAL": "BOOLEAN", "NUMERIC": "DECIMAL", "DATETIME": "TIMESTAMP",
    }
)  # fmt: skip
_PARTS_FIRST: Final = frozenset({"date_trunc", "date_diff", "date_part", "datepart"})
# What is written with NOT in one spelling and as an operator of its own in the other
_NEGATED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "OPERATOR_IS_NULL": "OPERATOR_IS_NOT_NULL",
        "COMPARE_IN": "COMPARE_NOT_IN",
        "COMPARE_NOT_DISTINCT_FROM": "COMPARE_DISTINCT_FROM",
    }
)
_NAMES: Final = ("alias", "table_name", "column_names", "using_columns")
_NEGATED_FUNCTION: Final[Mapping[str, str]] = MappingProxyType({"~~": "!~~", "~~*": "!~~*"})


@dataclass(frozen=True)
class BoundColumn:
    """An output column as DuckDB names and types it."""

    name: str
    type: str


class SecondParser:
    """DuckDB as a reader of queries over the empty tables of *catalog*; it holds no data and runs nothing."""

    def __init__(self, catalog: Catalog) -> None:
        self._lock = threading.Lock()
        self._connection = duckdb.connect(config={"threads": 1})
        for table in catalog.tables.values():
            columns = ", ".join(
                f"{identifier(column.name)} {SQL_TYPES[column.type]}" for column in table.columns
            )
            self._connection.execute(f"CREATE TABLE {identifier(table.name)} ({columns})")
        self._connection.execute("SET python_enable_replacements = false")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def check(self, text: str, regenerated: str) -> None:
        """Both texts mean the same to DuckDB; QueryRefused (G105) where they do not."""
        with self._lock:
            ours, theirs = (_tree(self._connection, part) for part in (regenerated, text))
        if ours is None or theirs is None or ours != theirs:
            raise QueryRefused(
                "G105",
                "two parsers read this text differently",
                hint="write it in plainer SQL, e.g. without shorthand",
            )

    def bind(self, text: str) -> tuple[BoundColumn, ...]:
        """The output columns of *text*.

        Raises QueryRefused (G404) where the types do not fit; no data is there to be told.
        """
        try:
            with self._lock:
                relation = self._connection.sql(text)
                found = tuple(zip(relation.columns, map(str, relation.types), strict=True))
        except duckdb.Error as error:
            first = str(error).splitlines()[0].split(":", 1)[-1].strip().rstrip(".")
            raise QueryRefused("G404", first, hint="compare and compute with values of one type") from None
        return tuple(BoundColumn(name, kind) for name, kind in found)


def _tree(connection: duckdb.DuckDBPyConnection, text: str) -> Any | None:
    """DuckDB's syntax tree of *text*, spelling aside; None where it reads none or several statements."""
    (tree,) = one_row(connection, "SELECT json_serialize_sql(?::VARCHAR)", [text])
    parsed = json.loads(tree)
    if parsed.get("error") or len(parsed.get("statements", ())) != 1:
        return None
    return _normal(parsed["statements"][0])


def _normal(node: Any) -> Any:
    if isinstance(node, list):
        return [_normal(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _normal(value) for name, value in node.items() if name not in _SPELLING}
    for part, rule in _RULES:
        if part in plain:
            plain = rule(plain)
    return plain


def _same_function(node: dict[str, Any]) -> dict[str, Any]:
    name = node.get("function_name")
    if isinstance(name, str):
        return _renamed(node, _SAME_FUNCTION.get(name.lower(), name.lower()))
    return node


def _renamed(node: dict[str, Any], name: str) -> dict[str, Any]:
    """A function's node under another name, which stands in it twice."""
    path = node.get("qualified_name", {}).get("path", [name])
    changed = {**node, "function_name": name, "qualified_name": {"path": [*path[:-1], name]}}
    # an operator and the function of the same meaning
    return {**changed, "is_operator": False} if name in ("pow", "mod") else changed


def _if_as_case(node: dict[str, Any]) -> dict[str, Any]:
    """if(condition, a, b) as the CASE that it is short for."""
    arguments = [argument.get("expression") for argument in node.get("arguments", ())]
    if node.get("function_name") != "if" or len(arguments) != 3:
        return node
    condition, value, otherwise = arguments
    check = {"when_expr": condition, "then_expr": value}
    kind = {"class": "CASE", "type": "CASE_EXPR", "alias": node.get("alias", "")}
    return {**kind, "case_checks": [check], "else_expr": otherwise}


def _negation(node: dict[str, Any]) -> dict[str, Any]:
    """NOT (x IS NULL) as x IS NOT NULL, and the like."""
    if node.get("type") != "OPERATOR_NOT" or len(node.get("children", ())) != 1:
        return node
    inner = node["children"][0]
    if inner.get("type") in _NEGATED:
        return {**inner, "type": _NEGATED[inner["type"]], "alias": node.get("alias", "")}
    negated = _NEGATED_FUNCTION.get(inner.get("function_name", ""))
    return {**_renamed(inner, negated), "alias": node.get("alias", "")} if negated else node


def _null_order(node: dict[str, Any]) -> dict[str, Any]:
    """Missing values last, which is what DuckDB means where nothing is said."""
    return {**node, "null_order": "NULLS LAST"} if node.get("null_order") == "ORDER_DEFAULT" else node


def _lower(node: dict[str, Any], part: str) -> dict[str, Any]:
    """A name, or several, in lower case: unquoted names are read without regard to it."""
    names = node[part]
    if isinstance(names, str):
        return node if names.islower() else {**node, part: names.lower()}
    if isinstance(names, list):
        return {**node, part: [name.lower() if isinstance(name, str) else name for name in names]}
    return node


def _same_type(node: dict[str, Any]) -> dict[str, Any]:
    """A type under one of its names."""
    name = node.get("type_name")
    if node.get("class") != "TYPE" or not isinstance(name, str):
        return node
    name = _SAME_TYPE.get(name.upper(), name.upper())
    return {**node, "type_name": name, "qualified_name": {"path": [name]}}


def _same_part(node: dict[str, Any]) -> dict[str, Any]:
    """Parts of dates without regard to case, and spans of time as one number of a unit."""
    name = node.get("function_name")
    arguments = node.get("arguments") or []
    if name in _PARTS_FIRST and arguments:
        first = arguments[0].get("expression", {})
        literal = first.get("literal", {})
        if isinstance(literal.get("text"), str):
            lower = {**first, "literal": {**literal, "text": literal["text"].lower()}}
            return {**node, "arguments": [{**arguments[0], "expression": lower}, *arguments[1:]]}
    if isinstance(name, str) and name.startswith("to_") and len(arguments) == 1:
        inner = arguments[0].get("expression", {})
        while inner.get("class") == "CAST":
            inner = inner.get("child", {})
        if inner.get("class") == "CONSTANT":
            span = {"class": "SPAN", "text": str(inner.get("literal", {}).get("text"))}
            return {**node, "arguments": [{"name": "", "expression": span}]}
    return node


def _today(node: dict[str, Any]) -> dict[str, Any]:
    """today() as current_date, which stands as a column."""
    if node.get("function_name") != "today" or node.get("arguments"):
        return node
    kind = {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": node.get("alias", "")}
    return {**kind, "column_names": ["current_date"]}


def _range_from_zero(node: dict[str, Any]) -> dict[str, Any]:
    """range(n) as the range(0, n) that it is short for."""
    arguments = node.get("arguments") or []
    if node.get("function_name") not in ("range", "generate_series") or len(arguments) != 1:
        return node
    return {**node, "arguments": [_whole("0"), *arguments]}


def _to_a_base(node: dict[str, Any]) -> dict[str, Any]:
    """log10(x) and log2(x) as log(10, x) and log(2, x)."""
    base = {"log10": "10", "log2": "2"}.get(node.get("function_name", ""))
    if base is None or len(node.get("arguments", ())) != 1:
        return node
    return {**_renamed(node, "log"), "arguments": [_whole(base), *node["arguments"]]}


def _whole(text: str) -> dict[str, Any]:
    """A whole number as an argument."""
    literal = {"kind": "INTEGER", "text": text}
    constant = {"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "literal": literal}
    return {"name": "", "expression": constant}


def _plain_truth(node: dict[str, Any]) -> dict[str, Any]:
    """bool_and(x) without the cast to BOOLEAN that the other parser adds."""
    if node.get("function_name") not in ("bool_and", "bool_or"):
        return node
    arguments = [
        {**argument, "expression": argument["expression"]["child"]}
        if argument.get("expression", {}).get("class") == "CAST"
        and argument["expression"].get("type_expr", {}).get("type_name") == "BOOLEAN"
        else argument
        for argument in node.get("arguments", ())
    ]
    return {**node, "arguments": arguments}


def _within_group(node: dict[str, Any]) -> dict[str, Any]:
    """`percentile_cont(p) WITHIN GROUP (ORDER BY x)` as `quantile_cont(x, p)`."""
    orders = (node.get("order_bys") or {}).get("orders") or []
    arguments = node.get("arguments") or []
    if node.get("function_name") not in ("quantile_cont", "quantile_disc"):
        return node
    if len(orders) != 1 or len(arguments) != 1 or orders[0].get("type") == "DESCENDING":
        return node
    value = {"name": "", "expression": orders[0]["expression"]}
    return {**node, "arguments": [value, *arguments], "order_bys": {**node["order_bys"], "orders": []}}


def _same_number(node: dict[str, Any]) -> dict[str, Any]:
    """Numbers without underscores and bare points."""
    if set(node) == {"kind", "text"} and isinstance(node["text"], str):
        text = node["text"].replace("_", "") if node["kind"] != "STRING" else node["text"]
        return {**node, "text": f"0{text}" if text.startswith(".") and node["kind"] != "STRING" else text}
    return node


# What a node has that a rule may change, and the rule
_RULES: Final[tuple[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]], ...]] = (
    ("function_name", _same_function),
    ("function_name", _if_as_case),
    ("children", _negation),
    ("null_order", _null_order),
    *((part, partial(_lower, part=part)) for part in _NAMES),
    ("kind", _same_number),
    ("type_name", _same_type),
    ("function_name", _same_part),
    ("function_name", _plain_truth),
    ("function_name", _range_from_zero),
    ("function_name", _today),
    ("function_name", _to_a_base),
    ("order_bys", _within_group),
)
