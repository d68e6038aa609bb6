-- title: a released value that persons are compared with is asked first, and goes in as a constant
SELECT count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples)
-- =>
release of round 1: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 2: rows (samples) where (samples.bmi > $n1) keys () measures (rows as m0)
constant: n1 scalar s1
final: WITH s1 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(bmi)" FROM cells) SELECT CAST(m0 AS BIGINT) AS "n" FROM cells2
---
-- title: a one-row table that is joined with persons is a row of constants
WITH m AS (SELECT avg(bmi) AS mu, max(n) AS top FROM (SELECT country, avg(bmi) AS bmi, count(*) AS n FROM samples GROUP BY country) AS x) SELECT sex, avg((bmi - mu) / top) AS z FROM samples, m GROUP BY sex
-- =>
release of round 1: rows (samples) keys (samples.country: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1, rows as m2)
release of round 2: rows (samples) keys (samples.sex: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
constant: n2 scalar s2.top
constant: n1 scalar s2.mu
final: WITH s1 AS (SELECT k0 AS "country", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "bmi", CAST(m2 AS BIGINT) AS "n" FROM cells), s2 AS (SELECT AVG(x.bmi) AS "mu", MAX(x.n) AS "top" FROM s1 AS x) FINISH cells2 OF SELECT samples.sex AS sex, AVG((samples.bmi - $n1) / $n2) AS z FROM samples AS samples GROUP BY samples.sex
---
-- title: the same constant stands in a group key and in SELECT
SELECT bmi > (SELECT avg(bmi) FROM samples) AS high, count(*) AS n FROM samples GROUP BY bmi > (SELECT avg(bmi) FROM samples)
-- =>
release of round 1: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 2: rows (samples) keys ((samples.bmi > $n1): open) measures (rows as m0)
constant: n1 scalar s1
final: WITH s1 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(bmi)" FROM cells) SELECT k0 AS "high", CAST(m0 AS BIGINT) AS "n" FROM cells2
---
-- title: a constant in FILTER, and the same released value above the release
WITH m AS (SELECT avg(bmi) AS mu FROM samples) SELECT country, avg(bmi) FILTER (WHERE bmi > m.mu) AS high, count(*) FILTER (WHERE bmi <= m.mu) AS low FROM samples CROSS JOIN m GROUP BY country
-- =>
release of round 1: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 2: rows (samples) keys (samples.country: labels) measures (sum samples.bmi in steps of 0.01 over (samples.bmi > $n1) as m0, rows samples.bmi over (samples.bmi > $n1) as m1, rows over (samples.bmi <= $n1) as m2)
constant: n1 scalar s1.mu
final: WITH s1 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "mu" FROM cells) SELECT k0 AS "country", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "high", CAST(m2 AS BIGINT) AS "low" FROM cells2
---
-- title: a set of public rows chooses sites
SELECT count(DISTINCT sample_id) AS n FROM genotypes WHERE dosage > 0 AND pos IN (SELECT pos FROM variants WHERE gene = 'G1')
-- =>
release of round 1: rows (genotypes) where (genotypes.dosage > 0) AND (genotypes.pos IN ($n1)) keys () measures (persons as m0)
constant: n1 in s1
table: variants
final: WITH s1 AS (SELECT variants.pos AS "pos" FROM variants AS variants WHERE variants.gene = 'G1') SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a set of released groups chooses persons
SELECT avg(bmi) AS m FROM samples WHERE birth_year NOT IN (SELECT birth_year FROM samples GROUP BY birth_year HAVING count(*) > 1)
-- =>
release of round 1: rows (samples) keys (samples.birth_year: open) measures (rows as m0)
release of round 2: rows (samples) where (NOT (samples.birth_year IN ($n1))) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
constant: n1 in s1
final: WITH s1 AS (SELECT k0 AS "birth_year" FROM cells WHERE CAST(m0 AS BIGINT) > 1) SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "m" FROM cells2
---
-- title: EXISTS over released rows is true or false for everybody
SELECT count(*) AS n FROM samples WHERE t2d OR EXISTS (SELECT 1 FROM genes WHERE sites > 5)
-- =>
release of round 1: rows (samples) where (samples.t2d OR $n1) keys () measures (rows as m0)
constant: n1 exists s1
table: genes
final: WITH s1 AS (SELECT 1 AS "1" FROM genes AS genes WHERE genes.sites > 5) SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: three rounds, each with a value of the one before
SELECT count(*) AS n FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples WHERE birth_year > (SELECT avg(birth_year) FROM samples))
-- =>
release of round 1: rows (samples) keys () measures (sum samples.birth_year as m0, rows samples.birth_year as m1)
release of round 2: rows (samples) where (samples.birth_year > $n1) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 3: rows (samples) where (samples.bmi > $n2) keys () measures (rows as m0)
constant: n1 scalar s1
constant: n2 scalar s2
final: WITH s1 AS (SELECT (CAST(m0 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(birth_year)" FROM cells), s2 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(bmi)" FROM cells2) SELECT CAST(m0 AS BIGINT) AS "n" FROM cells3
---
-- title: constants in a WITH query that filters persons
WITH m AS (SELECT avg(bmi) AS mu FROM samples), high AS (SELECT sample_id, bmi - mu AS above FROM samples JOIN m ON bmi > mu) SELECT pgs_id, avg(above) AS d FROM high JOIN scores USING (sample_id) GROUP BY pgs_id
-- =>
release of round 1: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 2: rows (samples, scores on sample_id) where (high_samples.bmi > $n1) keys (scores.pgs_id: labels) measures (sum high_samples.bmi in steps of 0.01 as m0, rows high_samples.bmi as m1)
constant: n1 scalar s1.mu
final: WITH s1 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "mu" FROM cells) FINISH cells2 OF SELECT scores.pgs_id AS pgs_id, AVG((high_samples.bmi - $n1)) AS d FROM samples AS high_samples JOIN scores AS scores ON high_samples.sample_id = scores.sample_id WHERE high_samples.bmi > $n1 GROUP BY scores.pgs_id
---
-- title: at most four rounds
SELECT count(*) FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples WHERE bmi > (SELECT avg(bmi) FROM samples))))
-- =>
refused: G601
---
-- title: a table of several rows is no constant
WITH m AS (SELECT sex, avg(bmi) AS mu FROM samples GROUP BY sex) SELECT count(*) FROM samples, m WHERE bmi > mu
-- =>
refused: G502
---
-- title: a row that may be missing is no constant either
WITH m AS (SELECT avg(bmi) AS mu FROM samples HAVING count(*) > 5) SELECT count(*) FROM samples, m WHERE bmi > mu
-- =>
refused: G502
---
-- title: an outer join with a constant row is not answered
WITH m AS (SELECT avg(bmi) AS mu FROM samples) SELECT count(*) FROM samples LEFT JOIN m ON bmi > mu
-- =>
refused: G207
---
-- title: a person is compared with her own group's value
SELECT count(*) FROM samples AS a WHERE bmi > (SELECT avg(b.bmi) FROM samples AS b WHERE b.sex = a.sex)
-- =>
release of round 1: rows (samples) keys (b.sex: labels) measures (sum b.bmi in steps of 0.01 as m0, rows b.bmi as m1)
release of round 2: rows (samples) where (a.bmi > (CASE WHEN (a.sex = $n2) THEN $n1 END)) keys () measures (rows as m0)
constant: n2 scalar s2._k0
constant: n1 scalar s2._v0
final: WITH s1 AS (SELECT k0 AS "_k0", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "_v0" FROM cells), s2 AS (SELECT _row1._v0 AS "_v0", _row1._k0 AS "_k0" FROM s1 AS _row1) SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells2
---
-- title: sample_id is not looked for in a set
SELECT count(*) FROM samples WHERE sample_id IN (SELECT variant_id FROM variants)
-- =>
refused: G501
---
-- title: a parameter of the text is not the mark of a nested query
SELECT count(*) FROM samples WHERE bmi > $n1
-- =>
refused: G405
---
-- title: spreads of values that were standardised by group
WITH m AS (SELECT sex, avg(bmi) AS mean, stddev(bmi) AS sd FROM samples GROUP BY sex) SELECT var_pop((bmi - mean) / sd) AS v FROM samples JOIN m USING (sex)
-- =>
release of round 1: rows (samples) keys (samples.sex: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1, sum samples.bmi * samples.bmi in steps of 0.0001 as m2)
release of round 2: rows (samples) where (samples.sex IN ($n1)) keys () measures (rows samples.bmi over ((samples.sex = $n1) IS TRUE) as m0, sum samples.bmi in steps of 0.01 over ((samples.sex = $n1) IS TRUE) as m1, sum samples.bmi * samples.bmi in steps of 0.0001 over ((samples.sex = $n1) IS TRUE) as m2)
constant: n1 scalar s2.sex
constant: n3 scalar s2._value1
constant: n2 scalar s2.mean
final: WITH s1 AS (SELECT k0 AS "sex", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "mean", (SQRT(((CAST(COMOMENT((CAST(m1 AS BIGINT)), m0, m0, m2) AS DOUBLE) / CAST(10000 AS DOUBLE)) / NULLIF((CAST(m1 AS BIGINT)) - 1, 0)))) AS "sd" FROM cells), s2 AS (SELECT m.sex AS "sex", m.mean AS "mean", (1 / m.sd) AS "_value1" FROM s1 AS m) FINISH cells2 OF SELECT VAR_POP((samples.bmi - (CASE samples.sex WHEN $n1 THEN $n2 END)) * (CASE samples.sex WHEN $n1 THEN $n3 END)) AS "v" FROM samples AS samples WHERE samples.sex IN ($n1)
