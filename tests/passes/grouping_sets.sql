-- title: a ROLLUP is a release for each margin, and each finer one says which margins are asked
SELECT sex, t2d, count(*) AS n, avg(bmi) AS bmi FROM samples GROUP BY ROLLUP (sex, t2d)
-- =>
release: rows (samples) keys (samples.sex: labels, samples.t2d: labels) measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2) beside (k0) ()
release: rows (samples) keys (samples.sex: labels) measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2) beside ()
release: rows (samples) keys () measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2)
final: WITH s1 AS (SELECT k0 AS "sex", k1 AS "t2d", CAST(m0 AS BIGINT) AS "n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "bmi" FROM cells), s2 AS (SELECT k0 AS "sex", CASE WHEN FALSE THEN CAST(NULL AS BOOLEAN) END AS "t2d", CAST(m0 AS BIGINT) AS "n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "bmi" FROM cells2), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2), s4 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", CASE WHEN FALSE THEN CAST(NULL AS BOOLEAN) END AS "t2d", CAST(m0 AS BIGINT) AS "n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "bmi" FROM cells3) SELECT * FROM s3 UNION ALL SELECT * FROM s4
---
-- title: a CUBE with GROUPING, HAVING and ORDER BY
SELECT sex, t2d, grouping(sex, t2d) AS level, count(*) AS n FROM samples GROUP BY CUBE (sex, t2d) HAVING count(*) > 1 OR grouping(sex) = 1 ORDER BY level, 1 NULLS LAST, t2d NULLS LAST LIMIT 5
-- =>
release: rows (samples) keys (samples.sex: labels, samples.t2d: labels) measures (rows as m0) beside (k0) (k1) ()
release: rows (samples) keys (samples.sex: labels) measures (rows as m0) beside ()
release: rows (samples) keys (samples.t2d: labels) measures (rows as m0) beside ()
release: rows (samples) keys () measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "sex", k1 AS "t2d", CAST(0 AS BIGINT) AS "level", CAST(m0 AS BIGINT) AS "n" FROM cells WHERE CAST(m0 AS BIGINT) > 1 OR CAST(0 AS BIGINT) = 1), s2 AS (SELECT k0 AS "sex", CASE WHEN FALSE THEN CAST(NULL AS BOOLEAN) END AS "t2d", CAST(1 AS BIGINT) AS "level", CAST(m0 AS BIGINT) AS "n" FROM cells2 WHERE CAST(m0 AS BIGINT) > 1 OR CAST(0 AS BIGINT) = 1), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2), s4 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", k0 AS "t2d", CAST(2 AS BIGINT) AS "level", CAST(m0 AS BIGINT) AS "n" FROM cells3 WHERE CAST(m0 AS BIGINT) > 1 OR CAST(1 AS BIGINT) = 1), s5 AS (SELECT * FROM s3 UNION ALL SELECT * FROM s4), s6 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", CASE WHEN FALSE THEN CAST(NULL AS BOOLEAN) END AS "t2d", CAST(3 AS BIGINT) AS "level", CAST(m0 AS BIGINT) AS "n" FROM cells4 WHERE CAST(m0 AS BIGINT) > 1 OR CAST(1 AS BIGINT) = 1), s7 AS (SELECT * FROM s5 UNION ALL SELECT * FROM s6) SELECT _g."sex" AS "sex", _g."t2d" AS "t2d", _g."level" AS "level", _g."n" AS "n" FROM s7 AS _g ORDER BY _g."level", _g."sex", _g."t2d" LIMIT 5
---
-- title: GROUPING SETS by computed keys, and an ORDER BY of what is not shown
SELECT country, birth_year // 20 AS decades, count(*) AS n FROM samples GROUP BY GROUPING SETS ((country, decades), (decades), ()) ORDER BY avg(bmi), n
-- =>
release: rows (samples) keys (samples.country: labels, (samples.birth_year // 20): open) measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2) beside (k1) ()
release: rows (samples) keys ((samples.birth_year // 20): open) measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2) beside ()
release: rows (samples) keys () measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2)
final: WITH s1 AS (SELECT k0 AS "country", k1 AS "decades", CAST(m0 AS BIGINT) AS "n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "_order_1" FROM cells), s2 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "country", k0 AS "decades", CAST(m0 AS BIGINT) AS "n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "_order_1" FROM cells2), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2), s4 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "country", CASE WHEN FALSE THEN CAST(NULL AS INT) // 20 END AS "decades", CAST(m0 AS BIGINT) AS "n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "_order_1" FROM cells3), s5 AS (SELECT * FROM s3 UNION ALL SELECT * FROM s4) SELECT _g."country" AS "country", _g."decades" AS "decades", _g."n" AS "n" FROM s5 AS _g ORDER BY _g."_order_1", _g."n"
---
-- title: a key beside a ROLLUP is in every set
SELECT country, sex, sum(t2d::INT) AS cases FROM samples GROUP BY country, ROLLUP (sex)
-- =>
release: rows (samples) keys (samples.country: labels, samples.sex: labels) measures (sum samples.t2d as m0) beside (k0)
release: rows (samples) keys (samples.country: labels) measures (sum samples.t2d as m0)
final: WITH s1 AS (SELECT k0 AS "country", k1 AS "sex", CAST(m0 AS INT128) AS "cases" FROM cells), s2 AS (SELECT k0 AS "country", CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", CAST(m0 AS INT128) AS "cases" FROM cells2) SELECT * FROM s1 UNION ALL SELECT * FROM s2
---
-- title: a window beside a ROLLUP is written around it
SELECT sex, count(*), rank() OVER (ORDER BY count(*)) FROM samples GROUP BY ROLLUP (sex)
-- =>
refused: G301
---
-- title: a ROLLUP of nothing counted
SELECT sex FROM samples GROUP BY ROLLUP (sex)
-- =>
refused: G301
---
-- title: GROUPING of no key
SELECT grouping(bmi), count(*) FROM samples GROUP BY ROLLUP (sex)
-- =>
refused: G305
---
-- title: groups of sites have no margins
SELECT contig, count(*) FROM genotypes GROUP BY ROLLUP (contig)
-- =>
refused: G301
---
-- title: counts by label have their margins by label too
SELECT sex, entropy(cohort) AS e FROM samples GROUP BY ROLLUP (sex)
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0) beside ()
release: rows (samples) where (NOT (samples.cohort IS NULL)) keys (samples.sex: labels, samples.cohort: open) measures (rows as m0) beside (k1)
release: rows (samples) keys () measures (rows as m0)
release: rows (samples) where (NOT (samples.cohort IS NULL)) keys (samples.cohort: open) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "k0", k1 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT _v.k0 AS "k0", LOG(2, SUM(_v.n)) - SUM(_v.n * LOG(2, _v.n)) / SUM(_v.n) AS "v" FROM s2 AS _v GROUP BY _v.k0), s4 AS (SELECT _m.k0 AS "sex", COALESCE(_v1.v, 0) AS "e" FROM s1 AS _m LEFT JOIN s3 AS _v1 ON _m.k0 IS NOT DISTINCT FROM _v1.k0), s5 AS (SELECT CAST(m0 AS BIGINT) AS "a0" FROM cells3), s6 AS (SELECT k0 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells4), s7 AS (SELECT LOG(2, SUM(_v.n)) - SUM(_v.n * LOG(2, _v.n)) / SUM(_v.n) AS "v" FROM s6 AS _v), s8 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", COALESCE(_v1.v, 0) AS "e" FROM s5 AS _m CROSS JOIN s7 AS _v1) SELECT * FROM s4 UNION ALL SELECT * FROM s8
---
-- title: a margin waits for the constants of an earlier round as its cells do
SELECT sex, count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples) GROUP BY ROLLUP (sex)
-- =>
release of round 1: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 2: rows (samples) where (samples.bmi > $n1) keys (samples.sex: labels) measures (rows as m0) beside ()
release of round 2: rows (samples) where (samples.bmi > $n1) keys () measures (rows as m0)
constant: n1 scalar s1
constant: n1 scalar s1
final: WITH s1 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(bmi)" FROM cells), s2 AS (SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells3) SELECT * FROM s2 UNION ALL SELECT * FROM s3
---
-- title: a condition as a key of ROLLUP
SELECT sex, bmi >= 30 AS obese, count(*) AS n FROM samples GROUP BY ROLLUP (sex, bmi >= 30)
-- =>
release: rows (samples) keys (samples.sex: labels, (samples.bmi >= 30): open) measures (rows as m0) beside (k0) ()
release: rows (samples) keys (samples.sex: labels) measures (rows as m0) beside ()
release: rows (samples) keys () measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "sex", k1 AS "obese", CAST(m0 AS BIGINT) AS "n" FROM cells), s2 AS (SELECT k0 AS "sex", CASE WHEN FALSE THEN CAST(NULL AS DOUBLE) >= 30 END AS "obese", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2), s4 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", CASE WHEN FALSE THEN CAST(NULL AS DOUBLE) >= 30 END AS "obese", CAST(m0 AS BIGINT) AS "n" FROM cells3) SELECT * FROM s3 UNION ALL SELECT * FROM s4
---
-- title: a condition in a set of keys, and GROUPING of it
SELECT bmi >= 30 AS obese, grouping(bmi >= 30) AS g, count(*) AS n FROM samples GROUP BY GROUPING SETS ((sex, bmi >= 30), (bmi >= 30))
-- =>
release: rows (samples) keys (samples.sex: labels, (samples.bmi >= 30): open) measures (rows as m0) beside (k1)
release: rows (samples) keys ((samples.bmi >= 30): open) measures (rows as m0)
final: WITH s1 AS (SELECT k1 AS "obese", CAST(0 AS BIGINT) AS "g", CAST(m0 AS BIGINT) AS "n" FROM cells), s2 AS (SELECT k0 AS "obese", CAST(0 AS BIGINT) AS "g", CAST(m0 AS BIGINT) AS "n" FROM cells2) SELECT * FROM s1 UNION ALL SELECT * FROM s2

