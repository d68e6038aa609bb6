"""Outer joins of persons: what is joined must be one row a person, so that NULL stands for no row."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from sqlglot import exp

from goe_lake.catalog import Catalog
from goe_lake.query.checks import is_person
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.relation import and_parts
from goe_lake.query.rows import Rows
from goe_lake.query.self_joins import fixed_by, names_allele
from goe_lake.query.steps import named_table
from goe_lake.query.sub_aggregates import QUALITY


def right_as_left(node: exp.Select) -> exp.Select:
    """`a RIGHT JOIN b` as `b LEFT JOIN a`."""
    joins = node.args.get("joins") or []
    if len(joins) == 1 and joins[0].args.get("side") == "RIGHT" and not _has_star(node):
        first = node.args["from_"]
        left, right = first.this, joins[0].this
        first.set("this", right)
        joins[0].set("this", left)
        joins[0].set("side", "LEFT")
    return node


def _has_star(node: exp.Select) -> bool:
    """Whether the order of the tables decides the order of the columns."""
    return any(isinstance(item, exp.Star) for item in node.expressions)


def row_a_person(
    join: exp.Join, alias: str, rows: Rows, catalog: Catalog, read: AbstractSet[str]
) -> exp.Select | None:
    """A query of one row a person for what *join* adds; None where every row has its person anyway.

    Further conditions of the join are moved into it; *read* are names of columns that are read.
    """
    parts = and_parts(join.args["on"]) if join.args.get("on") is not None else []
    conditions = [part for part in parts if not _is_equality(part)]
    if rows.table == "samples" and not conditions:
        return None
    select = rows.persons.copy() if rows.persons is not None else _all_of(rows, alias, read)
    conditions = [*conditions, *_conditions(select)]
    if conditions:
        select.set("where", exp.Where(this=exp.and_(*conditions, copy=True)))
    _check_one_row(join, select)
    if len(parts) != len([part for part in parts if _is_equality(part)]):
        join.set("on", exp.and_(*(part for part in parts if _is_equality(part)), copy=True))
    person = next((item for item in select.expressions if is_person(item.unalias())), None)
    if person is None:
        hint = "select sample_id in the nested query"
        raise refusal(Code.PERSON_JOIN, join, f"{alias} has no sample_id", hint)
    for item in select.expressions:
        if item is not person:
            value = item.unalias()
            for column in list(value.find_all(exp.Column)):
                column.replace(exp.Max(this=column.copy()))
    select.set("group", exp.Group(expressions=[person.unalias().copy()]))
    return select


def _all_of(rows: Rows, alias: str, read: AbstractSet[str]) -> exp.Select:
    """Every column, those aside that no query by person may read and that this one does not."""
    names = [name for name in rows.columns if name not in QUALITY or name in read]
    shown = [exp.alias_(exp.column(name, table=alias), name) for name in names]
    assert rows.table is not None
    return exp.select(*shown).from_(named_table(rows.table, alias))


def _conditions(select: exp.Select) -> list[exp.Expr]:
    where = select.args.get("where")
    return and_parts(where.this) if where is not None else []


def _is_equality(part: exp.Expr) -> bool:
    if not isinstance(part, exp.EQ):
        return False
    return is_person(part.left.unnest()) and is_person(part.right.unnest())


def _check_one_row(join: exp.Join, select: exp.Select) -> None:
    """The joined rows are one a person: of samples, of one score, or of one allele."""
    tables = list(select.find_all(exp.Table))
    if len(tables) == 1 and tables[0].name == "samples":
        return
    if len(tables) == 1 and tables[0].name == "genotypes":
        if names_allele({column: value for part in _conditions(select) for column, value in fixed_by(part)}):
            return
        hint = "add AND variant_id = '…' to ON, or GROUP BY sample_id in a nested query"
        raise refusal(Code.JOIN_KIND, join, "LEFT JOIN adds several genotypes to a person", hint)
    if len(tables) == 1 and tables[0].name == "scores":
        for part in _conditions(select):
            if isinstance(part, exp.EQ) and any(
                isinstance(one, exp.Column) and one.name == "pgs_id" and isinstance(other, exp.Literal)
                for one, other in ((part.left, part.right), (part.right, part.left))
            ):
                return
        hint = "add AND pgs_id = '…' to ON, or GROUP BY sample_id in a nested query"
        raise refusal(Code.JOIN_KIND, join, "LEFT JOIN adds several scores to a person", hint)
    hint = "join a nested query with GROUP BY sample_id"
    raise refusal(Code.JOIN_KIND, join, "LEFT JOIN adds several rows to a person", hint)
