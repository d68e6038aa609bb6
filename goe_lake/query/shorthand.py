"""Spellings that are short for others: each is written out before the syntax is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from goe_lake.query.constants import computed_number
from goe_lake.query.dates import part_of_date, years_between
from goe_lake.query.laterals import without_laterals
from goe_lake.query.lists import listed_rows
from goe_lake.query.refusals import Code, refusal

DIALECT: Final = "duckdb"
# Columns of tables about persons that are never NULL, so that = is enough
NEVER_NULL: Final = frozenset({"contig", "pos", "ref", "alt", "variant_id", "country", "pgs_id"})


def written_out(query: exp.Query) -> exp.Query:
    """*query* without shorthand that has one meaning: later passes know the long form alone."""
    for clause in list(query.find_all(exp.Limit, exp.Offset)):
        _fold(clause)
    for select in reversed(list(query.find_all(exp.Select))):
        _name_windows(select)
        without_laterals(select)
    _index(query)
    for kind, rule in _RULES.items():
        # the inner ones first: what holds them is made anew
        for node in reversed(list(query.find_all(kind))):
            made = rule(node)
            if made is not node:
                _place(made, node)
                node.replace(made)
    return query


def with_arguments(query: exp.Query) -> exp.Query:
    """*query* with quantiles WITHIN GROUP as functions of two arguments."""
    for node in list(query.find_all(exp.WithinGroup)):
        node.replace(_within_group(node))
    return query


def _fold(clause: exp.Expr) -> None:
    """`LIMIT 1 + 1` as `LIMIT 2`; LIMIT ALL and LIMIT NULL are no limit."""
    count = clause.expression
    if isinstance(count, exp.Null) or (isinstance(count, exp.Var) and count.name.upper() == "ALL"):
        clause.pop()
        return
    value = computed_number(count)
    if value is not None and value >= 0 and not isinstance(count, exp.Literal):
        made = exp.Literal.number(f"{value:f}")
        _place(made, count)
        clause.set("expression", made)


def _place(made: exp.Expr, node: exp.Expr) -> None:
    """Let *made* point to where *node* stands in the text, where it holds nothing that does."""
    if any("start" in part.meta for part in made.walk()):
        return
    marked = [part.meta for part in node.walk() if "start" in part.meta]
    if marked:
        made.meta.update(min(marked, key=lambda meta: meta["start"]))


def _name_windows(select: exp.Select) -> None:
    """`OVER w … WINDOW w AS (…)` as the window itself, wherever *select* names it."""
    named = {window.name.lower(): window for window in select.args.get("windows") or ()}
    if not named:
        return
    select.set("windows", None)
    for clause in (*named.values(), *select.iter_expressions()):
        for window in list(clause.find_all(exp.Window)):
            alias = window.args.get("alias")
            meant = named.get(alias.name.lower()) if isinstance(alias, exp.Identifier) else None
            if meant is None or window is meant:
                continue
            for name in ("partition_by", "order", "spec"):
                given = meant.args.get(name)
                if given is not None and not window.args.get(name):
                    parts = [part.copy() for part in given] if isinstance(given, list) else given.copy()
                    window.set(name, parts)
            window.set("alias", None)


def tuples_apart(query: exp.Select) -> exp.Select:
    """`(a, b) IN ((1, 2), (3, 4))` as `(a = 1 AND b = 2) OR (a = 3 AND b = 4)`."""
    found = [node for node in query.find_all(exp.In) if isinstance(node.this.unnest(), exp.Tuple)]
    rows = [node for node in found if node.expressions and all(map(_is_tuple, node.expressions))]
    for node in rows:
        columns = node.this.unnest().expressions
        values = [row.unnest().expressions for row in node.expressions]
        if all(len(row) == len(columns) for row in values):
            parts = [exp.and_(*map(_equal, columns, row)) for row in values]
            node.replace(exp.Paren(this=exp.or_(*parts)))
    return query


def _is_tuple(node: exp.Expr) -> bool:
    return isinstance(node.unnest(), exp.Tuple)


def _equal(column: exp.Expr, value: exp.Expr) -> exp.Expr:
    """Rows are compared field by field, and NULL is no value like any other there."""
    given = isinstance(column, exp.Column) and column.name.lower() in NEVER_NULL
    return (exp.EQ if given else exp.NullSafeEQ)(this=column.copy(), expression=value.copy())


def _index(query: exp.Query) -> None:
    """Let `l[2]` hold the number that stands in the text.

    The parser counts from 0 where it takes `l` for a list, and that depends on what stands around it: a
    number that is left to be counted again may come out as another.
    """
    generator = Dialect.get_or_raise(DIALECT).generator()
    found = [node for node in query.find_all(exp.Bracket) if node.args.get("offset") is None]
    shown = [generator.bracket_offset_expressions(node) for node in found]
    # the inner ones first: what holds them is made anew
    for node, items in reversed(list(zip(found, shown, strict=True))):
        only = items[0] if len(items) == 1 else None
        if only is None or isinstance(only, exp.Slice) or (isinstance(only, exp.Literal) and only.is_string):
            continue
        if only.find(exp.Column) is not None:
            node.replace(exp.Anonymous(this="list_extract", expressions=[node.this.copy(), only.copy()]))
        else:
            node.set("expressions", [exp.Var(this=only.sql(DIALECT))])


def _any(node: exp.Expr) -> exp.Expr:
    """`x = ANY([a, b])` as `x IN (a, b)`."""
    for value, other in ((node.this, node.expression), (node.expression, node.this)):
        listed = other.this.unnest() if isinstance(other, exp.Any) else None
        if isinstance(listed, exp.Array | exp.Tuple) and listed.expressions:
            return exp.In(this=value.copy(), expressions=[item.copy() for item in listed.expressions])
    query = _compared_with(node, exp.Any)
    return node if query is None else exp.In(this=node.this.copy(), query=query)


def _none(node: exp.Expr) -> exp.Expr:
    """`x <> ALL (SELECT …)` as `x NOT IN (SELECT …)`."""
    query = _compared_with(node, exp.All)
    return node if query is None else exp.Not(this=exp.In(this=node.this.copy(), query=query))


def _extreme(node: exp.Expr) -> exp.Expr:
    """`x >= ALL (SELECT v …)` as a comparison with the largest v, where it is a condition; ANY likewise.

    Beside a missing v nothing holds for all, and it does where there is no v.
    """
    every, query = True, _compared_with(node, exp.All)
    if query is None:
        every, query = False, _compared_with(node, exp.Any)
    if query is None or not _is_condition(node):
        return node
    upper = isinstance(node, exp.GT | exp.GTE) is every
    extreme = (exp.Max if upper else exp.Min)(this=exp.column("_v", table="_all"))
    alias = exp.TableAlias(this=exp.to_identifier("_all"), columns=[exp.to_identifier("_v")])
    rows = exp.Subquery(this=query.this.copy(), alias=alias)
    if not every:
        value = exp.Subquery(this=exp.select(extreme).from_(rows))
        return type(node)(this=node.this.copy(), expression=value)
    missing = exp.NEQ(
        this=exp.Count(this=exp.Star()), expression=exp.Count(this=exp.column("_v", table="_all"))
    )
    known = exp.Case(ifs=[exp.If(this=missing, true=exp.null())], default=extreme)
    none = exp.EQ(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(0))
    told = type(node)(this=node.this.copy(), expression=exp.Subquery(this=exp.select(known).from_(rows)))
    return exp.Coalesce(this=told, expressions=[exp.Subquery(this=exp.select(none).from_(rows.copy()))])


def _compared_with(node: exp.Expr, kind: type[exp.Expr]) -> exp.Subquery | None:
    """The nested query that *node* compares with by ANY or ALL on its right."""
    inner = node.expression.this if isinstance(node.expression, kind) else None
    inner = inner.unnest() if isinstance(inner, exp.Paren) else inner
    if isinstance(inner, exp.Subquery):
        return exp.Subquery(this=inner.this.copy())
    return exp.Subquery(this=inner.copy()) if isinstance(inner, exp.Query) else None


def _is_condition(node: exp.Expr) -> bool:
    """Whether *node* chooses rows, so that false and unknown are the same."""
    around = node.parent
    while isinstance(around, exp.And | exp.Or | exp.Paren):
        around = around.parent
    return isinstance(around, exp.Where | exp.Having | exp.Qualify)


def _of_several(node: exp.Expr) -> exp.Expr:
    """`sample_id IN (a UNION b)` as `sample_id IN (a) OR sample_id IN (b)`; INTERSECT and EXCEPT likewise."""
    query = node.args.get("query")
    inner = query.this if isinstance(query, exp.Subquery) else query
    person = isinstance(node.this, exp.Column) and node.this.name.lower() == "sample_id"
    if not person or not isinstance(inner, exp.SetOperation):
        return node
    if any(inner.args.get(name) for name in ("order", "limit", "offset", "with_")):
        return node
    one, other = (
        _of_several(exp.In(this=node.this.copy(), query=exp.Subquery(this=part.copy())))
        for part in (inner.this.unnest(), inner.expression.unnest())
    )
    if isinstance(inner, exp.Union):
        return exp.Paren(this=exp.Or(this=one, expression=other))
    second = other if isinstance(inner, exp.Intersect) else exp.Not(this=other)
    return exp.Paren(this=exp.And(this=one, expression=second))


def _contains(node: exp.Expr) -> exp.Expr:
    """`list_contains([a, b], x)` of constants as `x IN (a, b)`."""
    listed, value = node.this, node.expression
    constant = isinstance(listed, exp.Array) and listed.expressions
    if constant and all(isinstance(item, exp.Literal) for item in listed.expressions):
        return exp.In(this=value.copy(), expressions=[item.copy() for item in listed.expressions])
    return node


def _lateral(node: exp.Expr) -> exp.Expr:
    """`LATERAL (VALUES (s.a), (s.b)) v(x)` as VALUES, which read the tables beside it without the word."""
    inner = node.this.this if isinstance(node.this, exp.Subquery) else None
    if not isinstance(inner, exp.Values) or node.args.get("outer") or node.args.get("view"):
        return node
    values = inner.copy()
    values.set("alias", node.args["alias"].copy())
    return values


def _bins(node: exp.Expr) -> exp.Expr:
    """`histogram(x, range(0, 50, 10))` with its bins written out."""
    series = node.expressions[-1] if len(node.expressions) == 2 else None
    if node.name.lower() != "histogram" or not isinstance(series, exp.GenerateSeries):
        return node
    rows = listed_rows(exp.Table(this=series.copy()))
    listed = exp.Array(expressions=[row[0].this.copy() for row in rows])
    return exp.Anonymous(this="histogram", expressions=[node.expressions[0].copy(), listed]) if rows else node


def _like(node: exp.Expr, before: str, after: str) -> exp.Expr:
    """`contains(x, 'a')` as `x LIKE '%a%'`, where no letter of it has a meaning in patterns."""
    sought = node.expression
    if not isinstance(sought, exp.Literal) or not sought.is_string or set(sought.name) & set("%_\\"):
        return node
    return exp.Like(this=node.this.copy(), expression=exp.Literal.string(f"{before}{sought.name}{after}"))


def _within_group(node: exp.Expr) -> exp.Expr:
    """`percentile_cont(0.5) WITHIN GROUP (ORDER BY x)` as `quantile_cont(x, 0.5)`."""
    order = node.expression.expressions if isinstance(node.expression, exp.Order) else []
    head = node.this
    if not isinstance(head, exp.PercentileCont | exp.PercentileDisc) or len(order) != 1:
        return node
    if order[0].args.get("desc"):
        hint = "turn the probability round: percentile_cont(0.9) … DESC is quantile_cont(x, 0.1)"
        raise refusal(Code.NOT_IN_SUBSET, node, "WITHIN GROUP orders downwards", hint)
    return type(head)(this=order[0].this.copy(), expression=head.this.copy())


def _fetch(node: exp.Expr) -> exp.Expr:
    """`FETCH FIRST 2 ROWS ONLY` as `LIMIT 2`."""
    options = node.args.get("limit_options")
    given = isinstance(options, exp.LimitOptions) and (
        options.args.get("percent") or options.args.get("with_ties")
    )
    return node if given else exp.Limit(expression=node.args.get("count") or exp.Literal.number(1))


def _items(node: exp.Expr) -> list[exp.Expr]:
    """The items of a list that stands in the text, or of a range; none of any other."""
    if isinstance(node, exp.GenerateSeries):
        return [row[0] for row in listed_rows(exp.Table(this=node.copy()))]
    return node.expressions if isinstance(node, exp.Array) else []


def _unnest(node: exp.Expr) -> exp.Expr:
    """`FROM unnest([a, b]) AS t(x)` as `FROM (VALUES (a), (b)) AS t(x)`."""
    listed = _items(node.expressions[0]) if len(node.expressions) == 1 else []
    if not listed or node.args.get("offset"):
        return node
    rows = [exp.Tuple(expressions=[item.copy()]) for item in listed]
    alias = node.args.get("alias")
    alias = alias.copy() if alias is not None else exp.TableAlias(this=exp.to_identifier("unnest"))
    if not alias.args.get("columns"):
        alias.set("columns", [exp.to_identifier("unnest")])
    return exp.Values(expressions=rows, alias=alias)


def _explode(node: exp.Expr) -> exp.Expr:
    """`SELECT unnest([a, b]) AS x` as `SELECT x FROM (VALUES (a), (b)) AS _values(x)`."""
    holder = node.parent if isinstance(node.parent, exp.Alias) else node
    select, listed = holder.parent, _items(node.this)
    if (
        not isinstance(select, exp.Select)
        or len(select.expressions) != 1
        or select.args.get("from_") is not None
        or not listed
    ):
        return node
    name = holder.alias if isinstance(holder, exp.Alias) else node.sql(DIALECT).lower()
    rows = [exp.Tuple(expressions=[item.copy()]) for item in listed]
    columns = [exp.to_identifier(name, quoted=True)]
    alias = exp.TableAlias(this=exp.to_identifier("_list"), columns=columns)
    select.set("from_", exp.From(this=exp.Values(expressions=rows, alias=alias)))
    return exp.column(exp.to_identifier(name, quoted=True), table="_list")


_RULES: Final[Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]]] = {
    exp.EQ: _any,
    exp.NEQ: _none,
    **dict.fromkeys((exp.GT, exp.GTE, exp.LT, exp.LTE), _extreme),
    exp.In: _of_several,
    exp.ArrayContains: _contains,
    exp.Anonymous: lambda node: part_of_date(node) if node.name.lower() != "histogram" else _bins(node),
    exp.Lateral: _lateral,
    **dict.fromkeys((exp.Year, exp.Month, exp.Day, exp.Quarter, exp.Extract), part_of_date),
    exp.DateDiff: years_between,
    exp.Left: lambda node: exp.Substring(
        this=node.this.copy(), start=exp.Literal.number(1), length=node.expression.copy()
    ),
    exp.Contains: lambda node: _like(node, "%", "%"),
    exp.EndsWith: lambda node: _like(node, "%", ""),
    exp.WithinGroup: _within_group,
    exp.Fetch: _fetch,
    exp.Unnest: _unnest,
    exp.Explode: _explode,
}
