"""Names to columns: every column gets its table, every shorthand its full form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from difflib import get_close_matches
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify as sqlglot_qualify
from sqlglot.schema import MappingSchema

from goe_lake.catalog import Catalog
from goe_lake.errors import QueryRefused
from goe_lake.query.language import aggregates_in
from goe_lake.query.parse import DIALECT
from goe_lake.query.refusals import Code, place_of, refusal

Schema = Mapping[str, Mapping[str, str]]


def expand_all(query: exp.Select) -> exp.Select:
    """Write GROUP BY ALL and ORDER BY ALL out."""
    group = query.args.get("group")
    if group is not None and group.args.get("all"):
        keys = [
            item.unalias().copy()
            for item in query.expressions
            if not aggregates_in(item) and not item.find(exp.Window)
        ]
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
    return qualify_in(query, catalog.as_sqlglot())


def qualify_in(query: exp.Select, schema: Schema) -> exp.Select:
    """Resolve every column of *query*, whose FROM reads only tables of *schema*, and expand shorthand."""
    query = free_aliases(query, schema)
    joins = query.args.get("joins") or ()
    inner = not any(join.args.get("side") for join in joins)
    natural = any(join.args.get("method") for join in joins)
    using = {part.name.lower() for join in joins for part in join.args.get("using") or ()}
    try:
        known = _as_sqlglot(tuple((table, tuple(columns.items())) for table, columns in schema.items()))
        qualified = sqlglot_qualify(query, schema=known, dialect=DIALECT, quote_identifiers=False)
    except OptimizeError as error:
        raise _unknown(query, schema, error) from None
    _name_joined_columns(qualified, schema, None if natural else using)
    return joined_columns(qualified) if inner else qualified


@lru_cache(maxsize=64)
def _as_sqlglot(tables: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]) -> MappingSchema:
    """The tables with their columns and types as sqlglot reads them: queries ask for the same again."""
    return MappingSchema({table: dict(columns) for table, columns in tables}, dialect=DIALECT)


def _name_joined_columns(qualified: exp.Select, schema: Schema, using: Set[str] | None) -> None:
    """Give columns that joins make equal their first table in HAVING and QUALIFY too.

    sqlglot leaves them as they are written there. *using* are their names (None: NATURAL, of all columns).
    Raises QueryRefused for a column of several tables that no join makes equal.
    """
    clauses = [qualified.args.get(name) for name in ("having", "qualify")]
    left = [
        column for clause in clauses if clause for column in clause.find_all(exp.Column) if not column.table
    ]
    if not left:
        return
    sources = [qualified.args["from_"].this, *(join.this for join in qualified.args.get("joins") or ())]
    for column in left:
        name = column.name.lower()
        its = [source for source in sources if name in schema.get(source.name, {})]
        if its and (using is None or name in using):
            column.set("table", exp.to_identifier(its[0].alias_or_name))
        elif len(its) > 1:
            message = f"{name} is in more than one table"
            raise refusal(Code.UNKNOWN_COLUMN, column, message, "write table.column")


def joined_columns(query: exp.Select) -> exp.Select:
    """*query*, changed: a column that USING or NATURAL joined is that of the first table.

    Inner joins make them equal, and LEFT JOIN has the first one wherever there is one.
    """
    if query.find(exp.Coalesce) is None:
        return query
    joined = query.transform(_joined_column, copy=False)
    assert isinstance(joined, exp.Select)
    return joined


def _joined_column(node: exp.Expr) -> exp.Expr:
    """A column that USING or NATURAL joined, as that of the first table: inner joins make them equal.

    sqlglot writes COALESCE(a.x, b.x) for it, which stands nowhere in the text.
    """
    if not isinstance(node, exp.Coalesce) or place_of(node) != (None, None):
        return node
    parts = [node.this, *node.expressions]
    one = all(isinstance(part, exp.Column) and part.table and part.name == node.this.name for part in parts)
    return parts[0] if one else node


def _unknown(query: exp.Select, schema: Schema, error: OptimizeError) -> QueryRefused:
    """The refusal for a column that does not resolve, pointing at it and naming the nearest one."""
    named = re.search(r"(?:Column '|Unknown column: )([^']+)", str(error))
    name = named.group(1).strip() if named is not None else ""
    column = next(
        (column for column in query.find_all(exp.Column) if column.name.lower() == name.lower()), None
    )
    if "mbiguous" in str(error):
        return refusal(Code.UNKNOWN_COLUMN, column, f"{name} is in more than one table", "write table.column")
    known = sorted(_columns_read(query, schema))
    near = get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(known)}"
    return refusal(Code.UNKNOWN_COLUMN, column, f"there is no column {name}", hint)


def free_aliases(query: exp.Select, schema: Schema) -> exp.Select:
    """Give output names that are also names of other columns a name of their own.

    SQL engines differ in which of the two a clause means. As in DuckDB WHERE, GROUP BY and an aggregate mean
    the column, ORDER BY the output, and HAVING the column where it is a key and the output where it is none.
    Within an expression of ORDER BY, and in QUALIFY, it is refused: a wrong guess would be a wrong answer.
    """
    query = query.copy()
    hidden = _hidden(query, schema)
    if not hidden:
        return query
    having = query.args.get("having")
    if having is not None:
        _name_outputs(query, having, hidden)
    order = query.args.get("order")
    for item in order.expressions if order is not None else ():
        if isinstance(item.this, exp.Column) and not item.this.table and item.this.name.lower() in hidden:
            item.set("this", exp.Literal.number(hidden[item.this.name.lower()]))
    for clause in ("qualify", "order"):
        _refuse_doubt(query.args.get(clause), hidden)
    for place in hidden.values():
        query.expressions[place - 1].set("alias", exp.to_identifier(f"_output_{place}"))
    return query


def _name_outputs(query: exp.Select, having: exp.Expr, hidden: Mapping[str, int]) -> None:
    """Let *having* read the outputs that it means by the names that they get."""
    group = query.args.get("group")
    keys = {
        column.name.lower()
        for column in (group.find_all(exp.Column) if group is not None else ())
        if not isinstance(column.parent, exp.Condition)
    }
    for column in list(having.find_all(exp.Column)):
        name = column.name.lower()
        if name in hidden and name not in keys and not column.table and not column.find_ancestor(exp.AggFunc):
            column.set("this", exp.to_identifier(f"_output_{hidden[name]}"))


def _columns_read(query: exp.Select, schema: Schema) -> set[str]:
    """The names of all columns of the tables that *query* reads."""
    return {column for node in query.find_all(exp.Table) for column in schema.get(node.name.lower(), ())}


def _hidden(query: exp.Select, schema: Schema) -> dict[str, int]:
    """The output names that hide a column, with their 1-based places."""
    columns = _columns_read(query, schema)
    return {
        item.alias.lower(): place
        for place, item in enumerate(query.expressions, 1)
        if isinstance(item, exp.Alias) and item.alias.lower() in columns and item.this.name != item.alias
    }


def _refuse_doubt(clause: exp.Expr | None, hidden: dict[str, int]) -> None:
    for column in clause.find_all(exp.Column) if clause is not None else ():
        if column.name.lower() in hidden and not column.table and column.find_ancestor(exp.AggFunc) is None:
            message = f"{column.name} is both an output name and a column"
            raise refusal(Code.ALIAS_HIDES_COLUMN, column, message, "give the output another name")