---
-- title: a histogram with bins beside margins
SELECT sex, histogram(birth_year, [1970]) AS h FROM samples GROUP BY ROLLUP (sex)
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows samples.birth_year as m0, rows over (samples.birth_year > 1970) as m1, rows over (samples.birth_year <= 1970) as m2) beside ()
release: rows (samples) keys () measures (rows samples.birth_year as m0, rows over (samples.birth_year > 1970) as m1, rows over (samples.birth_year <= 1970) as m2)
final: WITH s1 AS (SELECT k0 AS "sex", CASE WHEN CAST(m0 AS BIGINT) > 0 THEN CASE WHEN CAST(CAST(m1 AS BIGINT) AS UBIGINT) > 0 THEN MAP([CAST(1970 AS INT), CAST(2147483647 AS INT)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT), CAST(CAST(m1 AS BIGINT) AS UBIGINT)]) ELSE MAP([CAST(1970 AS INT)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT)]) END END AS "h" FROM cells), s2 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "sex", CASE WHEN CAST(m0 AS BIGINT) > 0 THEN CASE WHEN CAST(CAST(m1 AS BIGINT) AS UBIGINT) > 0 THEN MAP([CAST(1970 AS INT), CAST(2147483647 AS INT)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT), CAST(CAST(m1 AS BIGINT) AS UBIGINT)]) ELSE MAP([CAST(1970 AS INT)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT)]) END END AS "h" FROM cells2) SELECT * FROM s1 UNION ALL SELECT * FROM s2
