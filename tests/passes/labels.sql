-- title: distinct labels are counted, group by group, from counts by label
SELECT sex, count(DISTINCT population) AS p, avg(bmi) AS m FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release: rows (samples) where (NOT (samples.population IS NULL)) keys (samples.sex: labels, samples.population: open) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "k0", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "a0" FROM cells), s2 AS (SELECT k0 AS "k0", k1 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT _v.k0 AS "k0", COUNT(*) AS "v" FROM s2 AS _v GROUP BY _v.k0) SELECT _m.k0 AS "sex", COALESCE(_v1.v, 0) AS "p", _m.a0 AS "m" FROM s1 AS _m LEFT JOIN s3 AS _v1 ON _m.k0 IS NOT DISTINCT FROM _v1.k0
---
-- title: the commonest label, its entropy and its histogram, with a FILTER
SELECT mode(sex) AS m, entropy(sex) AS e, histogram(sex) AS h, count(DISTINCT country) FILTER (WHERE bmi > 25) AS c FROM samples
-- =>
release: rows (samples) keys () measures (rows as m0)
release: rows (samples) where (NOT (samples.sex IS NULL)) keys (samples.sex: labels) measures (rows as m0)
release: rows (samples) where (samples.bmi > 25) AND (NOT (samples.country IS NULL)) keys (samples.country: labels) measures (rows as m0)
final: WITH s1 AS (SELECT CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT ARG_MAX(_v.l, _v.n) AS "v" FROM s2 AS _v), s4 AS (SELECT k0 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s5 AS (SELECT LOG(2, SUM(_v.n)) - SUM(_v.n * LOG(2, _v.n)) / SUM(_v.n) AS "v" FROM s4 AS _v), s6 AS (SELECT k0 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s7 AS (SELECT MAP(ARRAY_AGG(_v.l ORDER BY _v.l), ARRAY_AGG(CAST(_v.n AS UBIGINT) ORDER BY _v.l)) AS "v" FROM s6 AS _v), s8 AS (SELECT k0 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells3), s9 AS (SELECT COUNT(*) AS "v" FROM s8 AS _v) SELECT _v1.v AS "m", COALESCE(_v2.v, 0) AS "e", _v3.v AS "h", COALESCE(_v4.v, 0) AS "c" FROM s1 AS _m CROSS JOIN s3 AS _v1 CROSS JOIN s5 AS _v2 CROSS JOIN s7 AS _v3 CROSS JOIN s9 AS _v4
---
-- title: a HAVING and an ORDER BY of aggregates of labels
SELECT country AS land, count(DISTINCT sex) AS n FROM samples GROUP BY country HAVING count(DISTINCT sex) > 1 ORDER BY entropy(t2d) DESC, land LIMIT 3
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
release: rows (samples) where (NOT (samples.sex IS NULL)) keys (samples.country: labels, samples.sex: labels) measures (rows as m0)
release: rows (samples) where (NOT (samples.t2d IS NULL)) keys (samples.country: labels, samples.t2d: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "k0", k1 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT _v.k0 AS "k0", COUNT(*) AS "v" FROM s2 AS _v GROUP BY _v.k0), s4 AS (SELECT k0 AS "k0", k1 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells3), s5 AS (SELECT _v.k0 AS "k0", LOG(2, SUM(_v.n)) - SUM(_v.n * LOG(2, _v.n)) / SUM(_v.n) AS "v" FROM s4 AS _v GROUP BY _v.k0) SELECT _m.k0 AS "land", COALESCE(_v1.v, 0) AS "n" FROM s1 AS _m LEFT JOIN s3 AS _v1 ON _m.k0 IS NOT DISTINCT FROM _v1.k0 LEFT JOIN s5 AS _v2 ON _m.k0 IS NOT DISTINCT FROM _v2.k0 WHERE COALESCE(_v1.v, 0) > 1 ORDER BY COALESCE(_v2.v, 0) DESC, land LIMIT 3
---
-- title: the commonest of measured values is the value of persons
SELECT mode(bmi) FROM samples
-- =>
refused: G401
---
-- title: a histogram of measured values tells which occur
SELECT histogram(bmi) FROM samples
-- =>
refused: G401
---
-- title: labels of a WITH query
WITH w AS (SELECT population AS p, sex FROM samples WHERE bmi > 20) SELECT sex, mode(p) AS m, count(*) AS n FROM w GROUP BY sex
-- =>
release: rows (samples) where (w_samples.bmi > 20) keys (w_samples.sex: labels) measures (rows as m0)
release: rows (samples) where (w_samples.bmi > 20) AND (NOT (w_samples.population IS NULL)) keys (w_samples.sex: labels, w_samples.population: open) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "k0", k1 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT _v.k0 AS "k0", ARG_MAX(_v.l, _v.n) AS "v" FROM s2 AS _v GROUP BY _v.k0) SELECT _m.k0 AS "sex", _v1.v AS "m", _m.a0 AS "n" FROM s1 AS _m LEFT JOIN s3 AS _v1 ON _m.k0 IS NOT DISTINCT FROM _v1.k0
---
-- title: genes in which somebody has an allele
SELECT count(DISTINCT v.gene) AS genes FROM genotypes g JOIN variants v USING (contig, pos, ref, alt, variant_id) WHERE g.dosage > 0
-- =>
release: rows (genotypes, variants on alt, contig, pos, ref, variant_id) where (g.dosage > 0) keys () measures (rows as m0)
release: rows (genotypes, variants on alt, contig, pos, ref, variant_id) where (g.dosage > 0) AND (NOT (v.gene IS NULL)) keys (v.gene: sites) measures (rows as m0)
final: WITH s1 AS (SELECT CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT COUNT(*) AS "v" FROM s2 AS _v) SELECT COALESCE(_v1.v, 0) AS "genes" FROM s1 AS _m CROSS JOIN s3 AS _v1
---
-- title: labels are listed once, in the order that is written; a list has NULL among them
SELECT sex, list(DISTINCT population ORDER BY population DESC) AS p, string_agg(DISTINCT country, '/' ORDER BY country) FILTER (WHERE bmi > 25) AS c FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
release: rows (samples) keys (samples.sex: labels, samples.population: open) measures (rows as m0)
release: rows (samples) where (samples.bmi > 25) AND (NOT (samples.country IS NULL)) keys (samples.sex: labels, samples.country: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "k0", k1 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT _v.k0 AS "k0", ARRAY_AGG(_v.l ORDER BY _v.l DESC) AS "v" FROM s2 AS _v GROUP BY _v.k0), s4 AS (SELECT k0 AS "k0", k1 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells3), s5 AS (SELECT _v.k0 AS "k0", LISTAGG(_v.l, '/' ORDER BY _v.l) AS "v" FROM s4 AS _v GROUP BY _v.k0) SELECT _m.k0 AS "sex", _v1.v AS "p", _v2.v AS "c" FROM s1 AS _m LEFT JOIN s3 AS _v1 ON _m.k0 IS NOT DISTINCT FROM _v1.k0 LEFT JOIN s5 AS _v2 ON _m.k0 IS NOT DISTINCT FROM _v2.k0
---
-- title: a list in the order of something else
SELECT list(DISTINCT population ORDER BY country) FROM samples
-- =>
refused: G401
---
-- title: a list of measured values
SELECT list(DISTINCT bmi) FROM samples
-- =>
refused: G401
---
-- title: several labels of a row are one value, of which none is missing
SELECT sex, count(DISTINCT (country, t2d)) AS n FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
release: rows (samples) keys (samples.sex: labels, samples.country: labels, samples.t2d: labels) measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "k0", k1 AS "l", k2 AS "l1", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT _v.k0 AS "k0", COUNT(*) AS "v" FROM s2 AS _v GROUP BY _v.k0) SELECT _m.k0 AS "sex", COALESCE(_v1.v, 0) AS "n" FROM s1 AS _m LEFT JOIN s3 AS _v1 ON _m.k0 IS NOT DISTINCT FROM _v1.k0
---
-- title: a histogram of what is made of labels, without those that it makes missing
SELECT histogram(coalesce(sex, 'U')) AS h FROM samples
-- =>
release: rows (samples) keys () measures (rows as m0)
release: rows (samples) keys (coalesce(samples.sex, 'U'): labels) measures (rows as m0)
final: WITH s1 AS (SELECT CAST(m0 AS BIGINT) AS "a0" FROM cells), s2 AS (SELECT k0 AS "l", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT MAP(ARRAY_AGG(_v.l ORDER BY _v.l), ARRAY_AGG(CAST(_v.n AS UBIGINT) ORDER BY _v.l)) AS "v" FROM s2 AS _v WHERE NOT _v.l IS NULL) SELECT _v1.v AS "h" FROM s1 AS _m CROSS JOIN s3 AS _v1
---
-- title: a part of a label by a pattern
SELECT regexp_extract(sex, '(F)|M', 1) AS c, count(*) AS n FROM samples GROUP BY c
-- =>
release: rows (samples) keys ((CASE WHEN (samples.sex = 'F') THEN 'F' WHEN (samples.sex = 'M') THEN '' END): labels) measures (rows as m0)
final: SELECT k0 AS "c", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a part that the pattern does not have
SELECT regexp_extract(country, '(.)', 2) AS c, count(*) AS n FROM samples GROUP BY c
-- =>
refused: G402
---
-- title: distinct rows with values of persons
SELECT count(DISTINCT (sex, birth_year)) AS n FROM samples
-- =>
refused: G301
---
-- title: a histogram of what is made of values of persons
SELECT histogram(birth_year // 10) AS h FROM samples
-- =>
refused: G401
