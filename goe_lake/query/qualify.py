"""Names to columns: every column gets its table, every shorthand its full form."""

from __future__ import annotations

from difflib import get_close_matches

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify as sqlglot_qualify

from goe_lake.catalog import Catalog
from goe_lake.errors import QueryRefused
from goe_lake.query.parse import DIALECT
from goe_lake.query.refusals import Code, refusal


def expand_all(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Write GROUP BY ALL and ORDER BY ALL out."""
    query = query.copy()
    group = query.args.get("group")
    if group is not None and group.args.get("all"):
        keys = [item.unalias().copy() for item in query.expressions if not item.find(exp.AggFunc)]
        query.set("group", exp.Group(expressions=keys) if keys else None)
    order = query.args.get("order")
    if order is not None:
        query.set("order", _expand_order(order, len(query.expressions)))
    return query


def _expand_order(order: exp.Order, columns: int) -> exp.Order:
    items: list[exp.Expr] = []
    for item in order.expressions:
        inner = item.this if isinstance(item, exp.Ordered) else item
        if (isinstance(inner, exp.Column) and not inner.table and inner.name.upper() == "ALL") or _is_all(
            inner
        ):
            for place in range(1, columns + 1):
                copy = item.copy() if isinstance(item, exp.Ordered) else exp.Ordered(this=inner.copy())
                copy.set("this", exp.Literal.number(place))
                items.append(copy)
        else:
            items.append(item)
    return exp.Order(expressions=items)


def _is_all(node: exp.Expr) -> bool:
    return isinstance(node, exp.Var) and node.name.upper() == "ALL"


def qualify(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Resolve every table and column against *catalog*, expand stars, USING, NATURAL and output names."""
    check_aliases(query, catalog)
    try:
        qualified = sqlglot_qualify(
            query.copy(), schema=dict(catalog.as_sqlglot()), dialect=DIALECT, quote_identifiers=False
        )
    except OptimizeError as error:
        raise _unknown(query, catalog, error) from None
    assert isinstance(qualified, exp.Select)
    return qualified


def _unknown(query: exp.Select, catalog: Catalog, error: OptimizeError) -> QueryRefused:
    """The refusal for a column that does not resolve, pointing at it and naming the nearest one."""
    words = str(error).split("'")
    name = words[1] if len(words) > 2 else ""
    column = next(
        (column for column in query.find_all(exp.Column) if column.name.lower() == name.lower()), None
    )
    if "mbiguous" in str(error):
        return refusal(Code.UNKNOWN_COLUMN, column, f"{name} is in more than one table", "write table.column")
    read = [
        table for node in query.find_all(exp.Table) if (table := catalog.table(node.name.lower())) is not None
    ]
    known = sorted({column.name for table in read for column in table.columns})
    near = get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(known)}"
    return refusal(Code.UNKNOWN_COLUMN, column, f"there is no column {name}", hint)


def check_aliases(query: exp.Select, catalog: Catalog) -> exp.Select:
    """An output name that another clause reads is not also the name of a different column.

    SQL engines differ in which of the two such a name means; a wrong guess would be a wrong answer.
    """
    tables = {table.name for table in query.find_all(exp.Table)}
    columns = {
        column.name
        for name in tables
        if (known := catalog.table(name)) is not None
        for column in known.columns
    }
    hidden = {
        item.alias
        for item in query.expressions
        if isinstance(item, exp.Alias) and item.alias in columns and item.this.name != item.alias
    }
    clauses = (query.args.get(name) for name in ("where", "group", "having", "order", "qualify"))
    for clause in clauses:
        for column in clause.find_all(exp.Column) if clause is not None else ():
            if column.name in hidden and not column.table:
                raise refusal(
                    Code.ALIAS_HIDES_COLUMN,
                    column,
                    f"{column.name} is both an output name and a column",
                    "give the output another name",
                )
    return query
