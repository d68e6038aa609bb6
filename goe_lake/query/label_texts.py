"""Functions of labels as the CASE over their public values that they are: `split_part(cohort, '-', 1)`.

What a label may be is known before anybody is asked, so that the gateway computes the text of each, and a
node reads a choice among constants, as if it had been written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from sqlglot import exp

from goe_lake.catalog import ColumnType
from goe_lake.query.refusals import Code, refusal
from goe_lake.query.written_aggregates import Describe

Text: TypeAlias = str | bool
#: Patterns that every engine of regular expressions reads alike, and that take no time: no groups of a kind,
#: no possessive signs, no groups that repeat.
_PLAIN_PATTERN: Final = re.compile(r"(?!.*(\(\?|[*+?]\+|\)[*+?]))[A-Za-z0-9 _,:/.*+?|()^$\[\]-]*")
_MOST_REPEATS: Final = 3
_MOST_JOINED: Final = 3


def _split_part(node: exp.Expr, text: str) -> Text | None:
    separator, place = _text(node.args.get("delimiter")), _number(node.args.get("part_index"))
    if not separator or not place:
        return None
    parts = text.split(separator)
    at = place - 1 if place > 0 else len(parts) + place
    return parts[at] if 0 <= at < len(parts) else ""


def _right(node: exp.Expr, text: str) -> Text | None:
    length = _number(node.expression)
    return None if length is None or length < 0 else text[len(text) - min(length, len(text)) :]


def _trim(node: exp.Expr, text: str) -> Text | None:
    given = node.args.get("expression")
    letters = " " if given is None else _text(given)
    if letters is None:
        return None
    side = str(node.args.get("position") or "").upper()
    strip = {"LEADING": text.lstrip, "TRAILING": text.rstrip}.get(side, text.strip)
    return strip(letters)


def _replace(node: exp.Expr, text: str) -> Text | None:
    sought, put = _text(node.expression), _text(node.args.get("replacement"))
    return None if not sought or put is None else text.replace(sought, put)


def _reverse(node: exp.Expr, text: str) -> Text | None:
    return text[::-1] if text.isascii() else None


def _matches(node: exp.Expr, text: str) -> Text | None:
    pattern = _pattern(node)
    return None if pattern is None or node.args.get("flag") else pattern.search(text) is not None


def _matches_whole(node: exp.Expr, text: str) -> Text | None:
    pattern = _pattern(node)
    return None if pattern is None else pattern.fullmatch(text) is not None


def _extract(node: exp.Expr, text: str) -> Text | None:
    pattern, group = _pattern(node), _number(node.args.get("group") or exp.Literal.number(0))
    if pattern is None or group is None or group > pattern.groups or node.args.get("parameters"):
        return None
    found = pattern.search(text)
    return (found.group(group) or "") if found is not None else ""


#: What each function makes of a label; None where its other arguments are not plain constants.
_FUNCTIONS: Final[Mapping[type[exp.Expr], Callable[[exp.Expr, str], Text | None]]] = MappingProxyType(
    {
        exp.SplitPart: _split_part,
        exp.Right: _right,
        exp.Trim: _trim,
        exp.Replace: _replace,
        exp.Reverse: _reverse,
        exp.RegexpLike: _matches,
        exp.SimilarTo: _matches_whole,
        exp.RegexpExtract: _extract,
    }
)


def reads_label_texts(query: exp.Select) -> bool:
    """Whether *query* may hold such a function."""
    return query.find(exp.ConcatWs, *_FUNCTIONS) is not None


def with_label_texts(query: exp.Select, describe: Describe) -> exp.Select:
    """*query*, in full names, with functions of labels as CASE; others are left as they are."""
    query = query.copy()
    for call in list(query.find_all(exp.ConcatWs)):
        made = _joined(call)
        if made is not None:
            call.replace(made)
    for node in reversed(list(query.find_all(*_FUNCTIONS))):
        known = describe(node.this) if isinstance(node.this, exp.Column) else None
        if known is None or known[1].type is not ColumnType.LABEL:
            continue
        if known[1].values is None:
            message = f"the labels of {node.this.name} are not listed, so that this is not computed of them"
            raise refusal(Code.FUNCTION, node, message, "group by the label itself, and regroup the answer")
        texts = {value: _FUNCTIONS[type(node)](node, value) for value in known[1].values}
        if texts and None not in texts.values():
            node.replace(_case(node.this, texts))
    return query


def _case(column: exp.Expr, texts: Mapping[str, Text | None]) -> exp.Expr:
    """The choice among *texts* by the label; NULL for NULL."""
    ifs = [
        exp.If(
            this=exp.EQ(this=column.copy(), expression=exp.Literal.string(label)),
            true=exp.Boolean(this=text) if isinstance(text, bool) else exp.Literal.string(str(text)),
        )
        for label, text in texts.items()
    ]
    return exp.Paren(this=exp.Case(ifs=ifs))


def _joined(node: exp.Expr) -> exp.Expr | None:
    """`concat_ws('-', a, b)`, which leaves NULL out, in terms of `||`."""
    separator, *parts = node.expressions
    if _text(separator) is None or not 1 <= len(parts) <= _MOST_JOINED:
        return None
    made = parts[0]
    for part in parts[1:]:
        first = exp.DPipe(this=made.copy(), expression=separator.copy())
        both = exp.DPipe(this=first, expression=part.copy())
        ifs = [_where_missing(made, part), _where_missing(part, made)]
        made = exp.Case(ifs=ifs, default=both)
    return exp.Paren(this=exp.Coalesce(this=made.copy(), expressions=[exp.Literal.string("")]))


def _where_missing(value: exp.Expr, other: exp.Expr) -> exp.If:
    return exp.If(this=exp.Is(this=value.copy(), expression=exp.null()), true=other.copy())


def _pattern(node: exp.Expr) -> re.Pattern[str] | None:
    text = _text(node.expression)
    if text is None or not _PLAIN_PATTERN.fullmatch(text):
        return None
    if sum(map(text.count, "*+?")) > _MOST_REPEATS:
        return None
    try:
        return re.compile(text)
    except re.error:
        return None


def _text(node: exp.Expr | None) -> str | None:
    return node.name if isinstance(node, exp.Literal) and node.is_string else None


def _number(node: exp.Expr | None) -> int | None:
    if isinstance(node, exp.Neg):
        value = _number(node.this)
        return None if value is None else -value
    return int(node.name) if isinstance(node, exp.Literal) and node.name.isdigit() else None
