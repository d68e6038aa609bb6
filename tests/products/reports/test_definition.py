"""A report file is read whole, or turned down with its line or setting and the mend."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.errors import ConfigError
from goe_lake.products.reports.definition import parse_report
from goe_lake.products.reports.parameters import Parameter, ParameterType, chosen, filled, used

HEAD = '-- /// report\n-- title = "T"\n-- about = "A"\n-- ///\n'
QUERY = '-- /// query rows\n-- caption = "C"\n-- ///\n\nSELECT 1 AS one\n'
LEAST = "-- [parameters.least]\n-- type = 'integer'\n-- description = 'D'\n-- default = '5'\n"


def test_a_report_is_read_whole() -> None:
    """Title, parameters, queries with their places in the file, and charts."""
    text = (
        '-- A remark.\n-- /// report\n-- title = "T"\n-- about = "A"\n-- schedule = "0 6 * * 1"\n'
        f"{LEAST}-- ///\n"
        '-- /// query rows\n-- caption = "C"\n-- [[charts]]\n-- kind = "bar"\n'
        '-- x = "a"\n-- y = "b"\n-- ///\n'
        "\n-- a comment of the query\nSELECT a, b FROM t WHERE b > $least;\n"
    )
    report = parse_report(text, "name", "name.sql")
    assert (report.name, report.title, report.schedule, report.completeness) == (
        "name",
        "T",
        "0 6 * * 1",
        "all",
    )
    assert [parameter.name for parameter in report.parameters] == ["least"]
    (query,) = report.queries
    assert text.splitlines()[query.line - 1] == "-- a comment of the query"
    assert query.sql.endswith("b > $least")
    assert query.charts[0].columns == {"x": "a", "y": "b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1", "line 1: SQL outside a query"),
        ("", r"\(header\): there is none"),
        (HEAD, "there is no query"),
        (HEAD + HEAD + QUERY, "there are two"),
        (HEAD + QUERY + QUERY, "query rows: there are two"),
        (HEAD + "SELECT 1\n" + QUERY, "SQL follows it"),
        (HEAD + "-- /// query rows\n-- caption = 'C'\nSELECT 1", "line 5: this block has no end"),
        (HEAD + "-- /// query rows\nSELECT 1\n-- ///\n", "line 6: stands inside a header"),
        (HEAD + "-- /// query Rows!\n-- caption = 'C'\n-- ///\nSELECT 1", "is not a name"),
        (HEAD + "-- /// query rows\n-- caption = 'C'\n-- ///\n\n", "has no SQL"),
        (HEAD + "-- /// query rows\n-- ///\nSELECT 1", "caption: is missing"),
        (HEAD.replace("title", "titel") + QUERY, "title: is missing"),
        (
            HEAD.replace('"A"', '"A"\n-- schedule = "weekly"') + QUERY,
            "schedule: 'weekly' has not five fields",
        ),
        (HEAD.replace('"A"', '"A"\n-- completeness = "some"') + QUERY, "'some' is not one of all, any"),
        (HEAD + QUERY.replace('"C"', '"C"\n-- [[charts]]\n-- kind = "pie"'), "'pie' is not one of bar"),
        (HEAD + QUERY.replace('"C"', '"C"\n-- [[charts]]\n-- kind = "bar"\n-- x = "a"'), "y: is missing"),
        (HEAD + QUERY.replace("1 AS one", "$x AS one"), r"\$x: is not a parameter"),
        (HEAD.replace('-- about = "A"\n', f'-- about = "A"\n{LEAST}') + QUERY, "least: stands in no query"),
        (
            HEAD.replace('-- about = "A"\n', '-- about = "A"\n' + LEAST.replace("'5'", "'five'"))
            + QUERY.replace("1 AS", "$least AS"),
            "parameter least: 'five' is not a whole number",
        ),
    ],
)
def test_a_broken_report_is_turned_down(text: str, said: str) -> None:
    """The error names the file and the line or setting."""
    with pytest.raises(ConfigError, match=said) as raised:
        parse_report(text, "r", "r.sql")
    assert str(raised.value).startswith("r.sql: ")


CASES: Mapping[ParameterType, Mapping[str, str | None]] = {
    "text": {"chr1": "'chr1'", "O'Brien": "'O''Brien'", "'; DROP TABLE t --": "'''; DROP TABLE t --'"},
    "integer": {"10": "10", "-3": "-3", "1e3": "1000", "1.5": None, "ten": None, "nan": None},
    "number": {"0.05": "0.05", "1e-8": "0.00000001", "inf": None, "1; SELECT": None},
    "date": {"2026-11-22": "DATE '2026-11-22'", "22.11.2026": None},
    "boolean": {"true": "TRUE", "no": None},
}


@pytest.mark.parametrize(
    ("kind", "value", "literal"),
    [(kind, value, literal) for kind, values in CASES.items() for value, literal in values.items()],
)
def test_a_value_becomes_a_literal(kind: ParameterType, value: str, literal: str | None) -> None:
    """A value is written as SQL of its type, or turned down; it never becomes more than one literal."""
    parameter = Parameter("p", kind, "D")
    if literal is None:
        with pytest.raises(ConfigError, match="parameter p"):
            parameter.literal(value, "r.sql")
    else:
        assert parameter.literal(value, "r.sql") == literal


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_a_text_stays_a_text(value: str) -> None:
    """Whatever is typed, the SQL has the same tokens but for one text."""
    parameter = Parameter("p", "text", "D")
    sql = filled("SELECT $p AS x, '$p', a -- $p", (parameter,), {"p": value}, "r.sql")
    tree = sqlglot.parse_one(sql, read="duckdb")
    first, second, third = tree.expressions
    assert (first.unalias().this, second.this, third.name) == (value, "$p", "a")


def test_parameters_in_texts_and_comments_stay() -> None:
    """Only tokens are parameters."""
    assert used("SELECT '$a', $b, $$ $c $$ -- $d\n/* $e */") == {"b"}


def test_parameters_that_are_not_known_or_lack() -> None:
    """A misspelt name and a missing value are told before anything is asked."""
    parameters = (Parameter("contig", "text", "D"), Parameter("k", "integer", "D", "5", ("5", "10")))
    assert chosen(parameters, {"contig": "chr1"}, "r.sql") == {"contig": "chr1", "k": "5"}
    with pytest.raises(
        ConfigError, match=r"contg: is not a parameter of this report\. known here: contig, k"
    ):
        chosen(parameters, {"contg": "chr1"}, "r.sql")
    with pytest.raises(ConfigError, match=r"contig: has no default\. give --param contig="):
        chosen(parameters, {}, "r.sql")
    with pytest.raises(ConfigError, match=r"k: '7' is not a choice\. one of 5, 10"):
        chosen(parameters, {"contig": "chr1", "k": "7"}, "r.sql")
