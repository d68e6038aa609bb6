"""Nested queries in expressions: EXISTS, IN and single values, over released rows or about persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from goe_lake.query.beside import check_place, in_of_the_row, of_the_row, value_of
from goe_lake.query.building.draft import Draft, Scope
from goe_lake.query.building.joined import join_groups
from goe_lake.query.checks import is_person
from goe_lake.query.presence import Presence, grouped_by_person, uncorrelated
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rows import Rows
from goe_lake.query.steps import DIALECT, Use, named_table
from goe_lake.query.sub_aggregates import PersonQuery, person_query


def values_of_rows(
    draft: Draft, node: exp.Select, scope: Scope, sources: Mapping[str, Rows], *, grouped: bool
) -> dict[str, Rows]:
    """Let nested queries that read the row around them be values of groups that are joined."""
    found: dict[str, Rows] = {}
    for exists in [item for item in _nested_in(node) if isinstance(item, exp.Exists)]:
        found_in = in_of_the_row(exists.this, sources)
        if found_in is not None:
            exists.replace(found_in)
    for holder in [item for item in _nested_in(node) if isinstance(item, exp.Subquery)]:
        of_row = of_the_row(holder.this, sources)
        if of_row is None:
            continue
        check_place(holder, grouped)
        alias = f"_row{len(found) + 1}"
        found[alias] = join_groups(draft, node, of_row.inner, of_row.outer, alias, scope, exp.EQ)
        holder.replace(value_of(of_row, alias))
    return found


def mark_nested(draft: Draft, node: exp.Select, scope: Scope, sources: Mapping[str, Rows]) -> None:
    """Build each nested query in an expression of *node*, and leave its mark there."""
    known: dict[tuple[exp.Expr, Use], str] = {}
    for holder in _nested_in(node):
        if isinstance(holder, exp.In):
            query, use = holder.args["query"], Use.IN
        else:
            query, use = holder.this, Use.EXISTS if isinstance(holder, exp.Exists) else Use.SCALAR
        if (query, use) in known:  # a group key, written again in SELECT
            _leave_mark(holder, known[query, use])
            continue
        written, person = query.copy(), None
        if use is Use.EXISTS:
            person, query = uncorrelated(query, sources)
        elif use is Use.IN and is_person(holder.this):
            person = holder.this
        _check_uncorrelated(query, sources)
        rows = draft.query(query, scope)
        if rows.personal and person is not None:
            if len(rows.columns) != 1:
                raise refusal(Code.TYPES, query, "a nested query has several columns here", "select one")
            mark_presence(draft, holder, person, rows, query, sources)
            continue
        if rows.personal:
            hint = "aggregate in it, or join on sample_id"
            raise refusal(
                Code.NESTED_QUERY,
                query,
                "a nested query in an expression asks for rows about persons",
                hint,
            )
        if use is Use.IN and person is not None:
            message = "sample_id is compared with rows that are not about persons"
            raise refusal(Code.SAMPLE_ID, person, message, "write sample_id IN (SELECT sample_id FROM …)")
        if use is not Use.EXISTS and len(rows.columns) != 1:
            raise refusal(Code.TYPES, query, "a nested query has several columns here", "select one")
        assert rows.step is not None
        mark = known[written, use] = draft.mark(rows, use)
        _leave_mark(holder, mark)


def mark_presence(
    draft: Draft, holder: exp.Expr, person: exp.Expr, rows: Rows, at: exp.Expr, sources: Mapping[str, Rows]
) -> None:
    """Leave a mark for whether *person* has one of *rows*."""
    if not any(source.personal for source in sources.values()):
        hint = "ask for persons in a SELECT of its own"
        raise refusal(Code.NESTED_QUERY, at, "released rows are compared with rows about persons", hint)
    parts = [own for _, own in rows.apart.parts] if rows.apart is not None and rows.finer is None else []
    parts = parts or [replace(rows, branches=(), persons=part) for part in rows.branches]
    if parts:  # in one of them, or in none
        holders: list[exp.Expr] = [exp.In(this=person.copy()) for _ in parts]
        holder.replace(exp.Paren(this=exp.or_(*holders, copy=False)))
        for each, own in zip(holders, parts, strict=True):
            mark_presence(draft, each, person, own, at, sources)
        return
    if rows.several:
        hint = "ask of each part: sample_id IN (…) OR sample_id IN (…)"
        raise refusal(Code.NESTED_QUERY, at, "a nested query has rows of persons in branches", hint)
    query = _as_query(draft, rows, at)
    if None not in query.columns.values():
        hint = "write sample_id IN (SELECT sample_id FROM …)"
        raise refusal(Code.SAMPLE_ID, at, "sample_id is compared with something else", hint)
    mark = f"p{len(draft.present) + 1}"
    draft.present[mark] = Presence(draft.named_query(query), person.copy())
    holder.replace(exp.Placeholder(this=mark))


def _as_query(draft: Draft, rows: Rows, at: exp.Expr | None) -> PersonQuery:
    """*rows* as a query of one row a person, where there were several only of who has one."""
    if rows.by_person is not None:
        return draft.persons[rows.by_person]
    select = rows.persons
    if select is None:
        assert rows.table is not None
        select = exp.select(exp.column("sample_id", table=rows.table).as_("sample_id"))
        select = select.from_(named_table(rows.table, rows.table))
    of_query = _of_a_query(draft, select)
    if of_query is not None:
        return of_query
    return person_query(grouped_by_person(select, at), draft.catalog)


def _of_a_query(draft: Draft, select: exp.Select) -> PersonQuery | None:
    """`SELECT sample_id FROM b WHERE …` of one query of one row a person: that one, and a condition more."""
    tables = [table.name for table in select.find_all(exp.Table)]
    items = [item.unalias() for item in select.expressions]
    if len(tables) != 1 or tables[0] not in draft.persons or len(items) != 1 or not is_person(items[0]):
        return None
    query, where = draft.persons[tables[0]], select.args.get("where")
    parts = [query.having] if query.having is not None else []
    if where is not None:
        condition = where.this.copy()
        for column in list(condition.find_all(exp.Column)):
            value = query.columns.get(column.name)
            if value is None:
                hint = "put the condition into the nested query, as HAVING"
                raise refusal(Code.NESTED_QUERY, column, f"{column.name} is compared here", hint)
            column.replace(exp.Paren(this=value.copy()))
        parts.append(condition)
    columns: dict[str, exp.Expr | None] = {"sample_id": None}
    return replace(query, columns=columns, having=exp.and_(*parts, copy=True) if parts else None)


def _leave_mark(holder: exp.Expr, mark: str) -> None:
    """The *mark* of a nested query where that stood."""
    if isinstance(holder, exp.In):
        holder.set("query", None)
        holder.set("expressions", [exp.Placeholder(this=mark)])
    else:
        holder.replace(exp.Placeholder(this=mark))


def _nested_in(node: exp.Select) -> list[exp.Expr]:
    """The outermost nested queries in expressions of *node*: EXISTS, IN and scalar ones."""
    found: list[exp.Expr] = []

    def look(part: exp.Expr) -> None:
        if isinstance(part, exp.Exists | exp.Subquery):
            found.append(part)
            return
        if isinstance(part, exp.In) and part.args.get("query") is not None:
            look(part.this)
            found.append(part)
            return
        for child in part.iter_expressions():
            look(child)

    for child in node.iter_expressions():
        look(child)
    return found


def _check_uncorrelated(query: exp.Expr, sources: Mapping[str, Rows]) -> None:
    """A nested query reads nothing of the row around it: that would be one question a row."""
    own = {table.alias_or_name.lower() for table in query.find_all(exp.Table, exp.Subquery)}
    for column in query.find_all(exp.Column):
        if column.table.lower() in sources and column.table.lower() not in own:
            hint = "join the two on that column instead"
            message = f"a nested query reads {column.sql(DIALECT)} of the query around it"
            raise refusal(Code.NESTED_QUERY, column, message, hint)
