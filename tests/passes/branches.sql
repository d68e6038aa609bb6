-- title: VALUES of a person's columns are a release each, under each other
SELECT s.sex, v.name, avg(v.value) AS m FROM samples s, (VALUES ('bmi', s.bmi), ('born', birth_year)) AS v(name, value) WHERE v.value > 20 GROUP BY s.sex, v.name ORDER BY m DESC
-- =>
release: rows (samples) where (s.bmi > 20) keys (s.sex: labels) measures (sum s.bmi in steps of 0.01 as m0, rows s.bmi as m1)
release: rows (samples) where (s.birth_year > 20) keys (s.sex: labels) measures (sum s.birth_year as m0, rows s.birth_year as m1)
final: WITH s1 AS (SELECT k0 AS "g0", 'bmi' AS "g1", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "a0" FROM cells), s2 AS (SELECT k0 AS "g0", 'born' AS "g1", (CAST(m0 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "a0" FROM cells2), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2) SELECT _g.g0 AS "sex", _g.g1 AS "name", _g.a0 AS "m" FROM s3 AS _g ORDER BY m DESC
---
-- title: a branch without rows has no group
SELECT v.name, count(*) AS n FROM samples s CROSS JOIN LATERAL (VALUES ('bmi', s.bmi)) AS v(name, value) GROUP BY v.name
-- =>
release: rows (samples) keys () measures (rows as m0)
final: WITH s1 AS (SELECT 'bmi' AS "g0", CAST(m0 AS BIGINT) AS "a0" FROM cells WHERE CAST(m0 AS BIGINT) > 0) SELECT _g.g0 AS "name", _g.a0 AS "n" FROM s1 AS _g
---
-- title: UNPIVOT of a person's columns
SELECT name, avg(value) AS m FROM (SELECT sex, bmi::DOUBLE AS bmi, birth_year::DOUBLE AS born FROM samples) UNPIVOT (value FOR name IN (bmi, born)) GROUP BY name
-- =>
release: rows (samples) where (NOT (CAST(_q1__pivot_samples.bmi AS DOUBLE) IS NULL)) keys () measures (sum _q1__pivot_samples.bmi in steps of 0.01 as m0, rows _q1__pivot_samples.bmi as m1, rows as m2)
release: rows (samples) where (NOT (CAST(_q1__pivot_samples.birth_year AS DOUBLE) IS NULL)) keys () measures (sum _q1__pivot_samples.birth_year as m0, rows _q1__pivot_samples.birth_year as m1, rows as m2)
final: WITH s1 AS (SELECT 'bmi' AS "g0", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "a0" FROM cells WHERE CAST(m2 AS BIGINT) > 0), s2 AS (SELECT 'born' AS "g0", (CAST(m0 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "a0" FROM cells2 WHERE CAST(m2 AS BIGINT) > 0), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2) SELECT _g.g0 AS "name", _g.a0 AS "m" FROM s3 AS _g
---
-- title: UNION ALL of persons, who may be in several parts
WITH u AS (SELECT 'women' AS who, bmi FROM samples WHERE sex = 'F' UNION ALL SELECT 'all', bmi FROM samples) SELECT who, count(*) AS n, avg(bmi) AS m FROM u GROUP BY who
-- =>
release: rows (samples) where (u_samples.sex = 'F') keys () measures (rows as m0, sum u_samples.bmi in steps of 0.01 as m1, rows u_samples.bmi as m2)
release: rows (samples) keys () measures (rows as m0, sum u_samples.bmi in steps of 0.01 as m1, rows u_samples.bmi as m2)
final: WITH s1 AS (SELECT 'women' AS "g0", CAST(m0 AS BIGINT) AS "a0", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "a1" FROM cells WHERE CAST(m0 AS BIGINT) > 0), s2 AS (SELECT 'all' AS "g0", CAST(m0 AS BIGINT) AS "a0", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "a1" FROM cells2 WHERE CAST(m0 AS BIGINT) > 0), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2) SELECT _g.g0 AS "who", _g.a0 AS "n", _g.a1 AS "m" FROM s3 AS _g
---
-- title: parts that the groups do not tell apart would count a person twice
SELECT avg(value) FROM (SELECT 'bmi' AS name, bmi AS value FROM samples UNION ALL SELECT 'born', birth_year FROM samples) AS u
-- =>
refused: G303
---
-- title: neither do they where two parts have one label
SELECT name, count(*) FROM (SELECT 'a' AS name, bmi FROM samples UNION ALL SELECT 'a', bmi FROM samples) AS u GROUP BY name
-- =>
refused: G303
---
-- title: rows of parts are rows about persons
SELECT name, value FROM (SELECT 'bmi' AS name, bmi AS value FROM samples UNION ALL SELECT 'born', birth_year FROM samples) AS u
-- =>
refused: G303
---
-- title: PIVOT of persons is an aggregate with FILTER a value
FROM samples PIVOT (avg(bmi) FOR sex IN ('F', 'M') GROUP BY country)
-- =>
release: rows (samples) keys (samples.country: labels) measures (sum samples.bmi in steps of 0.01 over (samples.sex = 'F') as m0, rows samples.bmi over (samples.sex = 'F') as m1, sum samples.bmi in steps of 0.01 over (samples.sex = 'M') as m2, rows samples.bmi over (samples.sex = 'M') as m3)
final: WITH s1 AS (SELECT k0 AS "country", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "F", (CAST((CAST(m2 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m3 AS BIGINT)), 0)) AS "M" FROM cells) SELECT samples.country AS "country", samples.f AS "f", samples.m AS "m" FROM s1 AS samples
---
-- title: PIVOT of persons without groups has a row a person
FROM samples PIVOT (avg(bmi) FOR sex IN ('F', 'M'))
-- =>
refused: G303
---
-- title: persons of one set or another
SELECT count(*) AS n FROM samples WHERE sample_id IN (SELECT sample_id FROM scores WHERE score > 0.5 UNION SELECT sample_id FROM genotypes WHERE pos = 101 AND dosage = 2)
-- =>
release: rows (samples, _p1 by person of scores where (scores.score > 0.5), _p2 by person of genotypes where (genotypes.pos = 101) AND (genotypes.dosage = 2)) where ((_p1.present IS TRUE) OR (_p2.present IS TRUE)) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
