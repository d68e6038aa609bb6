"""Brackets around conditions that are keys of ROLLUP, CUBE and GROUPING SETS: the parser needs them."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

DIALECT: Final = "duckdb"
_SETS: Final = (TokenType.ROLLUP, TokenType.CUBE, TokenType.GROUPING_SETS)
_OPEN: Final = (TokenType.L_PAREN, TokenType.L_BRACKET)
_CLOSED: Final = (TokenType.R_PAREN, TokenType.R_BRACKET)
_OF_CONDITIONS: Final = frozenset(
    {
        TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE, TokenType.IS,
        TokenType.IN, TokenType.BETWEEN, TokenType.LIKE, TokenType.ILIKE, TokenType.NOT, TokenType.AND,
        TokenType.OR,
    }
)  # fmt: skip


def with_brackets(text: str) -> tuple[str, list[int]]:
    """*text* with brackets around conditions that are keys of sets, and where in it they were put."""
    tokens = sqlglot.tokenize(text, dialect=DIALECT)
    places: list[tuple[int, str]] = []
    for number, token in enumerate(tokens[:-1]):
        if token.token_type in _SETS and tokens[number + 1].token_type is TokenType.L_PAREN:
            _bracket_keys(tokens, number + 1, places)
    made, last = "", 0
    for place, bracket in sorted(set(places)):
        made += text[last:place] + bracket
        last = place
    return made + text[last:], sorted({place for place, _ in places})


def _bracket_keys(tokens: list[Token], opening: int, places: list[tuple[int, str]]) -> int:
    """Note brackets for the keys between token *opening* and its closing one, which is returned."""
    start, number, condition = opening + 1, opening + 1, False
    while number < len(tokens):
        kind = tokens[number].token_type
        if kind in _OPEN:
            # `(a, b > 1)` is a set of keys; in `f(a)` and `[a]` stands none
            grouped = number == start and kind is TokenType.L_PAREN
            number = (_bracket_keys if grouped else _closing)(tokens, number, places)
        elif kind is TokenType.COMMA or kind in _CLOSED:
            if condition:
                places += [(tokens[start].start, "("), (tokens[number - 1].end + 1, ")")]
            if kind in _CLOSED:
                return number
            start, condition = number + 1, False
        condition = condition or kind in _OF_CONDITIONS
        number += 1
    return number


def _closing(tokens: list[Token], opening: int, _: object) -> int:
    """The place of the bracket that closes the one at *opening*."""
    depth = 0
    for number in range(opening, len(tokens)):
        depth += (tokens[number].token_type in _OPEN) - (tokens[number].token_type in _CLOSED)
        if not depth:
            return number
    return len(tokens)


def as_in_text(query: exp.Expr, text: str, added: list[int]) -> None:
    """Let the nodes of *query* point into *text*, to which brackets were *added* before it was parsed."""
    lines = [0, *(place + 1 for place, letter in enumerate(text) if letter == "\n")]
    for node in query.walk():
        if "start" not in node.meta:
            continue
        start, end = (_before(node.meta[name], added) for name in ("start", "end"))
        line = bisect_right(lines, end)
        # the parser notes the last character of a token, from 1
        node.meta.update(start=start, end=end, line=line, col=end - lines[line - 1] + 1)


def _before(place: int, added: list[int]) -> int:
    """The place in the text of what stands at *place* in the one with brackets."""
    for number, bracket in enumerate(added):
        if bracket + number >= place:
            return place - number
    return place - len(added)
