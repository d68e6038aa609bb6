"""COLUMNS(…): an item of SELECT for each column that a list, a pattern or a star chooses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from sqlglot import exp

from goe_lake.query.refusals import Code, refusal

PLAIN: Final = re.compile(r"[A-Za-z0-9_.*^$|()+?-]{1,60}")
_HINT: Final = "write avg(COLUMNS(['bmi', 'ldl'])), COLUMNS('^n_') or COLUMNS(* EXCLUDE (x)) in SELECT"


def with_columns(node: exp.Select, tables: Mapping[str, Sequence[str]]) -> exp.Select:
    """*node* with each item that holds COLUMNS(…) written once a column of *tables*, in their order."""
    if node.find(exp.Columns) is None:
        return node
    items: list[exp.Expr] = []
    for item in node.expressions:
        asked = list(item.find_all(exp.Columns))
        if not asked:
            items.append(item)
            continue
        if any(other != asked[0] for other in asked):
            raise refusal(Code.NOT_IN_SUBSET, item, "one item chooses columns in two ways", _HINT)
        items += [_written(item, column) for column in _chosen(asked[0], node, tables)]
    node.set("expressions", items)
    rest = node.find(exp.Columns)
    if rest is not None:
        raise refusal(Code.NOT_IN_SUBSET, rest, "COLUMNS stands elsewhere than in SELECT", _HINT)
    return node


def _written(item: exp.Expr, column: exp.Column) -> exp.Expr:
    holder = exp.Tuple(expressions=[item.copy()])
    for part in list(holder.find_all(exp.Columns)):
        made = column.copy()
        made.meta.update(next((node.meta for node in part.walk() if "start" in node.meta), {}))
        part.replace(made)
    (written,) = holder.expressions
    assert isinstance(written, exp.Expr)
    return written


def _chosen(
    node: exp.Columns, select: exp.Select, tables: Mapping[str, Sequence[str]]
) -> Iterator[exp.Column]:
    wanted = _wanted(node)
    joins = select.args.get("joins") or ()
    using = {name.name.lower() for join in joins for name in join.args.get("using") or ()}
    natural = any(join.args.get("method") for join in joins)
    seen: set[str] = set()
    found = 0
    for alias, names in tables.items():
        for name in names:
            joined = name.lower() in using or natural
            if wanted(name.lower()) and not (joined and name.lower() in seen):
                found += 1
                yield exp.column(exp.to_identifier(name), table=None if joined else alias)
            seen.add(name.lower())
    if not found:
        raise refusal(Code.UNKNOWN_COLUMN, node, "COLUMNS chooses no column", _HINT)


def _wanted(node: exp.Columns) -> Callable[[str], bool]:
    """Whether a column, by its name in small letters, is chosen."""
    chosen = node.this
    if isinstance(chosen, exp.Array) and all(isinstance(its, exp.Literal) for its in chosen.expressions):
        names = {its.name.lower() for its in chosen.expressions}
        return names.__contains__
    if isinstance(chosen, exp.Literal) and chosen.is_string and PLAIN.fullmatch(chosen.name):
        try:
            pattern = re.compile(chosen.name)
        except re.error:
            raise refusal(Code.CONSTANT, node, "the pattern of COLUMNS cannot be read", _HINT) from None
        return lambda name: pattern.search(name) is not None
    if isinstance(chosen, exp.Star) and not chosen.args.get("replace"):
        out = {its.name.lower() for its in chosen.args.get("except_") or ()}
        return lambda name: name not in out
    raise refusal(Code.NOT_IN_SUBSET, node, "this form of COLUMNS is not answered", _HINT)
