"""The allow-lists of syntax: which nodes a query may hold, and which arguments each may carry.

`SUBSET` is what may be computed from rows about persons; `language` adds what may stand above the
releases. Whatever is not listed is turned down, arguments included: `TABLESAMPLE`, `GROUP BY ROLLUP`
or `IN (SELECT …)` hide in arguments of nodes that are harmless by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from goe_lake.catalog import Catalog, is_public
from goe_lake.query.language import (
    CASTS,
    FUNCTIONS,
    NAMES,
    OVER_PERSONS,
    STRUCTURE,
    is_aggregate,
    over_persons,
)
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
    exp.Limit: _args("expression", "limit_options"),
    exp.LimitOptions: _args("percent"),
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
    exp.Year: _args("this"),
    exp.Month: _args("this"),
    exp.Concat: _args("expressions", "safe", "coalesce"),
    exp.DPipe: _args("this", "expression", "safe"),
    exp.StartsWith: _BINARY,
    exp.Substring: _args("this", "start", "length"),
    exp.Sqrt: _args("this"),
    exp.Ln: _args("this"),
    exp.Log: _BINARY,
    exp.Exp: _args("this"),
    exp.Count: _args("this", "big_int"),
    exp.Distinct: _args("expressions"),
    exp.CountIf: _args("this"),
    exp.Sum: _args("this"),
    exp.Avg: _args("this"),
    exp.Pow: _BINARY,
    **{
        kind: _args("this") for kind in OVER_PERSONS if kind not in (exp.Count, exp.CountIf, exp.Sum, exp.Avg)
    },
    **{kind: _BINARY for kind in OVER_PERSONS if "expression" in kind.arg_types},
    **dict.fromkeys((exp.Quantile, exp.ApproxQuantile), _args("this", "quantile")),
    exp.Array: _args("expressions"),
    exp.Filter: _BINARY,
}


@dataclass(frozen=True)
class _Explained:
    """Syntax that is turned down with a reason of its own."""

    code: Code
    what: str
    instead: str


_EXPLAINED_NODES: dict[type[exp.Expr], _Explained] = {
    **dict.fromkeys(
        (exp.CurrentTime, exp.CurrentTimestamp),
        _Explained(Code.FUNCTION, "the time of day is not answered", "write current_date, or a date"),
    ),
    exp.Comprehension: _Explained(
        Code.FUNCTION, "list comprehensions are not answered", "compute it from the answer, in your own tool"
    ),
    exp.TableSample: _Explained(Code.SAMPLING, "sampling is not answered", "remove it; the answer is exact"),
    exp.Lateral: _Explained(
        Code.NESTED_QUERY,
        "this form of LATERAL is not answered",
        "select from one table, by equalities with columns of tables before it; or join",
    ),
    exp.Lambda: _Explained(Code.FUNCTION, "lambda functions are not answered", "use unnest in your own tool"),
    exp.Placeholder: _Explained(Code.CONSTANT, "a parameter has no value", "write the value"),
    exp.Parameter: _Explained(Code.CONSTANT, "a parameter has no value", "write the value"),
}
_PERSONAL_NODES: dict[type[exp.Expr], _Explained] = {
    exp.Tuple: _Explained(
        Code.NOT_IN_SUBSET,
        "several columns stand as one value",
        "count groups of them: SELECT count(*) FROM (SELECT DISTINCT a, b FROM …)",
    ),
    exp.Window: _Explained(
        Code.WINDOW,
        "a window function stands over rows about persons",
        "aggregate first; windows may stand over the groups",
    ),
}
_EXPLAINED_ARGUMENTS: dict[tuple[type[exp.Expr], str], _Explained] = {
    (exp.Select, "sample"): _EXPLAINED_NODES[exp.TableSample],
    (exp.Table, "sample"): _EXPLAINED_NODES[exp.TableSample],
    (exp.Subquery, "sample"): _EXPLAINED_NODES[exp.TableSample],
    (exp.Table, "db"): _Explained(
        Code.UNKNOWN_TABLE, "tables have no schema", "write the table's name alone"
    ),
}
_EXPLAINED_ARGUMENTS[exp.Join, "side"] = _Explained(
    Code.JOIN_KIND, "outer joins of tables about persons are not answered", "use JOIN"
)
NOTHING: Final[tuple[object, ...]] = (None, False, [])
MOST_WIDTH: Final = 100
MOST_PLACES: Final = 10
JOIN_KINDS: Final = ("INNER", "CROSS", "OUTER", "SEMI", "ANTI")


def check_syntax(query: exp.Query) -> exp.Query:
    """Every node of *query*, at any depth, and every argument of it, is on one of the two allow-lists."""
    for node in query.walk():
        kind = type(node)
        if kind not in FUNCTIONS and kind not in STRUCTURE and kind not in SUBSET:
            raise _unlisted(node)
        if isinstance(node, exp.Anonymous) and node.name.lower() not in NAMES:
            raise _unlisted(node)
        _check_arguments(node)
        if kind in FUNCTIONS:
            continue
        allowed = STRUCTURE.get(kind, frozenset()) | SUBSET.get(kind, frozenset())
        for name, value in node.args.items():
            if name not in allowed and value not in NOTHING:
                raise _unlisted_argument(node, name)
    return query


def _check_arguments(node: exp.Expr) -> None:
    if isinstance(node, exp.Cast) and node.to.this not in CASTS:
        message = f"a cast to {node.to.sql('duckdb')} is not answered"
        raise refusal(Code.FUNCTION, node, message, "cast to a number, BOOLEAN, VARCHAR, DATE or TIMESTAMP")
    if isinstance(node, exp.Identifier) and "$" in node.name:
        raise refusal(Code.NOT_IN_SUBSET, node, "a name holds $", "use letters, digits and _")
    if isinstance(node, exp.Join):
        kind, method = node.args.get("kind") or "INNER", node.args.get("method") or ""
        if kind not in JOIN_KINDS or method not in ("", "NATURAL"):
            raise refusal(
                Code.JOIN_KIND, node, f"{method or kind} JOIN is not answered", "use JOIN or LEFT JOIN"
            )
    if isinstance(node, exp.Format) or (isinstance(node, exp.Anonymous) and node.name.lower() == "printf"):
        _check_format(node)
    if isinstance(node, exp.Replace | exp.RegexpReplace):
        _check_replacement(node)
    if isinstance(node, exp.GenerateSeries) and not isinstance(node.parent, exp.Table):
        # a list as long as an argument says, for each row: DuckDB does not look up from it when time is over
        message = "range() as a list is not answered"
        raise refusal(Code.FUNCTION, node, message, "put range() into FROM, as a table of numbers")


def _check_replacement(node: exp.Replace | exp.RegexpReplace) -> None:
    """What is put in is no longer than what is taken out: else texts grow by themselves, beyond any limit."""
    sought, put = node.args.get("expression"), node.args.get("replacement")
    known = isinstance(sought, exp.Literal) and isinstance(put, exp.Literal)
    # a pattern may match nothing between any two characters
    most = len(node.text("expression")) if isinstance(node, exp.Replace) else 1
    if not known or len(node.text("replacement")) > most:
        message = "the replacement is not a text as short as what it replaces"
        raise refusal(Code.CONSTANT, node, message, "write out both, or use CASE WHEN x = '…' THEN '…' END")


def _check_format(node: exp.Expr) -> None:
    """A format is a text, so that how long its result may be is known."""
    first = node.this if isinstance(node, exp.Format) else (node.expressions or [None])[0]
    if not isinstance(first, exp.Literal) or not first.is_string:
        raise refusal(
            Code.CONSTANT, node, "the format is not a text", "write it out, e.g. format('{:.2f}', x)"
        )
    widths = [int(digits) for digits in re.findall(r"[0-9]+", first.name) if len(digits) < 10] or [0]
    if "*" in first.name or max(widths) > MOST_WIDTH or re.search(r"[0-9]{10}|{[^}]*{", first.name):
        raise refusal(Code.CONSTANT, first, f"a width is above {MOST_WIDTH}", "use a smaller one")
    if len(re.findall("[{%]", first.name)) > MOST_PLACES:
        raise refusal(
            Code.CONSTANT, first, f"the format has more than {MOST_PLACES} places", "write a shorter one"
        )


def check_subset(query: exp.Expr, catalog: Catalog) -> exp.Expr:
    """Every node of *query*, which is computed from rows about persons, is on the list for those."""
    for node in query.walk():
        if isinstance(node, exp.Placeholder):
            continue  # the mark of a nested query: the syntax passes let no other through
        allowed = SUBSET.get(type(node))
        if isinstance(node, exp.Anonymous) and over_persons(node) is not None:
            allowed = _args("this", "expressions")
        if allowed is None:
            raise _unlisted_for_persons(node)
        for name, value in node.args.items():
            if name not in allowed and value not in NOTHING:
                raise _unlisted_argument(node, name)
    return query


def _explained(reason: _Explained, node: exp.Expr) -> Exception:
    return refusal(reason.code, node, reason.what, reason.instead)


def name_of(node: exp.Expr) -> str:
    """A node as DuckDB spells it, not as the parser calls it."""
    return node.sql("duckdb").partition("(")[0].lower() if isinstance(node, exp.Func) else node.key


def _unlisted(node: exp.Expr) -> Exception:
    for kind, reason in _EXPLAINED_NODES.items():
        if isinstance(node, kind):
            return _explained(reason, node)
    name = name_of(node)
    if isinstance(node, exp.Func) and isinstance(node.parent, exp.Table):
        hint = "read a table of the contract, or range(…) or VALUES"
        return refusal(Code.UNKNOWN_TABLE, node, f"the table function {name} is not answered", hint)
    if isinstance(node, exp.Func):
        return refusal(
            Code.FUNCTION, node, f"the function {name} is not answered", "compute it from the answer"
        )
    return refusal(
        Code.NOT_IN_SUBSET, node, f"{name} is not understood here", "write it in plain SELECT syntax"
    )


def _unlisted_for_persons(node: exp.Expr) -> Exception:
    for kind, reason in _PERSONAL_NODES.items():
        if isinstance(node, kind):
            return _explained(reason, node)
    if isinstance(node, exp.IgnoreNulls):  # the parser puts it around any_value and the like
        node = node.this
    name = name_of(node)
    if is_aggregate(node) or isinstance(node, exp.AggFunc):
        return refused_aggregate(node)
    of = node.this if isinstance(node.this, exp.Column) else None
    if isinstance(node, exp.Func) and of is not None and is_public("genotypes", of.name):
        hint = "columns of sites are contig, pos, ref, alt and variant_id; variants has more"
        return refusal(Code.FUNCTION, node, f"the function {name} is not computed of {of.name}", hint)
    if isinstance(node, exp.Func):
        message = f"the function {name} is not answered over rows about persons"
        return refusal(Code.FUNCTION, node, message, "compute it from the aggregates")
    hint = "write it in plain SELECT syntax"
    return refusal(Code.NOT_IN_SUBSET, node, f"{name} is not understood over rows about persons", hint)


def refused_aggregate(node: exp.Expr) -> Exception:
    """The refusal of an aggregate that no node computes."""
    name = name_of(node)
    hint = "answered are count, sum, avg, var, stddev, corr, regr_…, quantiles and the like, with FILTER"
    if isinstance(node, exp.Min | exp.Max | exp.ArgMax | exp.ArgMin):
        end = "0.05" if isinstance(node, exp.Min | exp.ArgMin) else "0.95"
        hint = f"the extreme value is that of one person; take quantile_cont(x, {end})"
        if isinstance(node.this, exp.Column) and is_public("variants", node.this.name):
            hint = f"ask it of sites: SELECT gene, {name}({node.this.name}) FROM variants GROUP BY gene"
    elif isinstance(node, exp.ArrayAgg | exp.GroupConcat):
        hint = (
            "list labels once, list(DISTINCT population ORDER BY population), and else above the groups: "
            "SELECT list(x) FROM (SELECT x, count(*) FROM samples GROUP BY x)"
        )
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "histogram":
        hint = "take it of a plain column, with bins where that is measured, or GROUP BY the expression"
    elif isinstance(node, exp.First | exp.Last | exp.AnyValue | exp.NthValue):
        hint = "it is the value of one person; take median(x)"
    return refusal(Code.AGGREGATE, node, f"the aggregate {name} over persons is not answered", hint)


def _unlisted_argument(node: exp.Expr, name: str) -> Exception:
    reason = _EXPLAINED_ARGUMENTS.get((type(node), name))
    value = node.args[name]
    at = value if isinstance(value, exp.Expr) else node
    if reason is not None:
        return _explained(reason, at)
    what = f"{name.rstrip('_')} in {node.key}"
    return refusal(Code.NOT_IN_SUBSET, at, f"{what} is not understood here", "leave it out")


def check_cast_types(query: exp.Expr, catalog: Catalog) -> exp.Expr:
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


def spell(query: exp.Query) -> exp.Query:
    """Give functions and operators that DuckDB knows by two names the one name that later passes read."""
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


def select_first(query: exp.Select) -> exp.Select:
    """Write `FROM a JOIN b … SELECT …` with SELECT first: the parser hangs those joins beneath table a."""
    first = query.args.get("from_")
    table = first.this if first is not None else None
    if isinstance(table, exp.Table) and table.args.get("joins"):
        joins = table.args["joins"]
        table.set("joins", None)
        query.set("joins", [*joins, *(query.args.get("joins") or ())])
    return query


SPELLINGS: dict[str, Callable[[exp.Expr], exp.Expr]] = dict.fromkeys(
    ("mean", "favg"), lambda argument: exp.Avg(this=argument)
)
