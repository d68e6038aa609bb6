"""The allow-list of syntax: which nodes a query may hold, and which arguments each may carry.

Whatever is not listed is turned down, arguments included: `TABLESAMPLE`, `GROUP BY ROLLUP` or
`IN (SELECT …)` hide in arguments of nodes that are harmless by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.refusals import Code, refusal


def _args(*names: str) -> frozenset[str]:
    return frozenset(names)


_BINARY = _args("this", "expression")

SUBSET: dict[type[exp.Expr], frozenset[str]] = {
    exp.Select: _args(
        "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset"
    ),
    exp.From: _args("this"),
    exp.Table: _args("this", "alias"),
    exp.TableAlias: _args("this"),
    exp.Join: _args("this", "on", "using", "kind", "method"),
    exp.Identifier: _args("this", "quoted"),
    exp.Column: _args("this", "table"),
    exp.Alias: _args("this", "alias"),
    exp.Star: _args(),
    exp.Where: _args("this"),
    exp.Group: _args("expressions", "all"),
    exp.Having: _args("this"),
    exp.Order: _args("expressions"),
    exp.Ordered: _args("this", "desc", "nulls_first"),
    exp.Limit: _args("expression"),
    exp.Offset: _args("expression"),
    exp.Paren: _args("this"),
    exp.Literal: _args("this", "is_string"),
    exp.Boolean: _args("this"),
    exp.Null: _args(),
    exp.And: _BINARY,
    exp.Or: _BINARY,
    exp.Not: _args("this"),
    exp.EQ: _BINARY,
    exp.NEQ: _BINARY,
    exp.LT: _BINARY,
    exp.LTE: _BINARY,
    exp.GT: _BINARY,
    exp.GTE: _BINARY,
    exp.NullSafeEQ: _BINARY,
    exp.NullSafeNEQ: _BINARY,
    exp.Is: _BINARY,
    exp.In: _args("this", "expressions"),
    exp.Between: _args("this", "low", "high"),
    exp.Like: _BINARY,
    exp.ILike: _BINARY,
    exp.Add: _BINARY,
    exp.Sub: _BINARY,
    exp.Mul: _BINARY,
    exp.Div: _BINARY,
    exp.IntDiv: _BINARY,
    exp.Mod: _BINARY,
    exp.Neg: _args("this"),
    exp.Case: _args("this", "ifs", "default"),
    exp.If: _args("this", "true", "false"),
    exp.Cast: _args("this", "to"),
    exp.TryCast: _args("this", "to", "safe"),
    exp.DataType: _args("this"),
    exp.Coalesce: _args("this", "expressions"),
    exp.Nullif: _BINARY,
    exp.Abs: _args("this"),
    exp.Sign: _args("this"),
    exp.Floor: _args("this"),
    exp.Ceil: _args("this"),
    exp.Round: _args("this", "decimals"),
    exp.Least: _args("this", "expressions", "ignore_nulls"),
    exp.Greatest: _args("this", "expressions", "ignore_nulls"),
    exp.Lower: _args("this"),
    exp.Upper: _args("this"),
    exp.Length: _args("this"),
    exp.Concat: _args("expressions", "safe", "coalesce"),
    exp.DPipe: _args("this", "expression", "safe"),
    exp.StartsWith: _BINARY,
    exp.Substring: _args("this", "start", "length"),
    exp.Sqrt: _args("this"),
    exp.Ln: _args("this"),
    exp.Exp: _args("this"),
    exp.Count: _args("this", "big_int"),
    exp.Distinct: _args("expressions"),
    exp.CountIf: _args("this"),
    exp.Sum: _args("this"),
    exp.Avg: _args("this"),
    exp.Filter: _BINARY,
}


@dataclass(frozen=True)
class _Explained:
    """Syntax that is turned down with a reason of its own."""

    code: Code
    what: str
    instead: str


_EXPLAINED_NODES: dict[type[exp.Expr], _Explained] = {
    exp.TableSample: _Explained(Code.SAMPLING, "sampling is not answered", "remove it; the answer is exact"),
    exp.Window: _Explained(Code.WINDOW, "window functions are not answered", "use GROUP BY"),
    exp.Subquery: _Explained(
        Code.NESTED_QUERY, "nested queries are not answered", "send each SELECT by itself"
    ),
    exp.Exists: _Explained(
        Code.NESTED_QUERY, "nested queries are not answered", "send each SELECT by itself"
    ),
    exp.With: _Explained(Code.NESTED_QUERY, "WITH is not answered", "send each SELECT by itself"),
}
_EXPLAINED_ARGUMENTS: dict[tuple[type[exp.Expr], str], _Explained] = {
    (exp.Select, "with_"): _EXPLAINED_NODES[exp.With],
    (exp.Select, "sample"): _EXPLAINED_NODES[exp.TableSample],
    (exp.Table, "sample"): _EXPLAINED_NODES[exp.TableSample],
    (exp.Select, "qualify"): _Explained(Code.WINDOW, "QUALIFY is not answered", "use HAVING"),
    (exp.Select, "windows"): _EXPLAINED_NODES[exp.Window],
    (exp.Select, "distinct"): _Explained(
        Code.NOT_IN_SUBSET, "SELECT DISTINCT is not answered", "use GROUP BY, or count(DISTINCT sample_id)"
    ),
    (exp.In, "query"): _EXPLAINED_NODES[exp.Subquery],
    (exp.Join, "side"): _Explained(Code.JOIN_KIND, "outer joins are not answered", "use JOIN"),
    (exp.Table, "db"): _Explained(
        Code.UNKNOWN_TABLE, "tables have no schema", "write the table's name alone"
    ),
}


def check_subset(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Every node of *query*, and every argument of it, is on the allow-list."""
    for node in query.walk():
        if node is not query and isinstance(node, exp.Select):
            raise _explained(_EXPLAINED_NODES[exp.Subquery], node)
        allowed = SUBSET.get(type(node))
        if allowed is None:
            raise _unlisted(node)
        for name, value in node.args.items():
            if name not in allowed and value not in (None, False, []):
                raise _unlisted_argument(node, name)
    return query


