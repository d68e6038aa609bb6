"""What stands in FROM: tables of the contract, WITH queries, VALUES, ranges, nested queries and PIVOT."""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import exp

from goe_lake.catalog import TableKind
from goe_lake.query.branches import has_columns, rows_of_columns
from goe_lake.query.building.draft import Cte, Draft, Scope
from goe_lake.query.constants import constant_rows
from goe_lake.query.gateway import output_names, unique
from goe_lake.query.lists import listed_rows
from goe_lake.query.pivot import pivoted
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.rows import Apart, Rows
from goe_lake.query.steps import DIALECT, PlainStep, SelectStep, named_table
from goe_lake.query.sub_aggregates import renamed


def with_queries(node: exp.Expr, scope: Scope) -> Scope:
    """The WITH queries that *node* may read: those around it, and its own."""
    clause = node.args.get("with_")
    if clause is None:
        return scope
    known = dict(scope)
    recursive = bool(clause.args.get("recursive"))
    for cte in clause.expressions:
        known[cte.alias.lower()] = Cte(cte, dict(known), recursive)
    return known


def sources_of(draft: Draft, node: exp.Select, scope: Scope) -> dict[str, Rows]:
    """The rows behind every name of FROM; each holder then reads a table of that name."""
    found: dict[str, Rows] = {}
    first = node.args.get("from_")
    holders = [*([first] if first is not None else []), *(node.args.get("joins") or ())]
    for holder in holders:
        item = holder.this
        rows = read_source(draft, item, scope)
        alias = item.alias_or_name.lower() or f"_q{len(found) + 1}"
        if alias in found:
            hint = "read it once, or give each its own alias"
            raise refusal(Code.TABLE_TWICE, item, f"{alias} stands twice", hint)
        found[alias] = rows
        if rows.table is None:
            holder.set("this", named_table(rows.name_in_from(alias), alias))
    return found


def read_source(draft: Draft, item: exp.Expr, scope: Scope) -> Rows:
    """The rows behind one item of FROM."""
    pivots = item.args.get("pivots") or []
    if pivots:
        return _pivot(draft, item, pivots, scope)
    columns = _alias_columns(item)
    if isinstance(item, exp.Values) and has_columns(item):
        choices = rows_of_columns(item)
        names = (*columns, *(f"col{place}" for place in range(len(columns), len(choices[0]))))
        return Rows(names, tuple("" for _ in names), choices=choices)
    if isinstance(item, exp.Values) or (
        isinstance(item, exp.Table) and isinstance(item.this, exp.GenerateSeries)
    ):
        rows = draft.add(constant_rows(item, draft.name(), columns))
        single = isinstance(item, exp.Values) and len(item.expressions) == 1
        return replace(rows, single=single, listed=listed_rows(item))
    if isinstance(item, exp.Subquery):
        return renamed_rows(draft, draft.query(item, scope), columns, item)
    if not isinstance(item, exp.Table) or not isinstance(item.this, exp.Identifier):
        raise refusal(Code.UNKNOWN_TABLE, item, "a table is wanted here", "read a table by its name")
    name = item.name.lower()
    if name in scope:
        return renamed_rows(draft, _cte(draft, name, scope[name]), columns, item)
    table = draft.catalog.table(name)
    if table is None:
        known = ", ".join([*scope, *draft.catalog.tables])
        raise refusal(Code.UNKNOWN_TABLE, item, f"there is no table {item.name}", f"the tables are {known}")
    if columns:
        raise refusal(Code.NOT_IN_SUBSET, item, "columns are renamed in FROM", "rename them in SELECT")
    return Rows(
        tuple(column.name for column in table.columns),
        tuple(column.unit for column in table.columns),
        None if table.kind is TableKind.PERSONAL else name,
        table=name,
    )


def _pivot(draft: Draft, item: exp.Expr, pivots: list[exp.Pivot], scope: Scope) -> Rows:
    bare = item.copy()
    bare.set("pivots", None)
    if isinstance(bare, exp.Subquery):
        bare.set("alias", None)
    rows = read_source(draft, bare, scope)
    if len(pivots) != 1:
        raise refusal(Code.NOT_IN_SUBSET, item, "there are two PIVOTs", "write one in a nested query")
    if rows.personal and not (pivots[0].args.get("unpivot") or pivots[0].args.get("group")):
        hint = "name what stays: PIVOT (… FOR sex IN ('F', 'M') GROUP BY country)"
        raise refusal(Code.ROWS_OF_PERSONS, item, "PIVOT without GROUP BY has a row a person", hint)
    name = rows.table or "_pivot"
    source = Cte(exp.CTE(this=exp.select("*")), {}, recursive=False, built=rows)
    return draft.query(pivoted(pivots[0], rows.columns, name), {name: source})


