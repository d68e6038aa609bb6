"""Why a query may be turned down: every code, its rule in one sentence, and how a refusal is raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from sqlglot import exp

from goe_lake.errors import QueryRefused, ReleaseRefused


class Code(StrEnum):
    """The codes of refused queries; the text of each is `RULES[code]`."""

    NOT_SQL = "G101"
    SEVERAL_STATEMENTS = "G102"
    NOT_A_SELECT = "G103"
    TOO_LARGE = "G104"
    PARSERS_DIFFER = "G105"
    UNKNOWN_TABLE = "G201"
    UNKNOWN_COLUMN = "G202"
    ALIAS_HIDES_COLUMN = "G203"
    TABLE_TWICE = "G204"
    PERSON_JOIN = "G205"
    SITE_JOIN = "G206"
    JOIN_KIND = "G207"
    NOT_IN_SUBSET = "G301"
    SAMPLING = "G302"
    ROWS_OF_PERSONS = "G303"
    NESTED_QUERY = "G304"
    NOT_AGGREGATED = "G305"
    MISPLACED_AGGREGATE = "G306"
    WINDOW = "G307"
    MIXED_KEY = "G308"
    AGGREGATE = "G401"
    FUNCTION = "G402"
    ARGUMENT_FORM = "G403"
    TYPES = "G404"
    CONSTANT = "G405"
    SAMPLE_ID = "G501"
    MIXED_TABLES = "G502"
    NOT_RELEASED = "G503"
    CONSTANT_NOT_KNOWN = "G504"
    TOO_MUCH_WORK = "G601"
    FINAL_STEP = "G602"
    PROJECT = "G801"
    BUDGET = "G802"
    HELD = "G803"
    NOISE = "G804"
    INTERNAL = "G901"


RULES: dict[Code, str] = {
    Code.NOT_SQL: "The text must be SQL as DuckDB writes it.",
    Code.SEVERAL_STATEMENTS: "A query is one statement.",
    Code.NOT_A_SELECT: "Only SELECT is answered; nothing is ever written or set.",
    Code.TOO_LARGE: "A query has at most 20,000 characters, and is not nested deeper than 60 levels.",
    Code.PARSERS_DIFFER: "Two parsers must read the text alike, or nothing is asked.",
    Code.UNKNOWN_TABLE: "Only tables of the contract can be read, never files, functions or system tables.",
    Code.UNKNOWN_COLUMN: "Every column must be one of the table's, and belong to exactly one table.",
    Code.ALIAS_HIDES_COLUMN: "Which of an output and a column of one name a clause means must be plain.",
    Code.TABLE_TWICE: "Beneath one release a table stands once (genotypes once a site), a name in FROM once.",
    Code.PERSON_JOIN: "Tables about persons join on sample_id, because a person lives at one node.",
    Code.SITE_JOIN: "genotypes and variants join on contig, pos, ref, alt or on variant_id.",
    Code.JOIN_KIND: "Joins of persons add one row a person, or are inner; no ASOF or POSITIONAL.",
    Code.NOT_IN_SUBSET: "Syntax that is not on the list of understood syntax is turned down.",
    Code.SAMPLING: "Sampling would let an analyst average the threshold away.",
    Code.ROWS_OF_PERSONS: "Rows about persons never leave a node; only aggregates do.",
    Code.NESTED_QUERY: "A nested query is asked once, not once a row; to persons its value is a constant.",
    Code.NOT_AGGREGATED: "Every output column is a group key or is built from aggregates.",
    Code.MISPLACED_AGGREGATE: "Aggregates stand in SELECT, HAVING and ORDER BY, and not inside each other.",
    Code.WINDOW: "Window functions stand over groups and released rows, never over rows about persons.",
    Code.MIXED_KEY: "A group key reads columns about persons, or about sites and scores, and not both.",
    Code.AGGREGATE: "Over persons, only aggregates that can be computed from sums and counts are answered.",
    Code.FUNCTION: "Only functions on the list are answered.",
    Code.ARGUMENT_FORM: "A sum or mean is taken of a column, of a times it plus b, or of a CASE of these.",
    Code.TYPES: "The types of an expression must fit together.",
    Code.CONSTANT: "A constant is a number, a text, true, false or NULL.",
    Code.SAMPLE_ID: "sample_id joins and counts, and is never shown, compared, grouped, sorted or hashed.",
    Code.MIXED_TABLES: "A row about a person matches at most one row of a list or of a released table.",
    Code.NOT_RELEASED: "Allele frequencies can be read once the nodes have released them.",
    Code.CONSTANT_NOT_KNOWN: "A value that persons are compared with must have been released whole.",
    Code.PROJECT: "A project asks what each node's officer approved: a purpose, by members, for a time.",
    Code.BUDGET: "A project asks so many queries, cells and rare sites of a node in a day.",
    Code.NOISE: "A node that adds noise answers about listed groups, of one row a person and public bounds.",
    Code.HELD: "Where a node's officer looks at each answer first, it does not leave before.",
    Code.TOO_MUCH_WORK: "The steps above the releases end within limits of time, memory and number.",
    Code.FINAL_STEP: "The steps above the releases must be computable on the values that were released.",
    Code.INTERNAL: "What cannot be planned is not asked.",
}


def refusal(code: Code, node: exp.Expr | None, message: str, hint: str = "") -> QueryRefused:
    """A refusal that points at *node* in the submitted text."""
    line, column = place_of(node)
    return QueryRefused(code.value, message, line, column, hint)


@contextmanager
def within_limits() -> Iterator[None]:
    """Refuse a query whose releases are larger than a node reads (ReleaseRefused)."""
    try:
        yield
    except ReleaseRefused as error:
        hint = "ask for fewer parts, groups or listed rows at once"
        raise refusal(Code.TOO_MUCH_WORK, None, f"what nodes would be asked: {error.message}", hint) from None


#: What the text calls an expression that was put in its place, in the notes of a node
SHOWN: Final = "shown"


def called(made: exp.Expr, column: exp.Column) -> exp.Expr:
    """*made*, which takes the place of *column*, and is called as that is in refusals."""
    marked = next((part.meta for part in column.walk() if "start" in part.meta), {})
    made.meta.update({**marked, SHOWN: column.meta.get(SHOWN) or column.sql("duckdb")})
    return made


def in_the_text(node: exp.Expr) -> tuple[exp.Expr, str]:
    """What the analyst wrote for *node*, and its text: columns of nested queries by their names."""
    around: exp.Expr | None = node
    while around is not None:
        if SHOWN in around.meta:
            return around, str(around.meta[SHOWN])
        around = around.parent
    holder = exp.Paren(this=node.copy())
    for part in list(holder.walk()):
        if SHOWN in part.meta:
            part.replace(exp.Var(this=str(part.meta[SHOWN])))
    return node, holder.this.sql("duckdb")


def place_of(node: exp.Expr | None) -> tuple[int | None, int | None]:
    """The 1-based line and column where *node* begins in the text; None where that is not known."""
    if node is None:
        return None, None
    marked = [part.meta for part in node.walk() if "start" in part.meta]
    if not marked:
        return None, None
    first = min(marked, key=lambda meta: meta["start"])
    # the parser notes the last character of a token
    return first["line"], first["col"] - (first["end"] - first["start"])
