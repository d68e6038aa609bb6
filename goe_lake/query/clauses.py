"""Clauses of SELECTs that are made of others."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp


def set_where(select: exp.Select, parts: Sequence[exp.Expr]) -> None:
    """Let *select* have the conditions *parts*, of which copies are made, and no others."""
    select.set("where", exp.Where(this=exp.and_(*parts, copy=True)) if parts else None)


def take_clauses(select: exp.Select, written: exp.Select, names: Sequence[str]) -> None:
    """Let *select* have copies of the clauses of *written* that have these *names*."""
    for name in names:
        clause = written.args.get(name)
        if clause is not None:
            select.set(name, [part.copy() for part in clause] if isinstance(clause, list) else clause.copy())


def is_given(value: exp.Expr) -> exp.Not:
    """Whether *value*, of which a copy is made, is not NULL."""
    return exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
