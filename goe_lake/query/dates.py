"""Dates that are constants, and years of birth as dates: `date_diff('year', make_date(y, 1, 1), d)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

from sqlglot import exp

_PARTS: Final[Mapping[str, Callable[[date], int]]] = MappingProxyType(
    {
        "year": lambda day: day.year,
        "month": lambda day: day.month,
        "day": lambda day: day.day,
        "quarter": lambda day: (day.month + 2) // 3,
    }
)
_LAST_DAY_OF_EVERY_MONTH: Final = 28


def part_of_date(node: exp.Expr) -> exp.Expr:
    """`year(DATE '2026-11-23')`, `extract(year FROM …)`, `date_part('year', …)` of a constant: a number."""
    part, value = _part_and_value(node)
    day = constant_date(value)
    chosen = _PARTS.get(part)
    if day is not None and chosen is not None:
        return exp.Literal.number(chosen(day))
    whole = {"year": exp.Year, "month": exp.Month}.get(part)
    return node if whole is None or not isinstance(value, exp.Column) else whole(this=value.copy())


def _part_and_value(node: exp.Expr) -> tuple[str, exp.Expr | None]:
    if isinstance(node, exp.Extract):
        return node.this.name.lower(), node.expression
    if isinstance(node, exp.Anonymous):
        given = node.expressions if node.name.lower() in ("date_part", "datepart") else []
        return (given[0].name.lower(), given[1]) if len(given) == 2 else ("", None)
    return node.key, node.this


def years_between(node: exp.Expr) -> exp.Expr:
    """`date_diff('year', a, b)` as the difference of the years, where both are known as numbers."""
    if node.text("unit").lower() != "year":
        return node
    later, earlier = _year(node.this), _year(node.expression)
    if later is None or earlier is None:
        return node
    return exp.Paren(this=exp.Sub(this=later, expression=earlier))


def _year(node: exp.Expr | None) -> exp.Expr | None:
    """The year of a constant date, or of one that is made of a year."""
    day = constant_date(node)
    if day is not None:
        return exp.Literal.number(day.year)
    if isinstance(node, exp.Column):
        return exp.Year(this=node.copy())
    if not isinstance(node, exp.DateFromParts):
        return None
    month, number = (_within(node.args.get(name)) for name in ("month", "day"))
    if month is None or number is None or not 1 <= month <= 12 or not 1 <= number <= _LAST_DAY_OF_EVERY_MONTH:
        return None
    return exp.Paren(this=node.args["year"].copy())


def _within(node: exp.Expr | None) -> int | None:
    return int(node.name) if isinstance(node, exp.Literal) and node.name.isdigit() else None


def on_the_day(query: exp.Query, today: date) -> exp.Query:
    """*query* with the date *today* for `current_date`: what is asked of the nodes is the same all day.

    Beside a column of that name, which is what DuckDB would read, it is left to be refused.
    """
    named = any(name.name.lower() == "current_date" for name in query.find_all(exp.Identifier))
    if named or query.find(exp.CurrentDate) is None:
        return query
    query = query.copy()
    for node in list(query.find_all(exp.CurrentDate)):
        node.replace(exp.cast(exp.Literal.string(today.isoformat()), exp.DType.DATE))
    return query


def constant_date(node: exp.Expr | None) -> date | None:
    """The date that *node* writes; None where it writes none."""
    if not isinstance(node, exp.Cast) or node.to.this is not exp.DType.DATE:
        return None
    text = node.this
    try:
        return date.fromisoformat(text.name) if isinstance(text, exp.Literal) and text.is_string else None
    except ValueError:
        return None
