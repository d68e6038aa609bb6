"""PIVOT and UNPIVOT as statements: `PIVOT t ON sex USING count(*)` as a SELECT that both parsers read.

DuckDB gives no syntax tree of them without their values, and the other parser knows a part of their clauses.
So they are written as a SELECT before anything is parsed: clauses are moved, by where their words stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from goe_lake.catalog import Catalog, ColumnType
from goe_lake.errors import QueryRefused
from goe_lake.query.refusals import Code

DIALECT: Final = "duckdb"
_OPEN: Final = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSED: Final = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
_CLAUSES: Final = ("ON", "IN", "USING", "INTO", "GROUP BY", "ORDER BY", "LIMIT", "OFFSET")
_LAST: Final = ("ORDER BY", "LIMIT", "OFFSET")
_HINT: Final = "write FROM t PIVOT (sum(n) FOR sex IN ('F', 'M') GROUP BY country)"


def as_select(text: str, catalog: Catalog) -> str:
    """*text* with a PIVOT or UNPIVOT statement as a SELECT; any other text is returned as it is.

    Without IN the columns are the listed labels of the column in *catalog*, in their order. Raises
    QueryRefused (G103) where it has none.
    """
    if "PIVOT" not in text.upper():
        return text
    try:
        tokens = sqlglot.tokenize(text, dialect=DIALECT)
    except SqlglotError:
        return text
    start = _start(tokens)
    if start is None:
        return text
    while tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    clauses = _Clauses.of(text, tokens[start:])
    made = _pivot if tokens[start].token_type is TokenType.PIVOT else _unpivot
    last = [f"{word} {clauses.found[word]}" for word in _LAST if word in clauses.found]
    return " ".join([text[: tokens[start].start] + made(clauses, catalog), *last])


def _start(tokens: Sequence[Token]) -> int | None:
    """Which of *tokens* begins the statement: the first, or the one behind the queries of WITH."""
    kinds = (TokenType.PIVOT, TokenType.UNPIVOT)
    if not tokens or tokens[0].token_type not in (*kinds, TokenType.WITH):
        return None
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSED)
        begins = place == 0 or tokens[place - 1].token_type is TokenType.R_PAREN
        if depth == 0 and begins and token.token_type in kinds:
            return place
        if depth == 0 and token.token_type is TokenType.SELECT:
            return None
    return None


@dataclass(frozen=True)
class _Clauses:
    """The statement as what stands between its words: *source*, and the text behind each word."""

    source: str
    found: dict[str, str]

    @classmethod
    def of(cls, text: str, tokens: Sequence[Token]) -> _Clauses:
        """The clauses of *tokens*, of which the first is PIVOT or UNPIVOT."""
        word, start, depth = "", tokens[0].end + 1, 0
        found: dict[str, str] = {}
        for token in tokens[1:]:
            depth += (token.token_type in _OPEN) - (token.token_type in _CLOSED)
            name = " ".join(token.text.upper().split())
            quoted = token.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
            if depth == 0 and not quoted and name in _CLAUSES and name not in found:
                found[word] = text[start : token.start].strip()
                word, start = name, token.end + 1
        found[word] = text[start : tokens[-1].end + 1].strip()
        return cls(found.pop("", ""), found)


def _pivot(clauses: _Clauses, catalog: Catalog) -> str:
    column = clauses.found.get("ON", "")
    if not clauses.source or not column or "," in column or "INTO" in clauses.found:
        raise _refused("this form of PIVOT is not answered", _HINT)
    values = clauses.found.get("IN") or _labels(clauses.source, column, catalog)
    group = f" GROUP BY {clauses.found['GROUP BY']}" if "GROUP BY" in clauses.found else ""
    using = clauses.found.get("USING", "count(*)")
    return f"SELECT * FROM {clauses.source} PIVOT ({using} FOR {column} IN {values}{group})"


def _labels(source: str, column: str, catalog: Catalog) -> str:
    """The listed labels of *column* of the table *source*, as the values of IN."""
    table = catalog.table(source.strip('"').lower())
    known = table.by_name.get(column.strip('"').lower()) if table is not None else None
    if known is not None and known.type is ColumnType.BOOLEAN:
        return "(false, true)"
    if known is None or not known.values:
        hint = f"name them: PIVOT … ON {column} IN ('…', '…') USING …"
        raise _refused(f"the values of {column} that become columns are not listed", hint)
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(known.values))
    return f"({listed})"


def _unpivot(clauses: _Clauses, _: Catalog) -> str:
    words = clauses.found.get("INTO", "NAME name VALUE value").split()
    columns = clauses.found.get("ON", "")
    whole = len(words) == 4 and words[0].upper() == "NAME" and words[2].upper() == "VALUE"
    if not whole or not clauses.source or not columns or "(" in columns:
        hint = "write FROM t UNPIVOT (value FOR name IN (a, b))"
        raise _refused("this form of UNPIVOT is not answered", hint)
    return f"SELECT * FROM {clauses.source} UNPIVOT ({words[3]} FOR {words[1]} IN ({columns}))"


def _refused(message: str, hint: str) -> QueryRefused:
    return QueryRefused(Code.NOT_A_SELECT, message, hint=hint)
