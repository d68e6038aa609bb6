-- title: a named window is the window itself
SELECT country, rank() OVER w AS r, sum(count(*)) OVER (w ROWS UNBOUNDED PRECEDING) AS s FROM samples GROUP BY country WINDOW w AS (ORDER BY count(*) DESC)
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: SELECT k0 AS "country", RANK() OVER (ORDER BY CAST(m0 AS BIGINT) DESC) AS "r", SUM(CAST(m0 AS BIGINT)) OVER (ORDER BY CAST(m0 AS BIGINT) DESC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS "s" FROM cells
---
-- title: an element of a list is counted as DuckDB counts, whatever stands around it
SELECT (quantile_cont(bmi, [0.25, 0.5, 0.75]))[2] AS m FROM samples
-- =>
release: rows (samples) keys () measures (persons as m0)
release: rows (samples) where (NOT (samples.bmi IS NULL)) keys (bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/4 of cells2
quantile: cells.q1 continuous 1/2 of cells2
quantile: cells.q2 continuous 3/4 of cells2
final: SELECT ([q0, q1, q2])[2] AS "m" FROM cells
---
-- title: an element that is chosen by a column
SELECT l[n] AS x FROM (SELECT list(n ORDER BY n) AS l, count(*) AS n FROM (SELECT country, count(*) AS n FROM samples GROUP BY country) AS c) AS d
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells), s2 AS (SELECT ARRAY_AGG(c.n ORDER BY c.n) AS "l", COUNT(*) AS "n" FROM s1 AS c) SELECT LIST_EXTRACT(d.l, d.n) AS "x" FROM s2 AS d
---
-- title: = ANY and list_contains are IN
SELECT count(*) AS n FROM samples WHERE country = ANY(['EE', 'FI']) AND list_contains(['F'], sex)
-- =>
release: rows (samples) where (samples.country IN ('EE', 'FI')) AND (samples.sex IN ('F')) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a row of values is compared field by field
SELECT count(*) AS n FROM samples WHERE (country, sex) IN (('EE', 'F'), ('FI', 'M'))
-- =>
release: rows (samples) where (((samples.country = 'EE') AND (samples.sex IS NOT DISTINCT FROM 'F')) OR ((samples.country = 'FI') AND (samples.sex IS NOT DISTINCT FROM 'M'))) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: quantiles WITHIN GROUP
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY bmi) AS m FROM samples
-- =>
release: rows (samples) keys () measures (persons as m0)
release: rows (samples) where (NOT (samples.bmi IS NULL)) keys (bin_first(samples.bmi, 10.00, 0.01, 7000, 1): open, bin_last(samples.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/2 of cells2
final: SELECT q0 AS "m" FROM cells
---
-- title: quantiles WITHIN GROUP from the top would be others
SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY bmi DESC) AS m FROM samples
-- =>
refused: G301
---
-- title: unnest of constants is a list
SELECT u.x, count(s.sample_id) AS n FROM unnest(['F', 'M']) AS u(x) LEFT JOIN samples s ON s.sex = u.x GROUP BY u.x
-- =>
release: rows (samples) where (s.sex IN ('F', 'M')) keys ((CASE WHEN (s.sex = 'F') THEN 'F' WHEN (s.sex = 'M') THEN 'M' END): labels) measures (rows s.sample_id as m0)
final: WITH s1 AS (SELECT * FROM (VALUES ('F'), ('M')) AS t("x")), s2 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells) SELECT u.x AS "x", COALESCE(_groups.a0, 0) AS "n" FROM s1 AS u LEFT JOIN s2 AS _groups ON u.x = _groups.k0
---
-- title: IN takes unnest of constants as well
SELECT count(*) AS n FROM samples WHERE sex IN (SELECT unnest(['F', 'M']))
-- =>
release of round 1: rows (samples) where (samples.sex IN ($n1)) keys () measures (rows as m0)
constant: n1 in s2
final: WITH s1 AS (SELECT * FROM (VALUES ('F'), ('M')) AS t("unnest(['f', 'm'])")), s2 AS (SELECT _list."unnest(['f', 'm'])" AS "unnest(['f', 'm'])" FROM s1 AS _list) SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: parts of labels are patterns and substrings
SELECT left(cohort, 3) AS c, count(*) FILTER (contains(cohort, 'Bio')) AS n FROM samples GROUP BY c
-- =>
release: rows (samples) keys (substring(samples.cohort, 1, 3): open) measures (rows over (samples.cohort LIKE '%Bio%') as m0)
final: SELECT k0 AS "c", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a letter with a meaning in patterns is looked for by itself
SELECT count(*) AS n FROM samples WHERE contains(cohort, '_')
-- =>
refused: G402
---
-- title: COLUMNS is an item a column, in the order of the table
SELECT country, avg(COLUMNS(['t2d', 'bmi'])::DOUBLE) FROM (SELECT country, bmi, t2d::INT AS t2d FROM samples) AS s GROUP BY country
-- =>
release: rows (samples) keys (s_samples.country: labels) measures (sum s_samples.bmi in steps of 0.01 as m0, rows s_samples.bmi as m1, sum s_samples.t2d as m2, rows s_samples.t2d as m3)
final: SELECT k0 AS "country", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(cast(s.bmi as double))", (CAST(m2 AS DOUBLE) / NULLIF((CAST(m3 AS BIGINT)), 0)) AS "avg(cast(s.t2d as double))" FROM cells
---
-- title: COLUMNS of groups by a pattern
SELECT COLUMNS('^n_') FROM (SELECT country, count(*) AS n_all, count(bmi) AS n_bmi FROM samples GROUP BY country) AS c
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0, rows samples.bmi as m1)
final: WITH s1 AS (SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n_all", CAST(m1 AS BIGINT) AS "n_bmi" FROM cells) SELECT c.n_all AS "n_all", c.n_bmi AS "n_bmi" FROM s1 AS c
---
-- title: COLUMNS elsewhere than in SELECT is a condition a column
SELECT count(*) AS n FROM samples WHERE COLUMNS(['bmi', 'birth_year']) > 20
-- =>
refused: G301
---
-- title: a function of a label is a choice among constants, of labels that are listed
SELECT split_part(sex, 'F', 1) AS c, right(sex, 1) AS s, count(*) AS n FROM samples GROUP BY ALL
-- =>
release: rows (samples) keys ((CASE WHEN (samples.sex = 'F') THEN '' WHEN (samples.sex = 'M') THEN 'M' END): labels, (CASE WHEN (samples.sex = 'F') THEN 'F' WHEN (samples.sex = 'M') THEN 'M' END): labels) measures (rows as m0)
final: SELECT k0 AS "c", k1 AS "s", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a function of a label that is not listed is none
SELECT split_part(cohort, 'B', 1) AS c, count(*) AS n FROM samples GROUP BY c
-- =>
refused: G402
---
-- title: texts that are joined leave out what is missing
SELECT concat_ws('/', sex, country) AS g, count(*) AS n FROM samples GROUP BY g
-- =>
release: rows (samples) keys (coalesce((CASE WHEN (samples.sex IS NULL) THEN samples.country WHEN (samples.country IS NULL) THEN samples.sex ELSE ((samples.sex || '/') || samples.country) END), ''): labels) measures (rows as m0)
final: SELECT k0 AS "g", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a pattern of labels is computed before anybody is asked
SELECT count(*) FILTER (WHERE regexp_matches(sex, '^F')) AS women, count_if(sex SIMILAR TO 'M.?') AS men FROM samples
-- =>
release: rows (samples) keys () measures (rows over (CASE WHEN (samples.sex = 'F') THEN true WHEN (samples.sex = 'M') THEN false END) as m0, rows over (CASE WHEN (samples.sex = 'F') THEN false WHEN (samples.sex = 'M') THEN true END) as m1)
final: SELECT CAST(m0 AS BIGINT) AS "women", CAST(m1 AS INT128) AS "men" FROM cells
---
-- title: a pattern that engines may read otherwise is not computed
SELECT count(*) FILTER (WHERE regexp_matches(sex, '(?i)f')) FROM samples
-- =>
refused: G402
---
-- title: the year of a constant is a number, and that of a year of birth the year
SELECT avg(date_diff('year', make_date(birth_year, 1, 1), DATE '2026-11-23')) AS age, count(*) FILTER (WHERE birth_year > year(DATE '2026-11-23') - 65) AS n FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.birth_year as m0, rows samples.birth_year as m1, rows over (samples.birth_year > (2026 - 65)) as m2)
final: SELECT (CAST(CASE WHEN (CAST(m1 AS BIGINT)) > 0 THEN 0 + COALESCE(m0 * -1, 0) + COALESCE(NULLIF(m1, 0) * 2026, 0) END AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "age", CAST(m2 AS BIGINT) AS "n" FROM cells
---
-- title: a truth of PIVOT is called as DuckDB calls it
FROM samples PIVOT (count(*) AS n, avg(bmi) AS m FOR t2d IN (true, false) GROUP BY sex)
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows over (samples.t2d = true) as m0, sum samples.bmi in steps of 0.01 over (samples.t2d = true) as m1, rows samples.bmi over (samples.t2d = true) as m2, rows over (samples.t2d = false) as m3, sum samples.bmi in steps of 0.01 over (samples.t2d = false) as m4, rows samples.bmi over (samples.t2d = false) as m5)
final: WITH s1 AS (SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "true_n", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "true_m", CAST(m3 AS BIGINT) AS "false_n", (CAST((CAST(m4 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m5 AS BIGINT)), 0)) AS "false_m" FROM cells) SELECT samples.sex AS "sex", samples.true_n AS "true_n", samples.true_m AS "true_m", samples.false_n AS "false_n", samples.false_m AS "false_m" FROM s1 AS samples
---
-- title: a pattern whose groups repeat may take for ever
SELECT count(*) AS n FROM samples WHERE regexp_matches(sex, '(.*)*x')
-- =>
refused: G402
---
-- title: so may one that repeats four times
SELECT count(*) AS n FROM samples WHERE regexp_matches(sex, '.*.*.*.*x')
-- =>
refused: G402
---
-- title: FETCH FIRST is LIMIT
SELECT sex, count(*) AS n FROM samples GROUP BY sex ORDER BY n FETCH FIRST 2 ROWS ONLY
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
final: SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells ORDER BY (CAST(m0 AS BIGINT)) LIMIT 2
---
-- title: FETCH WITH TIES is refused
SELECT sex, count(*) AS n FROM samples GROUP BY sex ORDER BY n FETCH FIRST 2 ROWS WITH TIES
-- =>
refused: G301
---
-- title: functions of other databases: what to write
SELECT sex, nvl(avg(bmi), 0) FROM samples GROUP BY sex
-- =>
refused: G402
---
-- title: names of other databases as columns are names
WITH t AS (SELECT sex AS square, count(*) AS n FROM samples GROUP BY sex) SELECT square FROM t
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "square", CAST(m0 AS BIGINT) AS "n" FROM cells) SELECT t.square AS "square" FROM s1 AS t
---
-- title: a nested query in FROM that reads the person before it is joined by person
SELECT s.sex, avg(x.n) FROM samples AS s, LATERAL (SELECT count(*) AS n FROM scores AS c WHERE c.sample_id = s.sample_id AND c.score > 0) AS x GROUP BY s.sex
-- =>
release: rows (samples, x by person of scores where (c.score > 0): rows as o0) keys (s.sex: labels) measures (sum x.o0 as m0, rows over (NOT (coalesce(x.o0, 0) IS NULL)) as m1)
final: SELECT k0 AS "sex", (CAST(CASE WHEN CAST(m1 AS BIGINT) > 0 THEN 0 + COALESCE(m0, 0) END AS DOUBLE) / NULLIF(CAST(m1 AS BIGINT), 0)) AS "avg(x.n)" FROM cells
---
-- title: LATERAL without FROM names what it computes
SELECT x.band, count(*) FROM samples AS s CROSS JOIN LATERAL (SELECT s.birth_year // 10 * 10 AS band) AS x GROUP BY x.band
-- =>
release: rows (samples) keys (((s.birth_year // 10) * 10): open) measures (rows as m0)
final: SELECT k0 AS "band", CAST(m0 AS BIGINT) AS "count(*)" FROM cells
---
-- title: a lateral row of a person
SELECT avg(c.score) FROM samples AS s JOIN LATERAL (SELECT score FROM scores AS o WHERE o.sample_id = s.sample_id AND o.pgs_id = 'PGS1') AS c ON TRUE WHERE s.sex = 'F'
-- =>
release: rows (samples, scores on sample_id) where (c_o.pgs_id = 'PGS1') AND (s.sex = 'F') keys () measures (sum c_o.score in steps of 0.01 as m0, rows c_o.score as m1)
final: SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(c.score)" FROM cells
---
-- title: a first row of each group of persons is a row about a person
SELECT avg(c.score) FROM samples AS s, LATERAL (SELECT score FROM scores AS o WHERE o.sample_id = s.sample_id ORDER BY score LIMIT 1) AS c
-- =>
refused: G304
---
-- title: a nested query of the row by person
SELECT avg((SELECT sum(dosage) FROM genotypes AS g WHERE g.sample_id = s.sample_id)) FROM samples AS s
-- =>
release: rows (samples, _row1 by person of genotypes: sum g.dosage as o0) keys () measures (sum _row1.o0 as m0, rows _row1.o0 as m1)
final: SELECT (CAST(m0 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(_row1._v0)" FROM cells
---
-- title: at least all of the groups
SELECT sex, count(*) AS n FROM samples GROUP BY sex HAVING count(*) >= ALL (SELECT count(*) FROM samples GROUP BY sex)
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
final: WITH s1 AS (SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells), s2 AS (SELECT _r."count(*)" AS "_v" FROM s1 AS _r), s3 AS (SELECT CASE WHEN COUNT(*) <> COUNT(_all._v) THEN NULL ELSE MAX(_all._v) END AS "case when count(*) <> count(_all._v) then null else max(_all._v) end" FROM s2 AS _all), s4 AS (SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells), s5 AS (SELECT _r."count(*)" AS "_v" FROM s4 AS _r), s6 AS (SELECT COUNT(*) = 0 AS "count(*) = 0" FROM s5 AS _all) SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells WHERE COALESCE(CAST(m0 AS BIGINT) >= (SELECT * FROM s3), (SELECT * FROM s6))
---
-- title: above any of the groups
SELECT count(*) FROM samples WHERE bmi > ANY (SELECT avg(bmi) FROM samples GROUP BY sex)
-- =>
release of round 1: rows (samples) keys (samples.sex: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 2: rows (samples) where (samples.bmi > $n1) keys () measures (rows as m0)
constant: n1 scalar s3
final: WITH s1 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(bmi)" FROM cells), s2 AS (SELECT _r."avg(bmi)" AS "_v" FROM s1 AS _r), s3 AS (SELECT MIN(_all._v) AS "min(_all._v)" FROM s2 AS _all) SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells2
---
-- title: one of the rows, and none of them
SELECT count(*) FROM samples WHERE country = ANY (SELECT country FROM nodes) AND cohort <> ALL (SELECT cohort FROM samples GROUP BY cohort HAVING count(*) > 1000)
-- =>
release of round 1: rows (samples) keys (samples.cohort: open) measures (rows as m0)
release of round 2: rows (samples) where (samples.country IN ($n1)) AND (NOT (samples.cohort IN ($n2))) keys () measures (rows as m0)
constant: n1 in s1
constant: n2 in s2
table: nodes
final: WITH s1 AS (SELECT nodes.country AS "country" FROM nodes AS nodes), s2 AS (SELECT k0 AS "cohort" FROM cells WHERE CAST(m0 AS BIGINT) > 1000) SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells2
---
-- title: a logistic function in a condition and in a key
SELECT round(1 / (1 + exp(-score)), 1) AS risk, count(*) FROM scores WHERE exp(score) > 0.5 AND pgs_id = 'PGS1' GROUP BY risk
-- =>
release: rows (scores) where (exp(scores.score) > 0.5) AND (scores.pgs_id = 'PGS1') keys (round((1 / (1 + exp((- scores.score)))), 1): open) measures (rows as m0)
final: SELECT k0 AS "risk", CAST(m0 AS BIGINT) AS "count(*)" FROM cells
---
-- title: constants in LIMIT and OFFSET are computed
SELECT country, count(*) AS n FROM samples GROUP BY country ORDER BY n LIMIT (2 * 2 - 1) OFFSET 1 + 1
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells ORDER BY (CAST(m0 AS BIGINT)) LIMIT 3 OFFSET 2
---
-- title: LIMIT ALL is no limit
SELECT country, count(*) AS n FROM samples GROUP BY country LIMIT ALL
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a percentage of the released rows
SELECT country, count(*) AS n FROM samples GROUP BY country ORDER BY n LIMIT 12.5%
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells ORDER BY (CAST(m0 AS BIGINT)) LIMIT 12.5 PERCENT
---
-- title: no percentage is above 100
SELECT country, count(*) AS n FROM samples GROUP BY country ORDER BY n LIMIT 101%
-- =>
refused: G405
---
-- title: a limit that is no constant whole number
SELECT country, count(*) AS n FROM samples GROUP BY country ORDER BY n LIMIT 5 / 2
-- =>
refused: G405