def _cte(draft: Draft, name: str, cte: Cte) -> Rows:
    if cte.built is None:
        columns = _alias_columns(cte.node)
        if cte.recursive and _reads(cte.node.this, name):
            cte.built = _recursion(draft, name, cte, columns)
        else:
            cte.built = renamed_rows(draft, draft.query(cte.node.this, cte.scope), columns, cte.node)
    return cte.built


def renamed_rows(draft: Draft, rows: Rows, names: tuple[str, ...], at: exp.Expr) -> Rows:
    """*rows* with its first columns called *names*."""
    if not names:
        return rows
    if len(names) > len(rows.columns) or rows.table is not None:
        raise refusal(Code.UNKNOWN_COLUMN, at, "there are more names than columns", "name each column once")
    columns = unique((*names, *rows.columns[len(names) :]))
    if rows.by_person is not None:
        query = renamed(draft.persons[rows.by_person], columns)
        return Rows(columns, rows.units, by_person=draft.named_query(query))
    if rows.apart is not None and rows.finer is None:
        return Rows(columns, rows.units, apart=_renamed_apart(draft, rows, columns, at))
    if rows.parts:
        parts = [part.copy() for part in rows.parts]
        for part in parts:
            for item, name in zip(part.expressions, columns, strict=True):
                item.set("alias", exp.to_identifier(name, quoted=True))
        if rows.persons is not None:
            finer = rows.finer.renamed(dict(zip(rows.columns, columns, strict=True))) if rows.finer else None
            apart = _renamed_apart(draft, rows, columns, at) if rows.apart is not None else None
            return Rows(columns, rows.units, persons=parts[0], finer=finer, apart=apart)
        return Rows(columns, rows.units, branches=tuple(parts))
    shown = [
        exp.alias_(exp.column(exp.to_identifier(old, quoted=True), table="_r"), new, quoted=True)
        for old, new in zip(rows.columns, columns, strict=True)
    ]
    assert rows.step is not None
    select = exp.select(*shown).from_(named_table(rows.step, "_r"))
    made = draft.add(SelectStep(draft.name(), select, columns, rows.units, {}))
    return replace(made, single=rows.single, listed=rows.listed)


def _renamed_apart(draft: Draft, rows: Rows, columns: tuple[str, ...], at: exp.Expr) -> Apart:
    """The queries of *rows* by the values of one column, where all columns are called *columns*."""
    assert rows.apart is not None
    names = dict(zip(rows.columns, columns, strict=True))
    parts = tuple(
        (value, renamed_rows(draft, part, tuple(names[name] for name in part.columns), at))
        for value, part in rows.apart.parts
    )
    return Apart(names[rows.apart.key], parts)


def _recursion(draft: Draft, name: str, cte: Cte, columns: tuple[str, ...]) -> Rows:
    """A recursive query: it reads itself, public tables and earlier steps, and is run as it is."""
    if name in draft.catalog.tables or re.fullmatch(r"(s|cells)[0-9]*", name):
        raise refusal(Code.TABLE_TWICE, cte.node, f"{name} is the name of another table", "rename it")
    body = cte.node.this.copy()
    if not isinstance(body, exp.Union) or body.find(exp.With, exp.Subquery, exp.Exists, exp.Window):
        hint = "write SELECT … UNION ALL SELECT … FROM itself, over public tables or earlier WITH queries"
        raise refusal(Code.NESTED_QUERY, cte.node, "this form of recursion is not answered", hint)
    reads: set[str] = set()
    for table in list(body.find_all(exp.Table)):
        if table.name.lower() == name:
            continue
        rows = read_source(draft, table, cte.scope)
        if rows.personal:
            hint = "aggregate over persons in an earlier WITH query"
            raise refusal(Code.NESTED_QUERY, table, "a recursion reads a table about persons", hint)
        assert rows.step is not None
        if rows.table is not None:
            draft.note_table(rows.table, None)
        reads.add(rows.step)
        table.replace(named_table(rows.step, table.alias_or_name))
    names = columns or unique(output_names(_first(body)))
    listed = ", ".join(exp.to_identifier(part, quoted=True).sql(DIALECT) for part in names)
    own = exp.to_identifier(name, quoted=True).sql(DIALECT)
    text = f"WITH RECURSIVE {own}({listed}) AS ({body.sql(DIALECT)}) SELECT * FROM {own}"
    return draft.add(PlainStep(draft.name(), text, frozenset(reads), names, tuple("" for _ in names)))


def _alias_columns(item: exp.Expr) -> tuple[str, ...]:
    alias = item.args.get("alias")
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    return tuple(column.name for column in columns or ())


def _reads(node: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name for table in node.find_all(exp.Table))


def _first(node: exp.Expr) -> exp.Select:
    while not isinstance(node, exp.Select):
        node = node.this
    return node
