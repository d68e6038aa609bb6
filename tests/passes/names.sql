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
-- title: an output name must not hide a column that another clause reads
SELECT birth_year // 10 AS birth_year, count(*) FROM samples GROUP BY birth_year
-- =>
refused: G203 line 1 col 71
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
