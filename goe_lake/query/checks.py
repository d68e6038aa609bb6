"""What a qualified query must hold before it is planned; each check returns its input or refuses."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from goe_lake.catalog import PUBLIC_COLUMNS, Catalog
from goe_lake.query.language import aggregates_in, first_aggregate, is_aggregate, is_window_head, over_persons
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.subset import refused_aggregate


def check_tables(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Every source is a table of the contract, and each stands once."""
    seen: set[str] = set()
    for node in query.find_all(exp.Table):
        if not isinstance(node.this, exp.Identifier) or catalog.table(node.name.lower()) is None:
            known = ", ".join(catalog.tables)
            raise refusal(
                Code.UNKNOWN_TABLE, node, f"there is no table {node.name}", f"the tables are {known}"
            )
        # a sub-aggregate is a table of one row a person: it multiplies nothing
        if node.name.lower() in seen and node.name.lower() in PUBLIC_COLUMNS:
            hint = "read it once, or join it ON sample_id"
            raise refusal(Code.TABLE_TWICE, node, f"{node.name} stands twice", hint)
        seen.add(node.name.lower())
    return query


def check_joins(query: exp.Select, catalog: Catalog, by_person: frozenset[str] = frozenset()) -> exp.Select:
    """Joins are inner or comma joins; what they join on is checked when the relation is planned.

    What has one row a person (the names in *by_person*) may be joined by LEFT JOIN as well.
    """
    for join in query.args.get("joins") or ():
        kind, method = join.args.get("kind") or "INNER", join.args.get("method") or ""
        if join.args.get("side") == "LEFT" and join.alias_or_name in by_person:
            continue
        if join.args.get("side"):
            message = "outer joins of tables about persons are not answered"
            raise refusal(Code.JOIN_KIND, join, message, "use JOIN")
        if kind not in ("INNER", "CROSS") or method not in ("", "NATURAL"):
            raise refusal(Code.JOIN_KIND, join, f"{method or kind} JOIN is not answered", "use JOIN")
    return query


def check_sample_id(query: exp.Select, catalog: Catalog) -> exp.Select:
    """sample_id stands only in join conditions, count(sample_id) and count(DISTINCT sample_id)."""
    for column in query.find_all(exp.Column):
        if column.name == "sample_id" and not (_is_counted(column) or _joins_persons(column)):
            hint = "count persons with count(DISTINCT sample_id)"
            if isinstance(column.parent, exp.In | exp.EQ | exp.NEQ | exp.Like):
                hint = "choose persons by their columns; whom a node must leave out is marked in its samples"
            raise refusal(Code.SAMPLE_ID, column, "sample_id is used as a value", hint)
    return query


def _is_counted(column: exp.Column) -> bool:
    parent = column.parent
    if isinstance(parent, exp.Distinct):
        return len(parent.expressions) == 1 and isinstance(parent.parent, exp.Count)
    return isinstance(parent, exp.Count | exp.ApproxDistinct)


def _joins_persons(column: exp.Column) -> bool:
    """Whether *column* is a side of `a.sample_id = b.sample_id`, itself a plain part of ON or WHERE."""
    equality = column.parent
    if not is_person_equality(equality):
        return False
    holder = equality.parent if equality is not None else None
    while isinstance(holder, exp.And | exp.Paren):
        holder = holder.parent
    return isinstance(holder, exp.Join | exp.Where)


def is_person(node: exp.Expr) -> bool:
    """Whether *node* is a column of persons."""
    return isinstance(node, exp.Column) and node.name == "sample_id"


def is_person_equality(node: exp.Expr | None) -> bool:
    """Whether *node* is `a.sample_id = b.sample_id` for two different tables."""
    return (
        isinstance(node, exp.EQ)
        and isinstance(node.left, exp.Column)
        and isinstance(node.right, exp.Column)
        and node.left.name == node.right.name == "sample_id"
        and node.left.table != node.right.table
    )


