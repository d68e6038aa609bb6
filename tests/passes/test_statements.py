"""PIVOT and UNPIVOT statements become the SELECT that they are short for, and nothing else is touched."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

import pytest

from goe_lake.errors import QueryRefused
from goe_lake.query import as_select
from tests.passes.test_passes import tiny_catalog

WRITTEN = {
    "PIVOT samples ON sex IN ('F', 'M') USING avg(bmi) AS m GROUP BY country ORDER BY country LIMIT 2;": (
        "SELECT * FROM samples PIVOT (avg(bmi) AS m FOR sex IN ('F', 'M') GROUP BY country) "
        "ORDER BY country LIMIT 2"
    ),
    "PIVOT samples ON t2d GROUP BY country": (
        "SELECT * FROM samples PIVOT (count(*) FOR t2d IN (false, true) GROUP BY country)"
    ),
    "pivot samples on SEX using count(*) group by country": (
        "SELECT * FROM samples PIVOT (count(*) FOR SEX IN ('F', 'M') GROUP BY country)"
    ),
    "WITH t AS (SELECT 'PIVOT x ON y' AS a, 1 AS b) PIVOT t ON a IN ('x') USING sum(b)": (
        "WITH t AS (SELECT 'PIVOT x ON y' AS a, 1 AS b) SELECT * FROM t PIVOT (sum(b) FOR a IN ('x'))"
    ),
    "PIVOT (SELECT a, b FROM t JOIN u ON t.k = u.k ORDER BY a) ON a IN ('x') USING sum(b) FILTER (b IN (1, 2))": (
        "SELECT * FROM (SELECT a, b FROM t JOIN u ON t.k = u.k ORDER BY a) "
        "PIVOT (sum(b) FILTER (b IN (1, 2)) FOR a IN ('x'))"
    ),
    "UNPIVOT t ON a, b INTO NAME k VALUE v ORDER BY k": "SELECT * FROM t UNPIVOT (v FOR k IN (a, b)) ORDER BY k",
    "UNPIVOT t ON a": "SELECT * FROM t UNPIVOT (value FOR name IN (a))",
}  # fmt: skip
ASIS = (
    "SELECT 'PIVOT samples ON sex' AS x FROM samples",
    "FROM samples PIVOT (count(*) FOR sex IN ('F') GROUP BY country)",
    "WITH pivot AS (SELECT 1 AS a) SELECT * FROM pivot",
    "WITH t AS (SELECT 1 AS a) SELECT * FROM (t) PIVOT (sum(a) FOR a IN (1))",
    "PIVO samples ON sex",
    "'PIVOT",
)
REFUSED = (
    "PIVOT samples ON sex, t2d USING count(*)",
    "PIVOT samples ON birth_year USING count(*) GROUP BY sex",
    "PIVOT (SELECT sex FROM samples) ON sex USING count(*)",
    "PIVOT samples",
    "PIVOT",
    "UNPIVOT t ON COLUMNS(* EXCLUDE a)",
    "UNPIVOT t ON a INTO VALUE v NAME k",
)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_statement_is_written_as_a_select(text: str) -> None:
    """Its clauses are moved as they are; labels that are listed become columns where no IN names them."""
    assert as_select(text, tiny_catalog()) == WRITTEN[text]


@pytest.mark.parametrize("text", ASIS)
def test_any_other_text_is_left_as_it_is(text: str) -> None:
    """Whatever it says of PIVOT elsewhere."""
    assert as_select(text, tiny_catalog()) == text


@pytest.mark.parametrize("text", REFUSED)
def test_a_statement_of_unknown_columns_is_refused(text: str) -> None:
    """The refusal says what to write instead."""
    with pytest.raises(QueryRefused) as refused:
        as_select(text, tiny_catalog())
    assert refused.value.code == "G103"
    assert "write" in str(refused.value).lower() or "name them" in str(refused.value).lower()
