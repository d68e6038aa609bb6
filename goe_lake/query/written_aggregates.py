"""Aggregates over persons that are short for others: histograms with bins, facts of a group or its site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeAlias

from sqlglot import exp

from goe_lake.catalog import Column, ColumnType, is_public, is_site_key
from goe_lake.query.checks import group_keys, is_settled
from goe_lake.query.constants import written_number
from goe_lake.query.language import first_aggregate, is_window_head
from goe_lake.query.lists import SITE
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import SITE_TABLES, conditions_of
from goe_lake.query.sums import cast_to

MOST_BINS: Final = 200
LARGEST: Final = 2**31 - 1
#: The table and the description of a column; None for one that is not of the contract.
Describe: TypeAlias = Callable[[exp.Column], tuple[str, Column] | None]
_OF_ANY: Final = (exp.AnyValue, exp.Min, exp.Max, exp.First, exp.Last)


def may_be_written_out(query: exp.Select) -> bool:
    """Whether *query* holds an aggregate that may be short for others."""
    return any(
        isinstance(node, _OF_ANY) or is_histogram(node) for node in query.find_all(*_OF_ANY, exp.Anonymous)
    )


def has_computed_sites(query: exp.Select) -> bool:
    """Whether an output of *query* computes something with the columns of a site that SITE has."""
    return query.args.get("group") is not None and any(
        not isinstance(item.unalias(), exp.Column)
        and any(column.name in ("ref", "alt") for column in item.find_all(exp.Column))
        for item in query.expressions
    )


def is_histogram(node: exp.Expr) -> bool:
    """Whether *node* is `histogram(x, bins)`."""
    return isinstance(node, exp.Anonymous) and node.name.lower() == "histogram" and len(node.expressions) == 2


def without_shorthand(query: exp.Select, describe: Describe) -> exp.Select:
    """*query*, in full names, with such aggregates written out."""
    query = query.copy()
    for node in list(query.find_all(*_OF_ANY)):
        if is_window_head(node) or first_aggregate(node.this) is not None:
            continue
        if not _of_keys(node, query):
            _of_site(node, query, describe)
    for call in list(query.find_all(exp.Anonymous)):
        if is_histogram(call):
            holder = call.parent if isinstance(call.parent, exp.Filter) else call
            where = holder.expression.this if isinstance(holder, exp.Filter) else None
            holder.replace(_histogram(call, where, describe))
    return query


def _of_keys(node: exp.Expr, query: exp.Select) -> bool:
    """Let `max(n)`, where the keys of a group settle n, be n itself; whether they do."""
    holder = node.parent if isinstance(node.parent, exp.IgnoreNulls) else node
    value = node.this
    keys = group_keys(query)  # without any there may be no row
    if isinstance(holder.parent, exp.Filter) or node.expressions or not keys or not is_settled(value, keys):
        return False
    holder.replace(exp.Paren(this=value.copy()))
    return True


def _of_site(node: exp.Expr, query: exp.Select, describe: Describe) -> None:
    """`any_value(gene)` in groups of one site is the site's gene, which is then a key beside it."""
    column = node.this
    known = describe(column) if isinstance(column, exp.Column) else None
    if known is None or known[0] not in SITE_TABLES or not is_public(known[0], column.name):
        return
    keys = group_keys(query)
    by_table: dict[str, set[str]] = {}
    for key in keys:
        if isinstance(key, exp.Column):
            by_table.setdefault(key.table, set()).add(key.name)
    sites = {alias: its for alias, its in by_table.items() if _is_site(alias, its, query)}
    if not any(is_site_key(columns) for columns in sites.values()):
        return
    if column not in keys:
        query.args["group"].append("expressions", column.copy())
    holder = node.parent if isinstance(node.parent, exp.IgnoreNulls) else node
    holder.replace(column.copy())


def _is_site(alias: str, columns: set[str], query: exp.Select) -> bool:
    """Whether *alias* is the one use of its table, so that its site is that of the group."""
    tables = {table.alias_or_name: table.name for table in query.find_all(exp.Table)}
    name = tables.get(alias, "")
    return name in SITE_TABLES and list(tables.values()).count("genotypes") < 2 and bool(columns)


def with_site_facts(query: exp.Select, describe: Describe) -> exp.Select:
    """*query*, in full names, with columns of a site that conditions fix as constants in keys that mix them.

    `CASE dosage WHEN 1 THEN ref || '/' || alt END` at one site is a CASE of the dosage.
    """
    facts = _site_facts(query, describe)
    mixed = [key for key in group_keys(query) if facts and len(_aliases(key, facts)) == 2]
    if not mixed:
        return query
    query = query.copy()
    for key in mixed:
        told = key.copy()
        for column in list(told.find_all(exp.Column)):
            if column in facts:
                column.replace(facts[column].copy())
        for node in [node for node in query.walk() if node == key]:
            node.replace(told.copy())
    return query