def _explained(reason: _Explained, node: exp.Expr) -> Exception:
    return refusal(reason.code, node, reason.what, reason.instead)


def _unlisted(node: exp.Expr) -> Exception:
    for kind, reason in _EXPLAINED_NODES.items():
        if isinstance(node, kind):
            return _explained(reason, node)
    if isinstance(node, exp.IgnoreNulls):  # the parser puts it around any_value and the like
        node = node.this
    # as DuckDB spells a function, not as the parser calls it
    name = node.sql("duckdb").partition("(")[0].lower() if isinstance(node, exp.Func) else node.key
    if isinstance(node, exp.AggFunc):
        hint = "answered are count, count_if, sum and avg, with FILTER"
        return refusal(Code.AGGREGATE, node, f"the aggregate {name} is not answered", hint)
    if isinstance(node, exp.Func):
        return refusal(
            Code.FUNCTION, node, f"the function {name} is not answered", "compute it from the answer"
        )
    return refusal(
        Code.NOT_IN_SUBSET, node, f"{name} is not understood here", "write it in plain SELECT syntax"
    )


def _unlisted_argument(node: exp.Expr, name: str) -> Exception:
    reason = _EXPLAINED_ARGUMENTS.get((type(node), name))
    value = node.args[name]
    at = value if isinstance(value, exp.Expr) else node
    if reason is not None:
        return _explained(reason, at)
    what = f"{name.rstrip('_')} in {node.key}"
    return refusal(Code.NOT_IN_SUBSET, at, f"{what} is not understood here", "leave it out")


def check_cast_types(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Casts go to whole numbers, doubles, booleans and text."""
    for node in query.find_all(exp.Cast):
        if node.to.this not in CAST_TYPES:
            message = f"a cast to {node.to.sql('duckdb')} is not answered"
            raise refusal(Code.FUNCTION, node, message, "cast to INT, DOUBLE, BOOLEAN or VARCHAR")
    return query


CAST_TYPES = {
    exp.DType.TINYINT: "to_integer",
    exp.DType.SMALLINT: "to_integer",
    exp.DType.INT: "to_integer",
    exp.DType.BIGINT: "to_integer",
    exp.DType.DOUBLE: "to_double",
    exp.DType.FLOAT: "to_double",
    exp.DType.BOOLEAN: "to_boolean",
    exp.DType.TEXT: "to_text",
    exp.DType.VARCHAR: "to_text",
}


def spell(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Give functions and operators that DuckDB knows by two names the one name that later passes read."""
    query = query.copy()
    for node in list(query.find_all(exp.Like, exp.ILike)):
        if node.args.get("negate"):
            positive = type(node)(this=node.this, expression=node.expression)
            node.replace(exp.Not(this=positive))
    for count in list(query.find_all(exp.Count)):
        if count.this is None:
            count.set("this", exp.Star())
    for call in list(query.find_all(exp.Anonymous)):
        known = SPELLINGS.get(call.name.lower())
        if known is not None and len(call.expressions) == 1:
            call.replace(known(call.expressions[0]))
    return query


def select_first(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Write `FROM a JOIN b … SELECT …` with SELECT first: the parser hangs those joins beneath table a."""
    query = query.copy()
    first = query.args.get("from_")
    table = first.this if first is not None else None
    if isinstance(table, exp.Table) and table.args.get("joins"):
        joins = table.args["joins"]
        table.set("joins", None)
        query.set("joins", [*joins, *(query.args.get("joins") or ())])
    return query


SPELLINGS: dict[str, Callable[[exp.Expr], exp.Expr]] = {"mean": lambda argument: exp.Avg(this=argument)}
