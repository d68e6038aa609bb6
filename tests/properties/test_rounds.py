"""Queries of several rounds equal the same query on the pooled rows."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

from collections import Counter

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.errors import QueryRefused
from goe_lake.query.rounds import spelling
from tests.oracle.cohort import shape_of
from tests.properties.comparison import differences, rows_of
from tests.properties.worlds import Worlds

QUERIES = (
    "SELECT count(*) AS n, avg(bmi) AS m FROM samples WHERE ldl > (SELECT avg(ldl) FROM samples)",
    "WITH m AS (SELECT avg(bmi) AS mu, avg(ldl) AS sd FROM samples) SELECT sex, avg((bmi - mu) / sd) AS z, "
    "count(*) FILTER (WHERE bmi > mu) AS high FROM samples, m GROUP BY sex ORDER BY sex",
    "SELECT bmi > (SELECT avg(bmi) FROM samples) AS high, count(*) AS n FROM samples GROUP BY bmi > (SELECT avg(bmi) FROM samples) ORDER BY 1",
    "SELECT CASE WHEN bmi > m.mu THEN 'above' WHEN bmi <= m.mu THEN 'below' ELSE 'not known' END AS side, avg(ldl) AS l "
    "FROM samples CROSS JOIN (SELECT avg(bmi) AS mu FROM samples) AS m GROUP BY side ORDER BY side",
    "WITH m AS (SELECT avg(bmi) AS mu FROM samples), z AS (SELECT sample_id, sex, bmi - mu AS d FROM m JOIN samples ON bmi > mu) "
    "SELECT sex, avg(d) AS d, sum(score) AS s FROM z JOIN scores USING (sample_id) GROUP BY sex ORDER BY sex",
    "SELECT count(*) AS n FROM samples WHERE birth_year IN (SELECT birth_year FROM samples GROUP BY 1 HAVING count(*) > 1)",
    "SELECT avg(bmi) AS m FROM samples WHERE population NOT IN (SELECT population FROM samples WHERE t2d AND population IS NOT NULL GROUP BY 1)",
    "SELECT count(DISTINCT sample_id) AS n FROM genotypes WHERE dosage > 0 AND variant_id IN (SELECT variant_id FROM variants WHERE pos > 1000)",
    "SELECT population, count(*) AS n FROM samples WHERE bmi > (SELECT max(m) - 5 FROM (SELECT cohort, avg(bmi) AS m FROM samples GROUP BY 1) AS x) GROUP BY population ORDER BY 1",
    "SELECT count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples WHERE ldl > (SELECT avg(ldl) FROM samples WHERE t2d))",
    "SELECT sum(visits * (SELECT count(*) FROM samples) * 1000000) AS s FROM samples WHERE EXISTS (SELECT 1 FROM samples GROUP BY sex HAVING count(*) > 4)",
    "SELECT (SELECT avg(bmi) FROM samples) - avg(bmi) AS d, count(*) FILTER (WHERE bmi < (SELECT avg(bmi) FROM samples)) AS n FROM samples WHERE sex = 'F'",
    "SELECT country, n / t AS share FROM (SELECT country, count(*) AS n FROM samples WHERE ldl > (SELECT avg(ldl) FROM samples) GROUP BY 1) AS a "
    "JOIN (SELECT country, count(*) AS t FROM samples GROUP BY 1) AS b USING (country) ORDER BY country",
    "SELECT count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples WHERE sex = 'nobody')",
    "SELECT count(*) AS n FROM samples WHERE birth_year NOT IN (SELECT birth_year FROM samples WHERE sex = 'nobody' GROUP BY 1)",
)  # fmt: skip


@pytest.mark.parametrize("text", QUERIES)
def test_query_of_several_rounds_equals_pooled(text: str, worlds: Worlds) -> None:
    """Without protection names and rows are DuckDB's on the pooled rows, and every value is ok."""
    for seed in (1, 3):
        world = worlds.world(shape_of(seed, None))
        names, _, rows = world.pooled_or_skip(text)
        answer = world.federation.sql(text)
        assert answer.table.column_names == names
        assert not differences(rows_of(answer.table), rows, [1e3 for _ in names]), text
        assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}
        assert answer.envelope.rows == "ok"


def test_what_is_shown_after_several_rounds_is_the_pooled_value(worlds: Worlds) -> None:
    """Under protection each query is refused for a constant that is withheld, or shows pooled values."""
    outcomes: Counter[str] = Counter()
    for seed in (0, 2, 3):
        world = worlds.world(shape_of(seed, 2))
        # the oracle's site list also has the sites that are not listed
        for text in (text for text in QUERIES if "FROM variants" not in text):
            try:
                answer, pooled = world.federation.sql(text), world.pooled.run(text)[2]
            except duckdb.Error:
                continue
            except QueryRefused as error:
                outcomes[error.code] += 1
                continue
            if answer.envelope.rows != "ok" or answer.table.num_rows != len(pooled):
                continue
            for ours, status, theirs in zip(
                rows_of(answer.table), rows_of(answer.status), pooled, strict=True
            ):
                told = {place for place, word in enumerate(status) if word == "ok"}
                outcomes["ok"] += len(told)
                outcomes["other"] += len(status) - len(told)
                kept = [[row[place] for place in sorted(told)] for row in (ours, theirs)]
                assert not differences([kept[0]], [kept[1]], [1e3 for _ in told]), text
    assert set(outcomes) <= {"G504", "ok", "other"}
    assert min(outcomes["G504"], outcomes["ok"]) > 3, outcomes


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_constant_is_spelt_in_one_way(value: float) -> None:
    """Doubles keep 12 significant digits, so that reading a constant and writing it again changes nothing."""
    text = spelling(value)
    assert text is not None
    assert spelling(float(text)) == text
    assert float(text) == pytest.approx(value, rel=1e-11)


def test_what_is_no_number_is_no_constant() -> None:
    """Infinity and NaN cannot be written."""
    assert spelling(float("inf")) is None
    assert spelling(float("nan")) is None
