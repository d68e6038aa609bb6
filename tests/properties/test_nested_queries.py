"""Queries above releases equal the same query on the pooled rows: nested, windowed, joined, united."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

import pytest

from tests.oracle.cohort import shape_of
from tests.properties.comparison import differences, kind_of_arrow, kind_of_duckdb, rows_of
from tests.properties.worlds import Worlds

QUERIES = (
    "SELECT country, count(*) AS n, count(*) / sum(count(*)) OVER () AS share FROM samples GROUP BY country",
    "SELECT country, avg(bmi) - (SELECT avg(bmi) FROM samples) AS d FROM samples GROUP BY country",
    "WITH c AS (SELECT country, sex, count(*) AS n, avg(ldl) AS m FROM samples GROUP BY ALL) "
    "SELECT country, sum(n) AS n, max(m) AS m, string_agg(sex, '/' ORDER BY sex) AS sexes FROM c GROUP BY country",
    "SELECT 'F' AS s, avg(bmi) AS m, count(*) AS n FROM samples WHERE sex = 'F' "
    "UNION ALL SELECT 'M', avg(bmi), count(*) FROM samples WHERE sex = 'M'",
    "SELECT population, cohort, count(*) AS n FROM samples GROUP BY population, cohort "
    "QUALIFY rank() OVER (PARTITION BY cohort ORDER BY count(*) DESC, population) = 1",
    "WITH w AS (SELECT sample_id, bmi * 2 AS twice FROM samples WHERE sex = 'F') "
    "SELECT pgs_id, avg(twice) AS m, count(*) AS n FROM w JOIN scores USING (sample_id) WHERE twice > 40 GROUP BY pgs_id",
    "SELECT a.population, a.n, b.n AS cases FROM (SELECT population, count(*) AS n FROM samples GROUP BY 1) AS a "
    "LEFT JOIN (SELECT population, count(*) AS n FROM samples WHERE t2d GROUP BY 1) AS b "
    "ON a.population IS NOT DISTINCT FROM b.population",
    "SELECT a.population, a.n, b.population AS other FROM (SELECT population, count(*) AS n FROM samples GROUP BY 1) AS a "
    "FULL JOIN (SELECT population, count(*) AS n FROM samples WHERE t2d GROUP BY 1) AS b ON a.n = b.n",
    "FROM (SELECT population, sex, count(*) AS n FROM samples GROUP BY ALL) "
    "PIVOT (sum(n) FOR sex IN ('F', 'M') GROUP BY population)",
    "SELECT DISTINCT population FROM samples EXCEPT SELECT population FROM samples WHERE t2d GROUP BY population",
    "SELECT sex, n FROM (SELECT sex, count(*) AS n FROM samples GROUP BY sex) AS x "
    "WHERE n > (SELECT count(*) / 4 FROM samples) AND EXISTS (SELECT 1 FROM variants)",
    "SELECT population, count(*) AS n FROM samples GROUP BY population "
    "HAVING population IN (SELECT population FROM samples WHERE bmi > 25 GROUP BY 1 HAVING count(*) > 2)",
    "WITH f AS (SELECT population, variant_id, avg(dosage) / 2 AS p, count(*) AS n FROM genotypes "
    "JOIN samples USING (sample_id) GROUP BY ALL HAVING n >= 3) SELECT population, avg(2 * p * (1 - p)) AS h FROM f GROUP BY 1",
    "SELECT d.i AS decade, coalesce(n, 0) AS n FROM range(1930, 1980, 10) AS d(i) LEFT JOIN "
    "(SELECT birth_year // 10 * 10 AS decade, count(*) AS n FROM samples GROUP BY 1) AS x ON x.decade = d.i ORDER BY d.i",
    "WITH x AS (SELECT count_if(sex = 'M' AND t2d) AS a, count_if(sex = 'F' AND t2d) AS b FROM samples) "
    "SELECT a * 1.0 / nullif(b, 0) AS r, CASE WHEN a > b THEN 'more' ELSE 'less' END AS word FROM x",
    "SELECT v.gene, v.sites, c.carriers FROM (SELECT gene, count(*) AS sites FROM variants GROUP BY gene) AS v "
    "JOIN (SELECT gene, count(DISTINCT sample_id) AS carriers FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) "
    "WHERE dosage > 0 GROUP BY gene) AS c ON v.gene IS NOT DISTINCT FROM c.gene",
    "SELECT sex, count(*) AS n, rank() OVER w AS place, lag(count(*)) OVER w AS before FROM samples GROUP BY sex "
    "WINDOW w AS (ORDER BY count(*) DESC, sex)",
    "SELECT k, sum(n) AS n FROM (SELECT sex AS k, count(*) AS n FROM samples GROUP BY 1 UNION ALL "
    "SELECT cohort, count(*) FROM samples GROUP BY 1) AS u GROUP BY k HAVING sum(n) > 1 ORDER BY k",
    "SELECT contig, count(*) AS n, min(pos) AS low, list(DISTINCT ref ORDER BY ref) AS refs FROM variants GROUP BY contig",
    "SELECT variant_id, pos FROM variants WHERE pos > 1000 ORDER BY pos DESC, variant_id LIMIT 3",
    "WITH RECURSIVE r(i, n) AS (SELECT 1, (1)::BIGINT UNION ALL SELECT i + 1, n * 2 FROM r WHERE i < 5) SELECT i, n FROM r",
)  # fmt: skip


@pytest.mark.parametrize("text", QUERIES)
def test_query_above_releases_equals_pooled(text: str, worlds: Worlds) -> None:
    """Names, types and rows are DuckDB's on the pooled rows, for persons spread over one to four nodes."""
    for seed in (1, 2, 3):
        world = worlds.world(shape_of(seed, None))
        names, kinds, rows = world.pooled_or_skip(text)
        answer = world.federation.sql(text)
        assert answer.table.column_names == names
        found = [kind_of_arrow(field.type) for field in answer.table.schema]
        assert found == list(map(kind_of_duckdb, kinds))
        assert answer.envelope.rows == "ok"
        ours = rows_of(answer.table)
        if " ORDER BY " not in text.rsplit(")", 1)[-1]:
            ours, rows = (sorted(part, key=repr) for part in (ours, rows))
        assert not differences(ours, rows, [1e3 for _ in names]), text
        assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}


def test_a_bound_may_decide_what_is_hidden(worlds: Worlds) -> None:
    """Groups below every threshold cannot pass a HAVING above it, so that sums above are exact."""
    world = worlds.world(shape_of(4, 3))
    most = sum(node.min_persons - 1 for node in world.federation.nodes)
    inner = f"SELECT birth_year, count(*) AS n FROM samples GROUP BY 1 HAVING count(*) > {most}"
    answer = world.federation.sql(f"SELECT count(*) AS groups, sum(n) AS n FROM ({inner}) AS x")
    assert answer.envelope.rows == "ok"
    assert {word for row in rows_of(answer.status) for word in row} <= {"ok", "partial"}
    open_ended = world.federation.sql(
        "SELECT count(*) AS groups FROM (SELECT birth_year, count(*) AS n FROM samples GROUP BY 1) AS x"
    )
    assert rows_of(open_ended.status) == [("partial",)]
    assert rows_of(open_ended.table) == [(None,)]
