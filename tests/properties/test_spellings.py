"""Spellings that analysts bring along equal the same text on the pooled rows."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

import pytest

from tests.oracle.cohort import shape_of
from tests.properties.comparison import differences, kind_of_arrow, kind_of_duckdb, rows_of
from tests.properties.worlds import Worlds

QUERIES = (
    # outputs that are called as columns are
    "SELECT coalesce(country, 'all') AS country, coalesce(sex, '?') AS sex, count(*) AS n FROM samples WHERE sex <> 'M' GROUP BY ROLLUP (country, sex)",
    "SELECT lower(sex) AS sex, count(*) AS n FROM samples GROUP BY sex HAVING sex = 'F'",
    "SELECT coalesce(sex, 'z') AS sex, count(*) AS n FROM samples GROUP BY 1 HAVING sex <> 'F'",
    "SELECT lower(population) AS population, count(*) AS n FROM samples GROUP BY ALL HAVING population = 'alpha'",
    "SELECT birth_year // 10 AS birth_year, count(*) AS n FROM samples WHERE birth_year > 1950 GROUP BY birth_year",
    "SELECT population, avg(visits) AS visits FROM samples GROUP BY population HAVING visits > 0 ORDER BY visits, population",
    "WITH t AS (SELECT population, sex, count(*) AS n FROM samples GROUP BY ALL) SELECT lower(population) AS population, sum(n) AS n FROM t WHERE n > 2 GROUP BY population",
    # dates of today
    "SELECT sex, avg(extract(year FROM current_date) - birth_year) AS age FROM samples GROUP BY sex",
    "SELECT (year(today()) - birth_year) // 20 AS score, count(*) AS n FROM samples GROUP BY score",
    # lists, and ranges that end where the next begins
    "SELECT y, count(s.sample_id) AS n FROM generate_series(1920, 2000, 10) AS g(y) LEFT JOIN samples AS s ON s.birth_year >= y AND s.birth_year < y + 10 GROUP BY y ORDER BY y",
    "SELECT b.name, count(*) AS n, avg(ldl) AS m FROM samples AS s JOIN (VALUES ('low', 0, 22.5), ('mid', 22.5, 30), ('high', 30, 80)) AS b(name, lo, hi) ON s.bmi > b.lo AND s.bmi <= b.hi GROUP BY b.name",
    "SELECT d, count(*) AS n FROM (SELECT unnest(range(1930, 2000, 10)) AS d) AS t JOIN samples AS s ON s.birth_year BETWEEN d AND d + 9 GROUP BY d",
    "SELECT d, count(*) AS n FROM unnest(generate_series(1930, 1990, 10)) AS t(d) JOIN samples AS s ON s.birth_year // 10 * 10 = d GROUP BY d",
    # what the keys of a group settle
    "SELECT country, sex, count(*) / max(m.n) AS share, min(lower(country)) AS name FROM samples JOIN (SELECT country, count(*) AS n FROM samples GROUP BY country) AS m USING (country) GROUP BY country, sex",
    "SELECT sex, max(sex) AS same, any_value(v.label) AS label, count(*) AS n FROM samples LEFT JOIN (VALUES ('F', 'women')) AS v(sex, label) USING (sex) GROUP BY samples.sex",
    "SELECT birth_year // 10 AS decade, max(birth_year // 10) * 10 AS first_year, count(*) AS n FROM samples GROUP BY decade",
    # rows that are cut
    "SELECT population, count(*) AS n FROM samples GROUP BY population ORDER BY n DESC, population OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY",
    # different sites, and different scores, of a person
    "SELECT k, count(*) AS n FROM (SELECT sample_id, count(DISTINCT variant_id) AS k FROM genotypes WHERE dosage > 0 GROUP BY 1) AS p GROUP BY k",
    "SELECT k, count(*) AS n FROM (SELECT sample_id, count(DISTINCT pgs_id) AS k FROM scores GROUP BY 1) AS p GROUP BY k",
)  # fmt: skip


@pytest.mark.parametrize("text", QUERIES)
def test_spelling_equals_pooled(text: str, worlds: Worlds) -> None:
    """Names, types and rows are DuckDB's on the pooled rows, for persons spread over one to four nodes."""
    for seed in (1, 2, 3):
        world = worlds.world(shape_of(seed, None))
        names, kinds, rows = world.pooled_or_skip(text)
        answer = world.federation.sql(text)
        assert answer.table.column_names == names
        assert [kind_of_arrow(field.type) for field in answer.table.schema] == list(
            map(kind_of_duckdb, kinds)
        )
        ours = rows_of(answer.table)
        if " ORDER BY " not in text.rsplit(")", 1)[-1]:
            ours, rows = (sorted(part, key=repr) for part in (ours, rows))
        assert not differences(ours, rows, [1e3 for _ in names]), text
        assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}