def _aliases(key: exp.Expr, facts: dict[exp.Expr, exp.Expr]) -> set[bool]:
    """Whether *key* reads columns among *facts*, and others."""
    return {column in facts for column in key.find_all(exp.Column)}


def _site_facts(query: exp.Select, describe: Describe) -> dict[exp.Expr, exp.Expr]:
    """The columns of the site that conditions fix, with their constants."""
    facts: dict[exp.Expr, exp.Expr] = {}
    for part in conditions_of(query):
        column, value = (part.left, part.right) if isinstance(part, exp.EQ) else (None, None)
        if not isinstance(column, exp.Column) or not isinstance(value, exp.Literal):
            continue
        known = describe(column)
        if known is None or known[0] not in SITE_TABLES or not is_public(known[0], column.name):
            continue
        facts[column] = value
        fields = value.name.split("-") if column.name == "variant_id" else []
        if len(fields) == len(SITE) and fields[1].isdigit() and "<" not in value.name:
            for name, text in zip(SITE, fields, strict=True):
                constant = exp.Literal.number(text) if name == "pos" else exp.Literal.string(text)
                facts[exp.column(name, table=column.table)] = constant
    return facts


def _histogram(call: exp.Anonymous, where: exp.Expr | None, describe: Describe) -> exp.Expr:
    """The counts between the bins, as DuckDB maps them: above the last one only where there is somebody."""
    value, listed = call.expressions
    known = describe(value) if isinstance(value, exp.Column) else None
    if known is None or known[1].type not in (ColumnType.DOUBLE, ColumnType.INTEGER):
        hint = "take it of a measured column, or GROUP BY floor(x / 5) * 5"
        raise refusal(Code.ARGUMENT_FORM, call, "a histogram with bins is of a measured column", hint)
    whole = known[1].type is ColumnType.INTEGER
    ends = _ends(listed, whole=whole)
    kind = "INTEGER" if whole else "DOUBLE"
    edges: list[exp.Expr] = [cast_to(_number(end), kind) for end in ends]
    counts = [_count(value, low, high, where) for low, high in zip([None, *ends], [*ends, None], strict=True)]
    last = exp.Literal.number(LARGEST) if whole else exp.Literal.string("Infinity")
    above = exp.GT(this=counts[-1].copy(), expression=exp.Literal.number(0))
    there = exp.GT(this=_counted(exp.Count(this=value.copy()), where), expression=exp.Literal.number(0))
    full = _map([*edges, cast_to(last, kind)], counts)
    shown = exp.Case(ifs=[exp.If(this=above, true=full)], default=_map(edges, counts[:-1]))
    return exp.Case(ifs=[exp.If(this=there, true=shown)])


def _ends(listed: exp.Expr, *, whole: bool) -> list[Decimal]:
    """The upper ends of the bins, each once, from the least."""
    listed = listed.unnest()
    values = [written_number(item) for item in listed.expressions] if isinstance(listed, exp.Array) else []
    step = Decimal(1) if whole else None
    ends = {its.quantize(step, ROUND_HALF_UP) if step else its for its in values if its is not None}
    if not ends or None in values or len(ends) > MOST_BINS:
        hint = "e.g. histogram(bmi, [20, 25, 30]): the number of values up to each of them"
        raise refusal(Code.CONSTANT, listed, f"the bins are not a list of at most {MOST_BINS} numbers", hint)
    return sorted(ends)


def _number(value: Decimal) -> exp.Expr:
    literal = exp.Literal.number(f"{abs(value):f}")
    return exp.Neg(this=literal) if value < 0 else literal


def _count(value: exp.Expr, low: Decimal | None, high: Decimal | None, where: exp.Expr | None) -> exp.Expr:
    """How many values lie above *low*, up to and with *high*."""
    parts: list[exp.Expr] = []
    if low is not None:
        parts.append(exp.GT(this=value.copy(), expression=_number(low)))
    if high is not None:
        parts.append(exp.LTE(this=value.copy(), expression=_number(high)))
    counted = _counted(exp.Count(this=exp.Star()), exp.and_(*parts, *([where] if where is not None else [])))
    return cast_to(counted, "UBIGINT")


def _counted(count: exp.Expr, where: exp.Expr | None) -> exp.Expr:
    return exp.Filter(this=count, expression=exp.Where(this=where.copy())) if where is not None else count


def _map(keys: Sequence[exp.Expr], values: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Map(
        keys=exp.Array(expressions=[key.copy() for key in keys]),
        values=exp.Array(expressions=[value.copy() for value in values]),
    )
