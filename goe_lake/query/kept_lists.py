"""Outer joins that keep every row of a list or public table: the groups are a release, joined to it above.

`range(…) AS t(d) LEFT JOIN samples s ON … GROUP BY d` has a row for each d, also where no person is. A node
is asked for the groups that have persons; those without are made at the gateway.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from goe_lake.query.checks import group_keys
from goe_lake.query.language import aggregates_in
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rows import Rows
from goe_lake.query.steps import named_table

#: What the groups are called above the release.
GROUPS = "_groups"


def kept_list(node: exp.Select, sources: Mapping[str, Rows]) -> str | None:
    """The name of the list or table whose rows an outer join with persons keeps; None if there is none."""
    joins: list[exp.Join] = list(node.args.get("joins") or ())
    first = node.args.get("from_")
    alias = first.this.alias_or_name if first is not None else ""
    known = sources.get(alias)
    if known is None or known.personal or len(joins) != 1 or joins[0].args.get("side") != "LEFT":
        return None
    return alias if sources[joins[0].alias_or_name].personal else None


def split_at_list(node: exp.Select, alias: str, sources: Mapping[str, Rows]) -> tuple[exp.Select, exp.Select]:
    """The SELECT of the groups that have persons, and the one that joins them to *alias*.

    The latter reads the rows of a list, or of a table what makes a group, each once (`kept_rows`).
    """
    keys = group_keys(node)
    join = node.args["joins"][0]
    where = node.args.get("where")
    if not keys or not all(isinstance(key, exp.Column) and key.table == alias for key in keys):
        hint = f"group by the columns of {alias}"
        raise refusal(Code.NOT_AGGREGATED, node, f"rows of {alias} are kept that no person has", hint)
    known = sources[alias]
    places = [known.columns.index(key.name) for key in keys]
    texts = {tuple(row[place].sql("duckdb") for place in places) for row in known.listed}
    if len(texts) != len(known.listed):
        hint = f"group by a column that is another one in every row of {alias}"
        raise refusal(Code.MIXED_TABLES, keys[0], f"several rows of {alias} are one group", hint)
    read = where.find_all(exp.Column) if where is not None else ()
    if where is not None and (known.listed or any(column.table != alias for column in read)):
        hint = f"put it into ON, which keeps every row of {alias}"
        raise refusal(Code.JOIN_KIND, where, "WHERE stands over rows that no person has", hint)
    clauses = [*node.expressions, *(node.args.get(name) for name in ("having", "qualify", "order"))]
    found = list(dict.fromkeys(a for clause in clauses if clause is not None for a in aggregates_in(clause)))
    made = {key: f"k{place}" for place, key in enumerate(keys)} | {
        a: f"a{place}" for place, a in enumerate(found)
    }
    for aggregate in found:
        if any(column.table == alias for column in aggregate.find_all(exp.Column)):
            hint = f"aggregate columns of persons; those of {alias} are the groups"
            raise refusal(Code.MIXED_TABLES, aggregate, f"an aggregate reads {alias}", hint)
        if not known.listed and _counts_rows(aggregate):
            hint = f"count persons: count({join.alias_or_name}.sample_id)"
            raise refusal(
                Code.AGGREGATE, aggregate, f"count(*) counts rows of {alias} without a person", hint
            )
    inner = exp.select(*(exp.alias_(part.copy(), name) for part, name in made.items()))
    inner = inner.from_(named_table(known.table or alias, alias))
    persons = join.alias_or_name
    source = named_table(sources[persons].table or persons, persons)
    matched = exp.Join(this=source, on=join.args["on"].copy(), kind="INNER")
    inner.set("joins", [matched])
    inner.set("group", exp.Group(expressions=[key.copy() for key in keys]))
    if where is not None:
        inner.set("where", where.copy())
    return inner, _kept(node, alias, keys, made, exp.EQ if known.listed else exp.NullSafeEQ)


def kept_rows(node: exp.Select, alias: str, name: str) -> exp.Select:
    """What makes the groups among the rows of *alias*, which is the table *name*."""
    shown = [exp.alias_(key.copy(), key.name, quoted=True) for key in group_keys(node)]
    select = exp.select(*shown).from_(named_table(name, alias)).distinct()
    where = node.args.get("where")
    if where is not None:
        select.set("where", where.copy())
    return select


def _counts_rows(aggregate: exp.Expr) -> bool:
    """Whether *aggregate* is count(*), which has a value where nobody is."""
    return isinstance(aggregate, exp.Count) and isinstance(aggregate.this, exp.Star)


def _kept(
    node: exp.Select,
    alias: str,
    keys: tuple[exp.Expr, ...],
    made: Mapping[exp.Expr, str],
    equal: type[exp.Binary],
) -> exp.Select:
    """*node* over the list and the groups: a row without a group counts nobody."""
    outer = node.copy()
    outer.set("from_", exp.From(this=named_table(alias, alias)))
    same = [equal(this=key.copy(), expression=exp.column(made[key], table=GROUPS)) for key in keys]
    outer.set("joins", [exp.Join(this=named_table(GROUPS, GROUPS), on=exp.and_(*same), side="LEFT")])
    outer.set("group", None)
    outer.set("where", None)
    having = outer.args.get("having")
    if having is not None:
        outer.set("having", None)
        outer.set("where", exp.Where(this=having.this))
    for aggregate, name in made.items():
        if aggregate in keys:
            continue
        for place in [part for part in outer.find_all(type(aggregate)) if part == aggregate]:
            place.replace(_value(aggregate, name))
    return outer


def _value(aggregate: exp.Expr, name: str) -> exp.Expr:
    """An aggregate of a group; of a row that nobody matches, what it is of one row of NULLs."""
    column = exp.column(name, table=GROUPS)
    head = aggregate.this if isinstance(aggregate, exp.Filter) else aggregate
    if not isinstance(head, exp.Count | exp.CountIf):
        return column
    return exp.Coalesce(this=column, expressions=[exp.Literal.number(1 if _counts_rows(aggregate) else 0)])
