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
    "SELECT gene, stddev_pop(x) AS sd, corr(x, bmi) AS r, count(*) AS n FROM (SELECT sample_id, gene, sum(dosage) AS x FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene IN ('ABC1', 'ABC2', 'XYZ') GROUP BY ALL) AS b JOIN samples USING (sample_id) GROUP BY gene",
    "SELECT gene, count(*) AS n FROM (SELECT sample_id, gene FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene IN ('ABC1', 'ABC2', 'none') AND dosage >= 1 GROUP BY sample_id, gene HAVING count(*) >= 2) AS b GROUP BY gene",
    "WITH b AS (SELECT sample_id, contig AS c, count(*) AS n FROM genotypes WHERE contig IN ('chr1', 'chr2') AND dosage > 0 GROUP BY ALL), j AS (SELECT b.c, b.n, s.ldl, s.sex FROM b JOIN samples AS s USING (sample_id)) SELECT c, least(n, 2) AS k, avg(ldl) AS m, count(*) AS persons FROM j GROUP BY c, k",
    "SELECT sex, count(*) AS n FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene IN ('ABC1', 'ABC2') AND dosage >= 1 GROUP BY sample_id, gene HAVING count(*) >= 2) GROUP BY sex",
    "SELECT sex, count(*) AS n FROM samples WHERE sample_id IN (SELECT sample_id FROM scores WHERE score > 1 UNION ALL SELECT sample_id FROM genotypes WHERE dosage = 2) GROUP BY sex",
    "WITH b AS (SELECT sample_id, contig AS c, sum(dosage) AS x FROM genotypes WHERE contig IN ('chr1', 'chr2') GROUP BY ALL) SELECT c, count(s.visits) AS v, count(b.sample_id) AS n, count(x) AS k, count(s.t2d AND s.bmi > 20) AS t FROM b JOIN samples AS s USING (sample_id) GROUP BY c",
    # persons chosen in one query and looked up in another
    "WITH o AS (SELECT sample_id, bmi >= 25 AS heavy FROM samples) SELECT heavy, avg(ldl) AS m, count(*) AS n FROM o JOIN samples USING (sample_id) GROUP BY heavy",
    "WITH cases AS (SELECT sample_id FROM samples WHERE t2d) SELECT sex, count(*) AS n, count(s.bmi) AS b FROM samples AS s JOIN cases AS c ON s.sample_id = c.sample_id GROUP BY sex",
    "WITH a AS (SELECT * FROM samples WHERE sex = 'F'), b AS (SELECT sample_id, ldl, visits FROM samples WHERE bmi > 20) SELECT a.country, count(*) AS n, avg(b.ldl) AS m, sum(b.visits) AS v FROM a JOIN b USING (sample_id) GROUP BY a.country",
    "SELECT a.sex, avg(a.bmi) AS m, regr_slope(b.ldl, a.bmi) AS r FROM samples AS a, samples AS b WHERE a.sample_id = b.sample_id AND b.birth_year > 1940 GROUP BY a.sex",
    "WITH c AS (SELECT sample_id, sex AS s FROM samples WHERE t2d) SELECT c.s, g.dosage, count(*) AS n FROM genotypes AS g JOIN samples AS p ON p.sample_id = g.sample_id JOIN c ON c.sample_id = g.sample_id WHERE g.variant_id = 'chr1-1000-A-C' AND p.bmi > 18 GROUP BY c.s, g.dosage",
    "WITH z AS (SELECT sample_id, (ldl - avg(ldl) OVER ()) / stddev(ldl) OVER () AS z FROM samples) SELECT sex, avg(z) AS m, corr(z, bmi) AS r FROM z JOIN samples USING (sample_id) GROUP BY sex",
    "WITH cases AS (SELECT sample_id FROM samples WHERE t2d) SELECT sex, count(*) AS n FROM samples AS s LEFT JOIN cases AS c ON s.sample_id = c.sample_id WHERE c.sample_id IS NULL GROUP BY sex",
    "WITH cases AS (SELECT sample_id FROM samples WHERE t2d) SELECT CASE WHEN c.sample_id IS NOT NULL THEN 'case' ELSE 'control' END AS kind, count(*) AS n, avg(s.ldl) AS m, count(c.sample_id) AS k FROM samples AS s LEFT JOIN cases AS c USING (sample_id) GROUP BY kind",
    "WITH carriers AS (SELECT sample_id FROM genotypes WHERE variant_id = 'chr1-1000-A-C' AND dosage > 0) SELECT s.sex, count(*) AS n, count_if(c.sample_id IS NULL) AS none, avg(CASE WHEN c.sample_id IS NOT NULL THEN ldl END) AS m FROM samples AS s LEFT JOIN carriers AS c ON c.sample_id = s.sample_id GROUP BY s.sex",
    "SELECT count(*) AS n, avg(b.bmi) AS m FROM samples AS s LEFT JOIN (SELECT sample_id, sum(dosage) AS x FROM genotypes WHERE dosage > 0 GROUP BY 1 HAVING sum(dosage) > 4) AS x ON x.sample_id = s.sample_id LEFT JOIN samples AS b ON b.sample_id = s.sample_id WHERE x.sample_id IS NULL",
    # labels that are listed, and quantiles by genotype
    "SELECT country, list(DISTINCT population ORDER BY population) AS p, count(*) AS n FROM samples GROUP BY country",
    "SELECT sex, string_agg(DISTINCT cohort, '; ' ORDER BY cohort DESC) FILTER (WHERE t2d) AS c, array_agg(DISTINCT t2d ORDER BY t2d NULLS FIRST) AS t FROM samples GROUP BY sex HAVING count(*) > 2",
    "SELECT array_to_string(list(DISTINCT gene ORDER BY gene), '/') AS g, len(list(DISTINCT contig)) AS n FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE dosage > 0",
    "SELECT g.dosage, median(s.ldl) AS m, count(*) AS n FROM genotypes AS g JOIN samples AS s USING (sample_id) WHERE g.variant_id = 'chr1-1000-A-C' GROUP BY g.dosage HAVING median(s.ldl) > 0",
    # what released constants make of columns, and what conditions fix
    "WITH own AS (SELECT country, avg(ldl) AS mean, stddev(ldl) AS spread FROM samples WHERE ldl IS NOT NULL GROUP BY country) SELECT sex, stddev((ldl - mean) / spread) AS sd, corr((ldl - mean) / spread, bmi) AS r FROM samples JOIN own USING (country) WHERE spread > 0 GROUP BY sex",
    "SELECT CASE dosage WHEN 0 THEN ref || ref WHEN 1 THEN ref || alt ELSE alt || alt END AS gt, count(*) AS n FROM genotypes WHERE variant_id = 'chr1-1000-A-C' GROUP BY gt",
    "SELECT CASE g.dosage WHEN 0 THEN v.ref || '/' || v.ref ELSE v.alt END AS gt, count(*) AS n, avg(bmi) AS m FROM genotypes AS g JOIN variants AS v USING (variant_id) JOIN samples USING (sample_id) WHERE v.contig = 'chr1' AND v.pos = 1000 AND v.ref = 'A' AND v.alt = 'C' GROUP BY gt HAVING count(*) > 1",
    # PIVOT and UNPIVOT as statements
    "PIVOT samples ON sex IN ('F', 'M') USING avg(bmi) AS m, count(*) AS n GROUP BY population ORDER BY population",
    "PIVOT samples ON t2d USING count(*) AS n GROUP BY sex",
    "WITH t AS (SELECT population, sex, count(*) AS n FROM samples GROUP BY ALL) PIVOT t ON sex IN ('F', 'M') USING sum(n) GROUP BY population",
    "PIVOT samples ON sex IN ('F', 'M') USING round(avg(bmi), 1) AS m, count(t2d) AS n GROUP BY population",
    "UNPIVOT (SELECT sex, avg(bmi) AS bmi, avg(ldl) AS ldl FROM samples GROUP BY sex) ON bmi, ldl INTO NAME trait VALUE mean",
    "SELECT k, count(*) AS n FROM (SELECT sample_id, count(DISTINCT pgs_id) AS k FROM scores GROUP BY 1) AS p GROUP BY k",
    # windows over groups, and rows that are cut by constants and percentages
    "SELECT population, max(count(*) FILTER (WHERE sex = 'F')) OVER () FROM samples GROUP BY population",
    "SELECT population, sum(count(*) FILTER (WHERE sex = 'F')) FILTER (WHERE population <> 'alpha') OVER (ORDER BY count(*) FILTER (WHERE sex = 'M'), population) AS y, first(population) OVER (ORDER BY population DESC) AS z FROM samples GROUP BY population",
    "SELECT variants.variant_id, any_value(gene) OVER (ORDER BY variants.variant_id) AS g, count(*) AS n FROM genotypes JOIN variants USING (variant_id) WHERE dosage > 0 GROUP BY variants.variant_id, gene",
    "SELECT population, count(*) AS n FROM samples GROUP BY population ORDER BY population LIMIT 2 * 2 - 1 OFFSET 1 + 1",
    "SELECT population, count(*) AS n FROM samples GROUP BY population ORDER BY n DESC, population LIMIT 26 PERCENT",
    "SELECT count(*) AS k, sum(n) AS n FROM (SELECT population, count(*) AS n FROM samples GROUP BY population ORDER BY population LIMIT 50%) AS t",
    "(SELECT sex AS s, count(*) AS n FROM samples GROUP BY sex) UNION ALL (SELECT population, count(*) FROM samples GROUP BY population) ORDER BY s LIMIT 33.4% OFFSET 0 + 1",
    # several labels as one value, and what is made of labels
    "SELECT country, count(DISTINCT (sex, population)) AS n, count(DISTINCT (t2d, sex)) FILTER (WHERE bmi > 25) AS k FROM samples GROUP BY country",
    "SELECT sex, t2d, count(DISTINCT (sex, population)) AS n FROM samples GROUP BY ROLLUP (sex, t2d)",
    "SELECT count(DISTINCT population || coalesce(sex, '?')) AS n, count(DISTINCT (contig, sex)) AS s FROM genotypes JOIN samples USING (sample_id) WHERE dosage > 0",
    "SELECT regexp_extract(population, '^(.)', 1) AS p, regexp_extract(cohort, 'z|x') AS c, count(*) AS n FROM samples GROUP BY ALL",
    "SELECT count(*) AS n FROM samples WHERE regexp_extract(population, '(a|e)(.)', 2) = 't'",
    "SELECT country, histogram(upper(population))::VARCHAR AS h FROM samples GROUP BY country",
    "SELECT population, histogram(CASE WHEN sex = 'F' THEN 'women' WHEN t2d THEN 'cases' END)::VARCHAR AS h, entropy(sex = 'F') AS e FROM samples GROUP BY population",
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
