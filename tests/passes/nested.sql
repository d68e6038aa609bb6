-- title: a share of the total is a window over the groups
SELECT country, count(*) AS n, count(*) / sum(count(*)) OVER () AS share FROM samples GROUP BY country
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n", CAST(m0 AS BIGINT) / SUM(CAST(m0 AS BIGINT)) OVER () AS "share" FROM cells
---
-- title: a released value may be compared with another one
SELECT country, avg(bmi) - (SELECT avg(bmi) FROM samples) AS d FROM samples GROUP BY country
-- =>
release: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release: rows (samples) keys (samples.country: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
final: WITH s1 AS (SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(bmi)" FROM cells) SELECT k0 AS "country", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) - (SELECT * FROM s1) AS "d" FROM cells2
---
-- title: a WITH query that aggregates is a release, what reads it is not
WITH c AS (SELECT country, sex, count(*) AS n FROM samples GROUP BY ALL) SELECT country, sum(n) AS n, max(n) AS largest FROM c GROUP BY country HAVING sum(n) > 3
-- =>
release: rows (samples) keys (samples.country: labels, samples.sex: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "country", k1 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells) SELECT c.country AS "country", SUM(c.n) AS "n", MAX(c.n) AS "largest" FROM s1 AS c GROUP BY c.country HAVING SUM(c.n) > 3
---
-- title: a WITH query is asked once, however often it is read
WITH c AS (SELECT country, count(*) AS n FROM samples GROUP BY country) SELECT a.country, a.n, b.n AS other FROM c AS a JOIN c AS b ON a.country < b.country
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells) SELECT a.country AS "country", a.n AS "n", b.n AS "other" FROM s1 AS a JOIN s1 AS b ON a.country < b.country
---
-- title: a WITH query that renames and filters persons is merged into what reads it
WITH w AS (SELECT sample_id, bmi * 2 AS twice FROM samples WHERE sex = 'F') SELECT pgs_id, avg(twice) AS m FROM w JOIN scores USING (sample_id) WHERE twice > 50 GROUP BY pgs_id
-- =>
release: rows (samples, scores on sample_id) where (w_samples.sex = 'F') AND ((w_samples.bmi * 2) > 50) keys (scores.pgs_id: labels) measures (sum w_samples.bmi in steps of 0.01 as m0, rows w_samples.bmi as m1)
final: SELECT k0 AS "pgs_id", (CAST((CAST(m0 AS DOUBLE) / CAST(50 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "m" FROM cells
---
-- title: EXISTS and IN over released rows
SELECT country, count(*) AS n FROM samples GROUP BY country HAVING country IN (SELECT country FROM samples WHERE t2d GROUP BY country HAVING count(*) > 1) AND EXISTS (SELECT 1 FROM genes)
-- =>
release: rows (samples) where samples.t2d keys (samples.country: labels) measures (rows as m0)
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
table: genes
final: WITH s1 AS (SELECT k0 AS "country" FROM cells WHERE CAST(m0 AS BIGINT) > 1), s2 AS (SELECT 1 AS "1" FROM genes AS genes) SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells2 WHERE k0 IN (SELECT * FROM s1) AND EXISTS(SELECT * FROM s2)
---
-- title: the same release twice is one release
SELECT a.n + b.n AS twice FROM (SELECT count(*) AS n FROM samples) AS a, (SELECT count(*) AS n FROM samples) AS b
-- =>
release: rows (samples) keys () measures (rows as m0)
final: WITH s1 AS (SELECT CAST(m0 AS BIGINT) AS "n" FROM cells), s2 AS (SELECT CAST(m0 AS BIGINT) AS "n" FROM cells) SELECT a.n + b.n AS "twice" FROM s1 AS a, s2 AS b
---
-- title: a release joined with a public table
SELECT g.gene, g.sites, c.ac FROM (SELECT gene, sum(dosage) AS ac FROM genotypes JOIN variants USING (contig, pos, ref, alt) GROUP BY gene) AS c JOIN genes AS g ON g.gene = c.gene
-- =>
release: rows (genotypes, variants on alt, contig, pos, ref) keys (variants.gene: sites) measures (sum genotypes.dosage as m0)
table: genes
final: WITH s1 AS (SELECT k0 AS "gene", CAST(m0 AS INT128) AS "ac" FROM cells) SELECT g.gene AS "gene", g.sites AS "sites", c.ac AS "ac" FROM s1 AS c JOIN genes AS g ON g.gene = c.gene
---
-- title: labels may be listed by DISTINCT
SELECT DISTINCT sex FROM samples
-- =>
release: rows (samples) keys (samples.sex: labels) measures (persons as m0)
final: SELECT k0 AS "sex" FROM cells
---
-- title: other values of persons may not
SELECT DISTINCT bmi FROM samples
-- =>
refused: G303
---
-- title: a count once a row is a count by groups
SELECT country, (SELECT count(*) FROM samples AS b WHERE b.country = a.country) AS n FROM (SELECT DISTINCT country FROM samples) AS a
-- =>
release: rows (samples) keys (samples.country: labels) measures (persons as m0)
release: rows (samples) keys (b.country: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "country" FROM cells), s2 AS (SELECT k0 AS "_k0", CAST(m0 AS BIGINT) AS "_v0" FROM cells2) SELECT a.country AS "country", COALESCE(_row1._v0, 0) AS "n" FROM s1 AS a LEFT JOIN s2 AS _row1 ON a.country = _row1._k0
---
-- title: persons are not cut before they are counted
SELECT count(*) FROM (SELECT bmi FROM samples ORDER BY bmi LIMIT 10) AS x
-- =>
refused: G304
---
-- title: persons are not numbered
WITH q AS (SELECT sample_id, row_number() OVER (ORDER BY score) AS k FROM scores) SELECT k, count(*) FROM q GROUP BY k
-- =>
refused: G307
---
-- title: a fabricated person is not a person
WITH x AS (SELECT sample_id || 'a' AS sample_id, bmi FROM samples) SELECT count(DISTINCT sample_id) FROM x
-- =>
refused: G501
---
-- title: persons are not joined with rows that were made up
SELECT avg(bmi) FROM samples, range(30)
-- =>
refused: G502
---
-- title: an extreme value is that of one person
SELECT min(bmi) FROM samples
-- =>
refused: G401
---
-- title: margins over persons are asked one by one, by the gateway
SELECT country, count(*) FROM samples GROUP BY ROLLUP (country)
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0) beside ()
release: rows (samples) keys () measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "count(*)" FROM cells), s2 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "country", CAST(m0 AS BIGINT) AS "count(*)" FROM cells2) SELECT * FROM s1 UNION ALL SELECT * FROM s2
---
-- title: an outer join with a nested query about persons is not an inner one
WITH w AS (SELECT sample_id, score FROM scores WHERE score > 0) SELECT count(*) FROM samples LEFT JOIN w USING (sample_id)
-- =>
refused: G207
---
-- title: a join that counts each person once asks whether there is a row
WITH w AS (SELECT sample_id FROM scores) SELECT count(*) FROM samples SEMI JOIN w USING (sample_id)
-- =>
release: rows (samples, _p1 by person of scores) where _p1.present keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells
---
-- title: a window of persons under a name is a window of persons
SELECT sex, count(*), rank() OVER w FROM samples GROUP BY sex WINDOW w AS (ORDER BY bmi)
-- =>
refused: G305
---
-- title: QUALIFY reads groups
SELECT sex, count(*) FROM samples GROUP BY sex QUALIFY max(bmi) OVER () > 60
-- =>
refused: G305
---
-- title: a FILTER of a window reads groups
SELECT sex, sum(count(*)) FILTER (WHERE t2d) OVER () FROM samples GROUP BY sex
-- =>
refused: G305
---
-- title: a name with $ could be taken for a companion of another column
SELECT n AS "n$s" FROM (SELECT count(*) AS n FROM samples) AS x
-- =>
refused: G301
---
-- title: a recursion does not take the name of a step
WITH RECURSIVE s1(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s1 WHERE i < 3) SELECT i FROM s1
-- =>
refused: G204
---
-- title: nor does it read persons
WITH RECURSIVE r AS (SELECT bmi FROM samples UNION ALL SELECT bmi + 1 FROM r) SELECT count(*) FROM r
-- =>
refused: G304
---
-- title: a union of rows about persons is rows about persons
SELECT count(*) FROM (SELECT bmi FROM samples UNION ALL SELECT birth_year FROM samples) AS x
-- =>
refused: G303
---
-- title: EXISTS over persons asks about persons
SELECT country FROM nodes WHERE EXISTS (SELECT 1 FROM samples WHERE bmi > 60)
-- =>
refused: G304
---
-- title: a nested query about persons in an outer join of released rows is turned down
SELECT n.country FROM nodes AS n LEFT JOIN (SELECT country FROM samples) AS s ON n.country = s.country
-- =>
refused: G305
---
-- title: a value of the row around in a group of rows is not one value
SELECT s.country, avg(s.bmi) - (SELECT avg(bmi) FROM samples x WHERE x.country = s.country) AS d FROM samples s GROUP BY s.country
-- =>
refused: G304
---
-- title: a window over groups is of aggregates, and what the keys settle is not taken out of it
SELECT sex, max(count(*) FILTER (WHERE t2d)) OVER () AS x, max(sex) OVER (ORDER BY sex DESC) AS y FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows over samples.t2d as m0)
final: SELECT k0 AS "sex", MAX(CAST(m0 AS BIGINT)) OVER () AS "x", MAX(k0) OVER (ORDER BY k0 DESC) AS "y" FROM cells
---
-- title: an aggregate of aggregates without OVER is no window
SELECT sex, max(count(*)) AS x FROM samples GROUP BY sex
-- =>
refused: G401