def check_aggregates(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Aggregates stand in SELECT, HAVING and ORDER BY, never in each other, and take what they can."""
    for name in ("where", "group"):
        clause = query.args.get(name)
        found = first_aggregate(clause) if clause is not None else None
        if found is not None:
            raise refusal(
                Code.MISPLACED_AGGREGATE, found, f"an aggregate stands in {name.upper()}", "use HAVING"
            )
    for join in query.args.get("joins") or ():
        found = first_aggregate(join)
        if found is not None:
            raise refusal(Code.MISPLACED_AGGREGATE, found, "an aggregate stands in ON", "use HAVING")
    for aggregate in aggregates_in(query):
        _check_aggregate(aggregate)
    return query


def _check_aggregate(aggregate: exp.Expr) -> None:
    if isinstance(aggregate, exp.Filter):
        if over_persons(aggregate.this) is None or not isinstance(aggregate.expression, exp.Where):
            hint = "write sum(x) FILTER (WHERE …)"
            raise refusal(Code.AGGREGATE, aggregate, "FILTER belongs to an aggregate", hint)
        nested = first_aggregate(aggregate.expression)
        if nested is not None:
            raise refusal(Code.MISPLACED_AGGREGATE, nested, "an aggregate stands in FILTER", "use HAVING")
        aggregate = aggregate.this
    if over_persons(aggregate) is None:
        raise refused_aggregate(aggregate)
    inner = next((node for node in aggregate.walk() if is_aggregate(node) and node is not aggregate), None)
    if inner is not None:
        raise refusal(
            Code.MISPLACED_AGGREGATE, inner, "an aggregate stands inside another", "use one of them"
        )
    if isinstance(aggregate, exp.ApproxDistinct) and aggregate.this.name != "sample_id":
        hint = "count persons, or count the groups of SELECT … GROUP BY"
        raise refusal(Code.AGGREGATE, aggregate, "distinct values of persons are not counted", hint)
    distinct = aggregate.find(exp.Distinct)
    if distinct is not None and not isinstance(aggregate, exp.Count):
        raise refusal(Code.AGGREGATE, distinct, "DISTINCT is answered in count only", "leave it out")
    if distinct is not None:
        only = distinct.expressions[0] if len(distinct.expressions) == 1 else None
        if not (isinstance(only, exp.Column) and only.name == "sample_id"):
            raise refusal(
                Code.AGGREGATE,
                distinct,
                "only persons and labels are counted DISTINCT",
                "write count(DISTINCT sample_id), or count the groups of SELECT … GROUP BY",
            )


def check_projections(query: exp.Select, catalog: Catalog) -> exp.Select:
    """Every output column is a group key or is built from aggregates."""
    keys = group_keys(query)
    names = ("having", "qualify", "order", "distinct")
    clauses = [*query.expressions, *(query.args.get(name) for name in names)]
    outputs = {item.alias for item in query.expressions if item.alias}
    for clause in clauses:
        for column in _outside(clause, keys) if clause is not None else ():
            if not column.table and column.name in outputs:
                continue  # ORDER BY reads an output column by its name
            name = column.sql("duckdb")
            hint = "add it to GROUP BY, or wrap it in SUM or COUNT"
            raise refusal(Code.NOT_AGGREGATED, column, f"{name} is neither grouped nor aggregated", hint)
    return query


def group_keys(query: exp.Select) -> tuple[exp.Expr, ...]:
    """The grouping expressions, each once, in the order of writing."""
    group = query.args.get("group")
    unique: dict[exp.Expr, None] = dict.fromkeys(group.expressions if group is not None else ())
    return tuple(unique)


def is_settled(node: exp.Expr, keys: tuple[exp.Expr, ...]) -> bool:
    """Whether *node* reads group keys alone, so that all rows of a group have the same value."""
    return next(_outside(node, keys), None) is None


def _outside(node: exp.Expr, keys: tuple[exp.Expr, ...]) -> Iterator[exp.Column]:
    """The columns of *node* that are inside neither a key nor an aggregate."""
    if node in keys or (is_answered(node) and not is_window_head(node)):
        return
    if isinstance(node, exp.Column):
        yield node
        return
    for child in node.iter_expressions():
        yield from _outside(child, keys)


def is_answered(node: exp.Expr) -> bool:
    """Whether *node* is an aggregate over persons, or one with its FILTER."""
    return isinstance(node, exp.Filter) or over_persons(node) is not None


def check_limit(query: exp.Select, catalog: Catalog) -> exp.Select:
    """LIMIT and OFFSET are whole numbers, and LIMIT may be a percentage."""
    for name in ("limit", "offset"):
        clause = query.args.get(name)
        if clause is None:
            continue
        count = clause.expression
        if clause.args.get("limit_options") is not None:
            if not isinstance(count, exp.Literal) or count.is_string or float(count.name) > 100:
                raise refusal(Code.CONSTANT, clause, "LIMIT is no percentage up to 100", "e.g. LIMIT 10%")
            continue
        if not isinstance(count, exp.Literal) or count.is_string or not count.name.isdigit():
            raise refusal(Code.CONSTANT, clause, f"{name.upper()} is not a whole number", "e.g. LIMIT 10")
    return query
