"""Small things about SELECTs over released and public rows: their names, contigs, and windows over groups."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from goe_lake.query.language import aggregates_in
from goe_lake.query.relation import and_parts
from goe_lake.query.steps import DIALECT


def output_names(query: exp.Select) -> tuple[str, ...]:
    """The names of the output columns: as given, else the expression's text as DuckDB would name it."""
    return tuple(
        item.alias_or_name if isinstance(item, exp.Alias | exp.Column) else item.sql(DIALECT).lower()
        for item in query.expressions
    )


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """*names*, with a number behind each that stood before."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name}_{seen[name] - 1}")
    return tuple(made)


def with_names(query: exp.Select, names: tuple[str, ...]) -> tuple[str, ...]:
    """Name the columns of the qualified *query* as the text does, each once; the names."""
    if len(names) != len(query.expressions) or "*" in names:  # a star was expanded
        names = tuple(item.alias_or_name for item in query.expressions)
    columns = unique(names)
    order = query.args.get("order")
    for item, name in zip(list(query.expressions), columns, strict=True):
        old = item.alias
        if isinstance(item, exp.Alias):
            item.set("alias", exp.to_identifier(name, quoted=True))
        else:
            item.replace(exp.alias_(item.copy(), name, quoted=True, copy=False))
        for column in list(order.find_all(exp.Column)) if order is not None and old != name else ():
            if not column.table and column.name == old:
                column.set("this", exp.to_identifier(name, quoted=True))
    return columns


def contigs_asked(query: exp.Select, alias: str) -> tuple[str, ...] | None:
    """The contigs to which WHERE holds the rows of *alias*; None where it does not."""
    where = query.args.get("where")
    for part in and_parts(where.this) if where is not None else ():
        column = part.this
        if not isinstance(column, exp.Column) or (column.table, column.name) != (alias, "contig"):
            continue
        if isinstance(part, exp.EQ) and _is_text(part.expression):
            return (part.expression.name,)
        if isinstance(part, exp.In) and part.expressions and all(map(_is_text, part.expressions)):
            return tuple(value.name for value in part.expressions)
    return None


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def split_windows(query: exp.Select) -> exp.Select:
    """Take the grouping out of *query*, whose windows stand over groups; the SELECT that groups.

    *query* then reads the groups: keys g0, g1, … and aggregates a0, a1, … of a table called `_g`.
    """
    group = query.args.get("group")
    keys = list(dict.fromkeys(_grouping(group))) if group is not None else []
    names = ("qualify", "order", "distinct")
    parts = [*query.expressions, *(query.args.get(name) for name in names)]
    found = dict.fromkeys(item for part in parts if part is not None for item in aggregates_in(part))
    made = {key: f"g{place}" for place, key in enumerate(keys)}
    made |= {item: f"a{place}" for place, item in enumerate(found)}
    inner = exp.select(*(exp.alias_(node.copy(), name, quoted=True) for node, name in made.items()))
    for name in ("from_", "joins", "where", "group", "having"):
        clause = query.args.get(name)
        if clause is not None:
            inner.set(name, clause)
            query.set(name, None)
    for part in parts:
        if part is not None:
            _read_groups(part, made)
    return inner


def _grouping(group: exp.Group) -> list[exp.Expr]:
    """The keys of a GROUP BY, those in ROLLUP, CUBE and GROUPING SETS included."""
    parts = [*group.expressions, *(part for name in _SETS for part in group.args.get(name) or ())]
    found: list[exp.Expr] = []
    while parts:
        part = parts.pop(0).unnest()
        if isinstance(part, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
            parts = [*part.expressions, *parts]
        else:
            found.append(part)
    return found


_SETS = ("rollup", "cube", "grouping_sets")


def _read_groups(node: exp.Expr, made: dict[exp.Expr, str]) -> None:
    for child in list(node.iter_expressions()):
        if child in made:
            child.replace(exp.column(made[child], table="_g"))
        else:
            _read_groups(child, made)
