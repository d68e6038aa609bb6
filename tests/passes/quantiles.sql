-- title: a median is read off counts by intervals that nodes choose
SELECT median(bmi) AS m, count(*) AS n FROM samples
-- =>
release: rows (samples) keys () measures (rows as m0)
release: rows (samples) where (NOT (samples.bmi IS NULL)) keys (bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/2 of cells2
final: SELECT q0 AS "m", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: quantiles of groups, with FILTER, each set of values counted once
SELECT country, median(bmi) AS m, quantile_disc(birth_year, 0.25) FILTER (WHERE t2d) AS q, quantile_cont(bmi, 0.9) AS h FROM samples GROUP BY country HAVING median(bmi) > 20
-- =>
release: rows (samples) keys (samples.country: labels) measures (persons as m0)
release: rows (samples) where (NOT (samples.bmi IS NULL)) keys (samples.country: labels, bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
release: rows (samples) where samples.t2d AND (NOT (samples.birth_year IS NULL)) keys (samples.country: labels, bin_first(samples.birth_year, 1900, 1, 130, 1): open, bin_last(samples.birth_year, 1900, 1, 130, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/2 of cells2
quantile: cells.q1 discrete 1/4 of cells3
quantile: cells.q2 continuous 9/10 of cells2
final: SELECT k0 AS "country", q0 AS "m", q1 AS "q", q2 AS "h" FROM cells WHERE q0 > 20
---
-- title: a list of probabilities gives a list
SELECT quantile_cont(bmi, [0.25, 0.75]) AS q FROM samples WHERE sex = 'F'
-- =>
release: rows (samples) where (samples.sex = 'F') keys () measures (persons as m0)
release: rows (samples) where (samples.sex = 'F') AND (NOT (samples.bmi IS NULL)) keys (bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/4 of cells2
quantile: cells.q1 continuous 3/4 of cells2
final: SELECT [q0, q1] AS "q" FROM cells
---
-- title: a median is a constant as well
SELECT count(*) AS n FROM samples WHERE bmi > (SELECT median(bmi) FROM samples)
-- =>
release of round 1: rows (samples) keys () measures (persons as m0)
release of round 1: rows (samples) where (NOT (samples.bmi IS NULL)) keys (bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
release of round 2: rows (samples) where (samples.bmi > $n1) keys () measures (rows as m0)
constant: n1 scalar s1
quantile: cells.q0 continuous 1/2 of cells2
final: WITH s1 AS (SELECT q0 AS "median(bmi)" FROM cells) SELECT CAST(m0 AS BIGINT) AS "n" FROM cells3
---
-- title: a median of persons who are chosen by a median
SELECT median(birth_year) AS y FROM samples WHERE bmi > (SELECT median(bmi) FROM samples)
-- =>
release of round 1: rows (samples) keys () measures (persons as m0)
release of round 1: rows (samples) where (NOT (samples.bmi IS NULL)) keys (bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
release of round 2: rows (samples) where (samples.bmi > $n1) keys () measures (persons as m0)
release of round 2: rows (samples) where (samples.bmi > $n1) AND (NOT (samples.birth_year IS NULL)) keys (bin_first(samples.birth_year, 1900, 1, 130, 1): open, bin_last(samples.birth_year, 1900, 1, 130, 1): open) measures (rows as m0)
constant: n1 scalar s1
quantile: cells.q0 continuous 1/2 of cells2
quantile: cells3.q0 continuous 1/2 of cells4
final: WITH s1 AS (SELECT q0 AS "median(bmi)" FROM cells) SELECT q0 AS "y" FROM cells3
---
-- title: equal parts of persons are cut at quantiles of an earlier round
WITH q AS (SELECT sample_id, ntile(3) OVER (ORDER BY score) AS k FROM scores WHERE pgs_id = 'PGS000001') SELECT k, count(*) AS n, avg(bmi) AS m FROM q JOIN samples USING (sample_id) GROUP BY k
-- =>
release of round 1: rows (scores) where (scores.pgs_id = 'PGS000001') keys () measures (persons as m0)
release of round 1: rows (scores) where (scores.pgs_id = 'PGS000001') AND (NOT (scores.score IS NULL)) keys (bin_first(scores.score, (-1.00), 0.01, 200, 1): open, bin_last(scores.score, (-1.00), 0.01, 200, 1): open) measures (rows as m0)
release of round 2: rows (scores, samples on sample_id) where (q_scores.pgs_id = 'PGS000001') keys ((CASE WHEN (q_scores.score <= $n1) THEN 1 WHEN (q_scores.score <= $n2) THEN 2 ELSE 3 END): open) measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2)
constant: n1 scalar s1._v0
constant: n2 scalar s1._v1
quantile: cells.q0 discrete 333333333333/1000000000000 of cells2
quantile: cells.q1 discrete 666666666667/1000000000000 of cells2
final: WITH s1 AS (SELECT q0 AS "_v0", q1 AS "_v1" FROM cells) SELECT k0 AS "k", CAST(m0 AS BIGINT) AS "n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "m" FROM cells3
---
-- title: the first part may be that of the largest values
WITH q AS (SELECT ntile(2) OVER (ORDER BY birth_year DESC) AS k, t2d FROM samples WHERE birth_year IS NOT NULL) SELECT k, count(*) AS n FROM q GROUP BY k
-- =>
release of round 1: rows (samples) where (NOT (samples.birth_year IS NULL)) keys () measures (persons as m0)
release of round 1: rows (samples) where (NOT (samples.birth_year IS NULL)) keys (bin_first(samples.birth_year, 1900, 1, 130, 1): open, bin_last(samples.birth_year, 1900, 1, 130, 1): open) measures (rows as m0)
release of round 2: rows (samples) where (NOT (q_samples.birth_year IS NULL)) keys ((CASE WHEN (q_samples.birth_year > $n1) THEN 1 ELSE 2 END): open) measures (rows as m0)
constant: n1 scalar s1._v0
quantile: cells.q0 discrete 1/2 of cells2
final: WITH s1 AS (SELECT q0 AS "_v0" FROM cells) SELECT k0 AS "k", CAST(m0 AS BIGINT) AS "n" FROM cells3
---
-- title: ntile over groups is a window like any other
SELECT sex, ntile(2) OVER (ORDER BY count(*), sex) AS k FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
final: SELECT k0 AS "sex", NTILE(2) OVER (ORDER BY CAST(m0 AS BIGINT), k0) AS "k" FROM cells
---
-- title: who has no value is in no part
WITH q AS (SELECT ntile(4) OVER (ORDER BY bmi) AS k FROM samples) SELECT k, count(*) FROM q GROUP BY k
-- =>
refused: G307
---
-- title: parts within groups are cut at quantiles of each group
WITH q AS (SELECT ntile(4) OVER (PARTITION BY sex ORDER BY birth_year) AS k FROM samples WHERE birth_year IS NOT NULL) SELECT k, count(*) FROM q GROUP BY k
-- =>
release of round 1: rows (samples) where (NOT (samples.birth_year IS NULL)) keys (samples.sex: labels) measures (persons as m0)
release of round 1: rows (samples) where (NOT (samples.birth_year IS NULL)) keys (samples.sex: labels, bin_first(samples.birth_year, 1900, 1, 130, 1): open, bin_last(samples.birth_year, 1900, 1, 130, 1): open) measures (rows as m0)
release of round 2: rows (samples) where (NOT (q_samples.birth_year IS NULL)) keys ((CASE WHEN (q_samples.birth_year <= (CASE WHEN (q_samples.sex IS NOT DISTINCT FROM $n1) THEN $n2 END)) THEN 1 WHEN (q_samples.birth_year <= (CASE WHEN (q_samples.sex IS NOT DISTINCT FROM $n1) THEN $n3 END)) THEN 2 WHEN (q_samples.birth_year <= (CASE WHEN (q_samples.sex IS NOT DISTINCT FROM $n1) THEN $n4 END)) THEN 3 ELSE 4 END): open) measures (rows as m0)
constant: n2 scalar s2._v0
constant: n3 scalar s2._v1
constant: n4 scalar s2._v2
constant: n1 scalar s2._k0
quantile: cells.q0 discrete 1/4 of cells2
quantile: cells.q1 discrete 1/2 of cells2
quantile: cells.q2 discrete 3/4 of cells2
final: WITH s1 AS (SELECT k0 AS "_k0", q0 AS "_v0", q1 AS "_v1", q2 AS "_v2" FROM cells), s2 AS (SELECT _cuts1._k0 AS "_k0", _cuts1._v0 AS "_v0", _cuts1._v1 AS "_v1", _cuts1._v2 AS "_v2" FROM s1 AS _cuts1) SELECT k0 AS "k", CAST(m0 AS BIGINT) AS "count(*)" FROM cells3
---
-- title: a rank is that of one person
WITH q AS (SELECT percent_rank() OVER (ORDER BY bmi) AS r FROM samples) SELECT count(*) FROM q WHERE r > 0.9
-- =>
refused: G307
---
-- title: so is the share of persons below her
WITH q AS (SELECT cume_dist() OVER (ORDER BY bmi) AS r FROM samples) SELECT count(*) FROM q WHERE r > 0.9
-- =>
refused: G307
---
-- title: a probability is written out
SELECT quantile_cont(bmi, birth_year / 2000) FROM samples
-- =>
refused: G405
---
-- title: a probability lies between 0 and 1
SELECT quantile_cont(bmi, 1.5) FROM samples
-- =>
refused: G405
---
-- title: a quantile is of one column
SELECT median(bmi * birth_year) FROM samples
-- =>
refused: G403
---
-- title: of a measured one
SELECT median(dosage) FROM genotypes
-- =>
refused: G403
---
-- title: of persons, and not of their genotypes
SELECT median(bmi) FROM genotypes JOIN samples USING (sample_id)
-- =>
refused: G403
---
-- title: labels have no median
SELECT median(sex) FROM samples
-- =>
refused: G404
---
-- title: the largest value is that of one person
SELECT arg_max(bmi, birth_year) FROM samples
-- =>
refused: G401
---
-- title: the first one too
SELECT first(bmi) FROM samples
-- =>
refused: G401
---
-- title: the median distance from the median, read off the same intervals as the median
SELECT sex, mad(bmi) AS d, median(bmi) AS m FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (persons as m0)
release: rows (samples) where (NOT (samples.bmi IS NULL)) keys (samples.sex: labels, bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
quantile: cells.q0 deviation 1/2 of cells2
quantile: cells.q1 continuous 1/2 of cells2
final: SELECT k0 AS "sex", q0 AS "d", q1 AS "m" FROM cells
---
-- title: a quantile is of the groups that are asked, not of their margins
SELECT sex, median(bmi) FROM samples GROUP BY ROLLUP (sex)
-- =>
refused: G401
