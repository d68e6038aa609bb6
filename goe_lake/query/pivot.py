"""PIVOT and UNPIVOT written out: as aggregates with FILTER, and as a union of one SELECT a column."""

from __future__ import annotations

from itertools import product

from sqlglot import exp

from goe_lake.query.clauses import is_given, set_where
from goe_lake.query.language import aggregates_in
from goe_lake.query.refusals import Code, refusal

_HINT = "write FROM t PIVOT (sum(n) FOR sex IN ('F', 'M') GROUP BY country)"


def pivoted(pivot: exp.Pivot, columns: tuple[str, ...], source: str) -> exp.Query:
    """The query that *pivot* of the table *source* with *columns* is short for."""
    if pivot.args.get("unpivot"):
        return _unpivot(pivot, columns, source)
    for field in pivot.args.get("fields") or ():
        values = _values(field)
        if not values or not all(isinstance(value, exp.Literal | exp.Boolean) for value in values):
            raise refusal(Code.NOT_IN_SUBSET, pivot, "PIVOT needs the values that become columns", _HINT)
    fields = list(pivot.args["fields"])
    measures = list(pivot.expressions)
    names = [name.name for name in pivot.args.get("columns") or ()]
    if any(isinstance(value, exp.Boolean) for field in fields for value in field.expressions):
        # the parser knows no name of a truth
        names = _names_of_truths(fields, measures)
    used = {column.name.lower() for part in (*fields, *measures) for column in part.find_all(exp.Column)}
    group = pivot.args.get("group")
    keys = (
        list(group.expressions)
        if group is not None
        else [
            exp.column(exp.to_identifier(name, quoted=True)) for name in columns if name.lower() not in used
        ]
    )
    shown: list[exp.Expr] = [key.copy() for key in keys]
    place = 0
    for chosen in product(*(_values(field) for field in fields)):
        pairs: list[tuple[exp.Expr, exp.Expr]] = list(zip(fields, chosen, strict=True))
        condition = exp.and_(*(exp.EQ(this=field.this.copy(), expression=at.copy()) for field, at in pairs))
        for measure in measures:
            if place >= len(names):
                raise refusal(Code.NOT_IN_SUBSET, pivot, "the columns of this PIVOT have no names", _HINT)
            shown.append(exp.alias_(_filtered(measure.unalias(), condition), names[place], quoted=True))
            place += 1
    select = exp.select(*shown).from_(source)
    if keys:
        select.set("group", exp.Group(expressions=[key.copy() for key in keys]))
    return select


def _filtered(measure: exp.Expr, condition: exp.Expr) -> exp.Expr:
    """*measure* with each of its aggregates taken over the rows for which *condition* holds."""
    holder = exp.Paren(this=measure.copy())
    for item in aggregates_in(holder):
        if isinstance(item, exp.Filter):  # DuckDB itself leaves it out
            raise refusal(
                Code.NOT_IN_SUBSET, item, "FILTER stands in PIVOT", "write sum(CASE WHEN … THEN 1 END)"
            )
        item.replace(exp.Filter(this=item.copy(), expression=exp.Where(this=condition.copy())))
    made: exp.Expr = holder.this
    return made


def _names_of_truths(fields: list[exp.Expr], measures: list[exp.Expr]) -> list[str]:
    """The columns as DuckDB calls them: by the values, and by the aggregates where these have names."""
    named = [part.alias for part in measures if part.alias]
    if (named and len(named) < len(measures)) or (not named and len(measures) > 1):
        return []
    ends = [f"_{name}" for name in named] or [""]
    values = product(*(_values(field) for field in fields))
    return [f"{'_'.join(_shown(value) for value in chosen)}{end}" for chosen in values for end in ends]


def _shown(value: exp.Expr) -> str:
    return str(value.this).lower() if isinstance(value, exp.Boolean) else value.name


def _values(field: exp.Expr) -> list[exp.Expr]:
    """The values that become columns, whatever these are called: `IN ('F' AS women, 'M')`."""
    values = field.expressions if isinstance(field, exp.In) else []
    return [value.this if isinstance(value, exp.PivotAlias) else value for value in values]


def _unpivot(pivot: exp.Pivot, columns: tuple[str, ...], source: str) -> exp.Query:
    fields = pivot.args.get("fields") or []
    field = fields[0] if len(fields) == 1 else None
    if field is None or len(pivot.expressions) != 1 or not isinstance(field, exp.In):
        hint = "write FROM t UNPIVOT (value FOR name IN (a, b))"
        raise refusal(Code.NOT_IN_SUBSET, pivot, "this form of UNPIVOT is not answered", hint)
    if not all(isinstance(item, exp.Column) and not item.table for item in field.expressions):
        raise refusal(Code.NOT_IN_SUBSET, pivot, "UNPIVOT takes columns", "name the columns in IN (…)")
    taken = [item.name for item in field.expressions]
    kept = [exp.column(exp.to_identifier(name, quoted=True)) for name in columns if name not in taken]
    parts = []
    for name in taken:
        value = exp.column(exp.to_identifier(name, quoted=True))
        shown = [
            *(column.copy() for column in kept),
            exp.alias_(exp.Literal.string(name), field.this.name, quoted=True),
            exp.alias_(value, pivot.expressions[0].name, quoted=True),
        ]
        select = exp.select(*shown).from_(source)
        if not pivot.args.get("include_nulls"):
            set_where(select, [is_given(value)])
        parts.append(select)
    query: exp.Query = parts[0]
    for part in parts[1:]:
        query = exp.Union(this=query, expression=part, distinct=False)
    return query
