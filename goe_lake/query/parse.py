"""Text to one tree of SELECTs."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokenizer_core import TokenType

from goe_lake.errors import QueryRefused
from goe_lake.query.brackets import as_in_text, with_brackets
from goe_lake.query.refusals import Code, refusal

DIALECT = "duckdb"
MOST_CHARACTERS = 20_000
MOST_DEPTH = 60
# sqlglot warns of statements that it does not know by their text: an analyst's literals are for no console
logging.getLogger("sqlglot").addFilter(
    lambda record: not re.search("unsupported syntax|cannot be transpiled", str(record.msg))
)


def parse(text: str) -> exp.Query:
    """The tree of the one query in *text*; QueryRefused for everything else."""
    if len(text) > MOST_CHARACTERS:
        raise QueryRefused(
            Code.TOO_LARGE, f"the query has {len(text)} characters", hint="write a shorter one"
        )
    _check_nesting(text)
    try:
        statements = _statements(text)
    except ParseError as error:
        raise _not_sql(error) from None
    except (SqlglotError, RecursionError):
        raise QueryRefused(Code.NOT_SQL, "the text cannot be read as SQL") from None
    if not statements:
        raise QueryRefused(Code.NOT_SQL, "the text holds no statement", hint="write a SELECT")
    _check_names(text)
    if len(statements) > 1:
        raise refusal(
            Code.SEVERAL_STATEMENTS, statements[1], "there is a second statement", "send one at a time"
        )
    return _query(statements[0])


#: Functions of other databases that DuckDB does not know, and what does the same in it.
OF_OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nvl": "coalesce(a, b)", "nvl2": "if(a IS NULL, c, b)", "iif": "if(condition, a, b)",
        "isnull": "coalesce(a, b), or a IS NULL", "zeroifnull": "coalesce(a, 0)", "getdate": "current_date",
        "sysdate": "current_date", "to_char": "strftime(d, '%Y-%m'), or a::VARCHAR", "to_number": "a::DOUBLE",
        "to_date": "DATE '2026-11-23'", "charindex": "strpos(text, sought)", "dateadd": "d + INTERVAL 1 YEAR",
        "convert": "a::DOUBLE", "stdev": "stddev(a)", "stdevp": "stddev_pop(a)", "varp": "var_pop(a)",
        "percentile": "quantile_cont(a, 0.5)", "percentile_approx": "quantile_cont(a, 0.5)",
        "approx_percentile": "quantile_cont(a, 0.5)", "collect_list": "list(a)",
        "collect_set": "list(DISTINCT a)", "width_bucket": "floor((a - low) / width)",
        "ratio_to_report": "a / sum(a) OVER ()", "square": "a * a",
        "log1p": "ln(a + 1)", "safe_divide": "a / nullif(b, 0)", "date_format": "strftime(d, '%Y-%m')",
        "initcap": "upper(a[1]) || lower(a[2:])",
    }
)  # fmt: skip


_OF_OTHERS: Final = re.compile(rf"\b({'|'.join(OF_OTHERS)})\s*\(", re.IGNORECASE)


def _check_names(text: str) -> None:
    """Refuse functions that DuckDB does not know, of which the parser knows some by another name."""
    if _OF_OTHERS.search(text) is None:
        return
    tokens = sqlglot.tokenize(text, dialect=DIALECT)
    for token, after in pairwise(tokens):
        name = token.text.lower()
        if (
            name in OF_OTHERS
            and after.token_type is TokenType.L_PAREN
            and token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)
        ):
            raise QueryRefused(
                Code.FUNCTION,
                f"DuckDB has no function {name}",
                token.line,
                token.col - len(name) + 1,
                f"write {OF_OTHERS[name]}",
            )


def _statements(text: str) -> list[exp.Expr]:
    try:
        found = sqlglot.parse(text, dialect=DIALECT)
    except ParseError:
        bracketed, added = with_brackets(text)
        if not added:
            raise
        found = sqlglot.parse(bracketed, dialect=DIALECT)
        for statement in found:
            if statement is not None:
                as_in_text(statement, text, added)
    statements = [statement for statement in found if statement is not None]
    for statement in statements:
        _mark(statement)
    return statements


class Marks(dict[str, object]):
    """Where a node stands in the text, copied as plain values: looking into each took a third of a plan."""

    def __deepcopy__(self, _: object) -> Marks:
        return Marks(self)


def _mark(statement: exp.Expr) -> None:
    """Let the marks of *statement*'s nodes be copied as they are."""
    for node in statement.walk():
        if node._meta:
            node._meta = Marks(node._meta)


def _query(statement: exp.Expr) -> exp.Query:
    if isinstance(statement, exp.Select | exp.SetOperation | exp.Subquery):
        return statement
    if isinstance(statement, exp.Values):
        return exp.select("*").from_(statement)
    if isinstance(statement, exp.Pivot):
        raise refusal(
            Code.NOT_A_SELECT,
            statement,
            "the statement form of PIVOT cannot be read twice",
            "write FROM t PIVOT (sum(n) FOR sex IN ('F', 'M') GROUP BY country)",
        )
    hint = "write SELECT … FROM …"
    if isinstance(statement, exp.Describe | exp.Summarize | exp.Show):
        hint = "what there is stands in a table: SELECT * FROM columns WHERE table_name = 'samples'"
    raise refusal(Code.NOT_A_SELECT, statement, "this is not a SELECT", hint)


def _not_sql(error: ParseError) -> QueryRefused:
    first = error.errors[0] if error.errors else {}
    line, column, near = first.get("line"), first.get("col"), first.get("highlight") or ""
    if column is not None:
        column = max(1, column - max(len(near), 1) + 1)
    message = f"the text cannot be read as SQL{f' near {near!r}' if near else ''}"
    return QueryRefused(Code.NOT_SQL, message, line, column, "check the spelling of the clause")


def _check_nesting(text: str) -> None:
    """Refuse brackets nested so deep that reading them could exhaust the stack."""
    depth = 0
    for character in text:
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        if depth > MOST_DEPTH:
            raise QueryRefused(
                Code.TOO_LARGE, f"brackets nest deeper than {MOST_DEPTH} levels", hint="flatten it"
            )
