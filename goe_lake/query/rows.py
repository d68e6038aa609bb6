"""What a FROM may name, as the builder knows it, and how row-wise nested queries about persons are merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from goe_lake.errors import QueryRefused
from goe_lake.query.finer_rows import Finer
from goe_lake.query.lists import Row
from goe_lake.query.refusals import SHOWN, Code, refusal


@dataclass(frozen=True)
class Rows:
    """The rows behind one name: a table at the gateway (*step*), or rows about persons.

    *persons* is a SELECT in full names that projects and filters rows about persons; *table* is the
    table of the contract that the name stands for; *by_person* names a query of one row a person, and
    *single* tells that there is exactly one row. *listed* are the rows themselves where they are constants;
    *looked_up* tells that they are what an earlier round releases, and perhaps none. *branches* are SELECTs
    as *persons* is one, of rows of persons under each other, and *choices* rows of columns of persons.
    *finer* says that *persons* are rows that were grouped by person and more, and have yet to be added up;
    *apart* that they are queries of one row a person, by the values of one column.
    """

    columns: tuple[str, ...]
    units: tuple[str, ...]
    step: str | None = None
    persons: exp.Select | None = None
    table: str | None = None
    single: bool = False
    by_person: str | None = None
    listed: tuple[Row, ...] = ()
    branches: tuple[exp.Select, ...] = ()
    choices: tuple[Row, ...] = ()
    looked_up: bool = False
    finer: Finer | None = None
    apart: Apart | None = None

    def name_in_from(self, alias: str) -> str:
        """What a FROM that reads the rows as *alias* calls them."""
        return self.table or self.step or self.by_person or f"p_{alias}"

    @property
    def several(self) -> bool:
        """Whether a person may have a row in each of several branches."""
        return bool(self.branches or self.choices or (self.apart and self.finer is None))

    @property
    def parts(self) -> tuple[exp.Select, ...]:
        """The plain rows about persons, branch by branch."""
        return self.branches or ((self.persons,) if self.persons is not None else ())

    @property
    def personal(self) -> bool:
        """Whether the rows are about persons."""
        return self.step is None

    def schema(self) -> dict[str, str]:
        """The columns as sqlglot's optimizer takes them."""
        return dict.fromkeys(self.columns, "UNKNOWN")


@dataclass(frozen=True)
class Apart:
    """Queries of one row a person, one for each of some values of the column *key*, which they lack."""

    key: str
    parts: tuple[tuple[exp.Expr, Rows], ...]


def merge_rows(select: exp.Select, derived: Mapping[str, exp.Select]) -> exp.Select:
    """*select*, in full names, with each name of *derived* replaced by the rows behind it.

    Every join is an inner join, so that conditions may move into WHERE.
    """
    select = select.copy()
    for name, query in derived.items():
        rows = _own_names(query, name)
        values = {item.alias: item.unalias() for item in rows.expressions}
        for column in list(select.find_all(exp.Column)):
            if column.table == name:
                column.replace(_named_as(_bracketed(values[column.name]), column))
        _replace_source(select, name, rows)
    return select


def _named_as(value: exp.Expr, column: exp.Column) -> exp.Expr:
    value.meta[SHOWN] = column.meta.get(SHOWN) or column.sql("duckdb")
    return value


def _bracketed(value: exp.Expr) -> exp.Expr:
    return value.copy() if isinstance(value, exp.Column | exp.Literal) else exp.Paren(this=value.copy())


def _own_names(rows: exp.Select, name: str) -> exp.Select:
    """*rows* with tables named after the nested query, so that two of them do not collide."""
    rows = rows.copy()
    for column in list(rows.find_all(exp.Column)):
        if column.table:
            column.set("table", exp.to_identifier(f"{name}_{column.table}"))
    for table in list(rows.find_all(exp.Table)):
        alias = exp.TableAlias(this=exp.to_identifier(f"{name}_{table.alias_or_name}"))
        table.set("alias", alias)
    return rows


def _replace_source(select: exp.Select, name: str, rows: exp.Select) -> None:
    first = select.args["from_"]
    joins: list[exp.Expr] = list(select.args.get("joins") or ())
    conditions = [rows.args["where"].this] if rows.args.get("where") is not None else []
    if first.this.alias_or_name == name:
        first.set("this", rows.args["from_"].this)
        joins = [*(rows.args.get("joins") or ()), *joins]
    else:
        place = next(place for place, join in enumerate(joins) if join.this.alias_or_name == name)
        if joins[place].args.get("on") is not None:
            conditions.append(joins[place].args["on"])
        entry = exp.Join(this=rows.args["from_"].this, kind="CROSS")
        joins[place : place + 1] = [entry, *(rows.args.get("joins") or ())]
    select.set("joins", joins)
    where = select.args.get("where")
    parts = [*conditions, *([where.this] if where is not None else [])]
    if parts:
        select.set("where", exp.Where(this=exp.and_(*parts, copy=True)))


def check_row_wise(select: exp.Select) -> None:
    """A nested query about persons is a plain projection and filter: cutting or ordering needs the rows."""
    for name, clause in (
        ("limit", "LIMIT"),
        ("offset", "OFFSET"),
        ("order", "ORDER BY"),
        ("qualify", "QUALIFY"),
    ):
        part = select.args.get(name)
        if part is not None:
            hint = "count or average them by groups, e.g. GROUP BY country; conditions filter them"
            message = f"{clause} stands over rows about persons, which never leave a node"
            raise refusal(Code.NESTED_QUERY, part, message, hint)
    window = select.find(exp.Window)
    if window is not None:
        raise refused_window(window)


def refused_window(window: exp.Expr) -> QueryRefused:
    """The refusal of a window function over rows about persons."""
    hint = "aggregate first; windows may stand over the groups"
    if isinstance(window.this, exp.PercentRank | exp.CumeDist | exp.Rank | exp.DenseRank | exp.RowNumber):
        hint = "a rank is that of one person; cut them into equal parts with ntile(5) OVER (ORDER BY x)"
    return refusal(Code.WINDOW, window, "a window function stands over rows about persons", hint)
