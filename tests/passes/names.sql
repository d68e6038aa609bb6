-- title: an unknown column is refused where it stands
SELECT count(*) FROM samples
WHERE weight > 80
-- =>
refused: G202 line 2 col 7
---
-- title: a column of two tables needs its table's name
SELECT count(*) FROM samples, scores WHERE samples.sample_id = scores.sample_id AND sample_id IS NOT NULL
-- =>
refused: G202
---
-- title: GROUP BY ALL and ORDER BY ALL are written out
SELECT sex, count(*) AS n FROM samples GROUP BY ALL ORDER BY ALL
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
final: SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells ORDER BY (k0), (CAST(m0 AS BIGINT))
---
-- title: FROM may come first, places and output names may stand for expressions
FROM samples SELECT birth_year // 10 * 10 AS decade, count(*) AS n GROUP BY decade HAVING n >= 2 ORDER BY 1
-- =>
release: rows (samples) keys (((samples.birth_year // 10) * 10): open) measures (rows as m0)
final: SELECT k0 AS "decade", CAST(m0 AS BIGINT) AS "n" FROM cells WHERE CAST(m0 AS BIGINT) >= 2 ORDER BY (k0)
---
-- title: an output named like its column is what ORDER BY means, and the column is what an aggregate means
SELECT sex, avg(bmi) AS bmi FROM samples GROUP BY sex HAVING avg(bmi) > 20 ORDER BY bmi
-- =>
release: rows (samples) keys (samples.sex: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
final: SELECT k0 AS "sex", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "bmi" FROM cells WHERE (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) > 20 ORDER BY ((CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)))
---
-- title: what NATURAL joined, in an aggregate of HAVING
SELECT dosage, count(*) AS n FROM variants NATURAL JOIN genotypes GROUP BY dosage HAVING count(*) FILTER (WHERE ref <> 'A') > 2
-- =>
release: rows (genotypes, variants on alt, contig, pos, ref, variant_id) keys (genotypes.dosage: open) measures (rows as m0, rows over (variants.ref <> 'A') as m1)
final: SELECT k0 AS "dosage", CAST(m0 AS BIGINT) AS "n" FROM cells WHERE CAST(m1 AS BIGINT) > 2
---
-- title: what USING joined, in QUALIFY
SELECT dosage, count(*) AS n FROM variants JOIN genotypes USING (contig, pos, ref, alt, variant_id) GROUP BY dosage QUALIFY sum(count(*) FILTER (WHERE ref <> 'A')) OVER () > 2
-- =>
release: rows (genotypes, variants on alt, contig, pos, ref, variant_id) keys (genotypes.dosage: open) measures (rows as m0, rows over (variants.ref <> 'A') as m1)
final: SELECT k0 AS "dosage", CAST(m0 AS BIGINT) AS "n" FROM cells QUALIFY SUM(CAST(m1 AS BIGINT)) OVER () > 2
---
-- title: a column of two tables that no join makes equal, in HAVING
SELECT dosage, count(*) AS n FROM variants AS v JOIN genotypes AS g ON v.variant_id = g.variant_id GROUP BY dosage HAVING count(*) FILTER (WHERE ref <> 'A') > 2
-- =>
refused: G202
---
-- title: an output named like a column: GROUP BY and WHERE mean the column
SELECT coalesce(country, 'all') AS country, coalesce(sex, '?') AS sex, count(*) AS n FROM samples WHERE sex <> 'M' GROUP BY ROLLUP (country, sex)
-- =>
release: rows (samples) where (samples.sex <> 'M') keys (samples.country: labels, samples.sex: labels) measures (rows as m0) beside (k0) ()
release: rows (samples) where (samples.sex <> 'M') keys (samples.country: labels) measures (rows as m0) beside ()
release: rows (samples) where (samples.sex <> 'M') keys () measures (rows as m0)
final: WITH s1 AS (SELECT COALESCE(k0, 'all') AS "country", COALESCE(k1, '?') AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells), s2 AS (SELECT COALESCE(k0, 'all') AS "country", COALESCE(CASE WHEN FALSE THEN CAST(NULL AS TEXT) END, '?') AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells2), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2), s4 AS (SELECT COALESCE(CASE WHEN FALSE THEN CAST(NULL AS TEXT) END, 'all') AS "country", COALESCE(CASE WHEN FALSE THEN CAST(NULL AS TEXT) END, '?') AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells3) SELECT * FROM s3 UNION ALL SELECT * FROM s4
---
-- title: an output named like a column: HAVING means it where the column is no key
SELECT lower(sex) AS sex, count(*) AS n FROM samples GROUP BY 1 HAVING sex = 'f'
-- =>
release: rows (samples) keys (lower(samples.sex): labels) measures (rows as m0)
final: SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells WHERE k0 = 'f'
---
-- title: an output named like a column: HAVING means the column where it is a key
SELECT lower(sex) AS sex, count(*) AS n FROM samples GROUP BY sex HAVING sex = 'F'
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows as m0)
final: SELECT LOWER(k0) AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells WHERE k0 = 'F'
---
-- title: an output named like a column: an expression of ORDER BY could mean either
SELECT lower(sex) AS sex, count(*) AS n FROM samples GROUP BY sex ORDER BY sex || 'x'
-- =>
refused: G203
---
-- title: an output named like a column: QUALIFY could mean either
SELECT lower(sex) AS sex, count(*) AS n FROM samples GROUP BY sex QUALIFY rank() OVER (ORDER BY sex) = 1
-- =>
refused: G203
