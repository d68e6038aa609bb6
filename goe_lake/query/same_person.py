"""The table samples joined with itself on the person: it has one row a person, and is read once.

`samples s JOIN (SELECT sample_id FROM samples WHERE t2d) c USING (sample_id)` is, when its nested query is
merged, `samples s, samples c WHERE s.sample_id = c.sample_id AND c.t2d`: c's row is s's row.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from goe_lake.query.checks import is_person, is_person_equality
from goe_lake.query.clauses import set_where
from goe_lake.query.relation import and_parts, reached_by

SAMPLES = "samples"


def samples_once(query: exp.Select) -> exp.Select:
    """*query*, in full names, changed: uses of samples that inner joins make one person's are one use."""
    joins: list[exp.Join] = query.args.get("joins") or []
    inner = [join for join in joins if not join.args.get("side")]
    uses = [holder.this for holder in (query.args.get("from_"), *inner) if holder is not None]
    names = [table.alias_or_name for table in uses if isinstance(table, exp.Table) and table.name == SAMPLES]
    if len(names) < 2:
        return query
    where = query.args.get("where")
    clauses = [join.args.get("on") for join in inner] + [where.this if where is not None else None]
    parts = [part for clause in clauses if clause is not None for part in and_parts(clause)]
    first = _first_of_each(names, [part for part in parts if is_person_equality(part)])
    if not first:
        return query
    for column in query.find_all(exp.Column):
        if column.table in first:
            column.set("table", exp.to_identifier(first[column.table]))
    for join in inner:
        join.set("on", None)
    query.set("joins", [join for join in joins if join.this.alias_or_name not in first])
    set_where(query, [part for part in dict.fromkeys(parts) if not _is_of_itself(part)])
    return query


def _first_of_each(names: list[str], equalities: list[exp.Expr]) -> Mapping[str, str]:
    """Those of *names* that *equalities* of persons lead to from an earlier one, and that one."""
    first: dict[str, str] = {}
    for place, name in enumerate(names):
        if name not in first:
            reached = reached_by(name, equalities)
            first |= dict.fromkeys((other for other in names[place + 1 :] if other in reached), name)
    return first


def _is_of_itself(part: exp.Expr) -> bool:
    """Whether *part* says that a person is herself."""
    return isinstance(part, exp.EQ) and is_person(part.left) and part.left == part.right
