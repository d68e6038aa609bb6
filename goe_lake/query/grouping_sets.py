"""ROLLUP, CUBE and GROUPING SETS over persons: one SELECT for each grouping set.

Each set is a release of its own, so that its thresholds are those of its cells; that they add up is said
to the nodes (`Release.margins`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

from sqlglot import exp

from goe_lake.query.language import aggregates_in
from goe_lake.query.refusals import Code, refusal

MOST_SETS = 16
Keys = tuple[exp.Expr, ...]
_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


def has_sets(query: exp.Select) -> bool:
    """Whether *query* groups by more than one set of keys."""
    group = query.args.get("group")
    return group is not None and group.find(*_SETS) is not None


def sets_of(query: exp.Select) -> list[Keys]:
    """The grouping sets of *query*, in the order of writing, each without repeats."""
    group = query.args["group"]
    choices = [_sets(item) for item in group.expressions]
    found = [tuple(dict.fromkeys(key for keys in chosen for key in keys)) for chosen in product(*choices)]
    if len(found) > MOST_SETS:
        hint = "ask for fewer margins"
        raise refusal(Code.TOO_MUCH_WORK, group, f"there are more than {MOST_SETS} grouping sets", hint)
    return found


def _sets(item: exp.Expr) -> list[Keys]:
    """What one item of GROUP BY chooses from."""
    parts = [_keys(part) for part in item.expressions] if isinstance(item, exp.Rollup | exp.Cube) else []
    if isinstance(item, exp.Rollup):
        return [_joined(parts[:size]) for size in range(len(parts), -1, -1)]
    if isinstance(item, exp.Cube):
        sizes = range(len(parts), -1, -1)
        return [_joined(chosen) for size in sizes for chosen in combinations(parts, size)]
    if isinstance(item, exp.GroupingSets):
        return [keys for part in item.expressions for keys in _nested(part)]
    return [_keys(item)]


def _nested(part: exp.Expr) -> list[Keys]:
    return _sets(part) if isinstance(part, _SETS) else [_keys(part)]


def _keys(part: exp.Expr) -> Keys:
    """The keys of one set: `(a, b)`, `(a)`, `a` or `()`."""
    if isinstance(part, exp.Tuple):
        return tuple(item.unnest() for item in part.expressions)
    return (part.unnest(),)


def _joined(parts: tuple[Keys, ...] | list[Keys]) -> Keys:
    return tuple(key for part in parts for key in part)


def check_above(query: exp.Select) -> None:
    """What stands over the union of all sets, and not over one of them, is written around it."""
    clauses = ("qualify", "distinct")
    at = next((query.args[name] for name in clauses if query.args.get(name)), None)
    at = at or next((found for item in query.expressions for found in item.find_all(exp.Window)), None)
    if at is not None:
        message = "windows, QUALIFY and DISTINCT stand beside ROLLUP, CUBE or GROUPING SETS over persons"
        raise refusal(Code.NOT_IN_SUBSET, at, message, "write SELECT … FROM (SELECT … GROUP BY ROLLUP …)")
    if not any(aggregates_in(item) for item in query.expressions):
        message = "ROLLUP, CUBE or GROUPING SETS over persons without an aggregate"
        raise refusal(Code.NOT_IN_SUBSET, query.args["group"], message, "add count(*)")


def with_order(query: exp.Select) -> tuple[exp.Select, list[exp.Ordered], int]:
    """*query* with each expression that ORDER BY reads as an output, the order by places, and how many more.

    The places are literals, from 1.
    """
    query = query.copy()
    order = query.args.get("order")
    items = list(order.expressions) if order is not None else []
    names = {item.alias.lower(): place for place, item in enumerate(query.expressions, 1) if item.alias}
    known = {item.unalias(): place for place, item in enumerate(query.expressions, 1)}
    by_place, further = [], 0
    for item in items:
        value = item.this.unnest()
        place = known.get(value)
        if isinstance(value, exp.Column) and not value.table:
            place = names.get(value.name.lower(), place)
        if isinstance(value, exp.Literal) and not value.is_string:
            place = int(value.name)
        if place is None:
            further += 1
            query.append("expressions", exp.alias_(_with_outputs(value, query), f"_order_{further}"))
            place = len(query.expressions)
        moved = item.copy()
        moved.set("this", exp.Literal.number(place))
        by_place.append(moved)
    for name in ("order", "limit", "offset"):
        query.set(name, None)
    return query, by_place, further


def _with_outputs(value: exp.Expr, query: exp.Select) -> exp.Expr:
    """*value* with output names replaced by what they stand for."""
    outputs = {item.alias.lower(): item.unalias() for item in query.expressions if item.alias}

    def meant(node: exp.Expr) -> exp.Expr:
        named = isinstance(node, exp.Column) and not node.table and node.name.lower() in outputs
        return outputs[node.name.lower()].copy() if named else node

    replaced: exp.Expr = value.transform(meant)
    return replaced


def select_of(
    query: exp.Select, chosen: Keys, every: Keys, type_of: Callable[[exp.Column], str | None]
) -> exp.Select:
    """*query* grouped by *chosen* alone: other keys of *every* are NULL, and GROUPING() tells which."""
    query = query.copy()
    query.set("group", exp.Group(expressions=[key.copy() for key in chosen]) if chosen else None)
    absent = {key for key in every if key not in chosen}
    for item in list(query.expressions):
        item.replace(exp.alias_(_grouped(item.unalias(), absent, every, type_of), item.alias, quoted=True))
    having = query.args.get("having")
    if having is not None:
        query.set("having", exp.Having(this=_grouped(having.this, absent, every, type_of)))
    return query


def _grouped(
    node: exp.Expr, absent: set[exp.Expr], every: Keys, type_of: Callable[[exp.Column], str | None]
) -> exp.Expr:
    if isinstance(node, exp.Grouping | exp.GroupingId):
        return _level(node, absent, every)
    if node in absent:
        return _missing(node, type_of)
    # a key that is grouped by is kept whole, though it reads the column of another one; so is an aggregate
    if node in every or aggregates_in(node) == [node]:
        return node.copy()
    copy = node.copy()
    for child, original in zip(list(copy.iter_expressions()), list(node.iter_expressions()), strict=True):
        child.replace(_grouped(original, absent, every, type_of))
    return copy


def _level(node: exp.Expr, absent: set[exp.Expr], every: Keys) -> exp.Expr:
    """GROUPING(a, b) as its number: a bit for each key that is not grouped by, the first one the highest."""
    keys = [key.unnest() for key in node.expressions]
    for key in keys:
        if key not in every:
            hint = "name an expression of GROUP BY"
            raise refusal(Code.NOT_AGGREGATED, key, "GROUPING() of what is no group key", hint)
    bits = "".join("1" if key in absent else "0" for key in keys)
    return exp.cast(exp.Literal.number(int(bits or "0", 2)), "BIGINT", dialect="duckdb")


def _missing(key: exp.Expr, type_of: Callable[[exp.Column], str | None]) -> exp.Expr:
    """NULL of the type that *key* has."""

    def typed(node: exp.Expr) -> exp.Expr:
        kind = type_of(node) if isinstance(node, exp.Column) else None
        return exp.cast(exp.null(), kind, dialect="duckdb") if kind is not None else node

    value = key.copy().transform(typed)
    if value.find(exp.Column) is not None:
        return exp.null()
    return exp.Case(ifs=[exp.If(this=exp.false(), true=value)])
