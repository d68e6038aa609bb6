-- title: allele frequency is pooled: counts travel, the ratio is taken after the merge
SELECT sum(dosage) / sum(called_alleles) AS af FROM genotypes
-- =>
release: rows (genotypes) keys () measures (sum genotypes.dosage as m0, sum genotypes.called_alleles as m1)
final: SELECT CAST(m0 AS INT128) / CAST(m1 AS INT128) AS "af" FROM cells
---
-- title: a mean is a sum at the column's resolution over a count
SELECT avg(bmi) AS bmi_mean FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
final: SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "bmi_mean" FROM cells
---
-- title: a FILTER is part of the measure, with or without WHERE
SELECT count(*) FILTER (t2d) AS cases, count_if(NOT t2d) AS controls FROM samples
-- =>
release: rows (samples) keys () measures (rows over samples.t2d as m0, rows over (NOT samples.t2d) as m1)
final: SELECT CAST(m0 AS BIGINT) AS "cases", CAST(m1 AS INT128) AS "controls" FROM cells
---
-- title: a packed CASE falls into one checked measure a branch
SELECT sum(CASE WHEN sex = 'F' THEN bmi * 1000 WHEN sex = 'M' THEN bmi END) AS packed FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 over ((samples.sex = 'F') IS TRUE) as m0, sum samples.bmi in steps of 0.01 over ((NOT ((samples.sex = 'F') IS TRUE)) AND ((samples.sex = 'M') IS TRUE)) as m1, rows samples.bmi over ((samples.sex = 'F') IS TRUE) as m2, rows samples.bmi over ((NOT ((samples.sex = 'F') IS TRUE)) AND ((samples.sex = 'M') IS TRUE)) as m3)
final: SELECT CAST(CASE WHEN (CAST(m2 AS BIGINT) + CAST(m3 AS BIGINT)) > 0 THEN 0 + COALESCE(m0 * 10, 0) + COALESCE((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)), 0) END AS DOUBLE) AS "packed" FROM cells
---
-- title: a condition as a number is two counts
SELECT avg((bmi > 30)::INT) AS obese FROM samples
-- =>
release: rows (samples) keys () measures (rows over ((samples.bmi > 30) IS TRUE) as m0, rows over ((samples.bmi > 30) IS FALSE) as m1)
final: SELECT (CAST(CASE WHEN (CAST(m0 AS BIGINT) + CAST(m1 AS BIGINT)) > 0 THEN 0 + COALESCE(NULLIF(m0, 0), 0) END AS DOUBLE) / NULLIF((CAST(m0 AS BIGINT) + CAST(m1 AS BIGINT)), 0)) AS "obese" FROM cells
---
-- title: ELSE 0 does not ask for the rows of the ELSE
SELECT sum(CASE WHEN t2d THEN 1 ELSE 0 END) AS cases FROM samples
-- =>
release: rows (samples) keys () measures (rows over (samples.t2d IS TRUE) as m0, rows as m1)
final: SELECT CAST(CASE WHEN (CAST(m1 AS BIGINT)) > 0 THEN 0 + COALESCE(NULLIF(m0, 0), 0) END AS INT128) AS "cases" FROM cells
---
-- title: a high power is no form of a column
SELECT sum(bmi * bmi * bmi) FROM samples
-- =>
refused: G403
---
-- title: two columns in one sum are no form of a column
SELECT sum(bmi + birth_year) FROM samples
-- =>
refused: G403
---
-- title: a label has no sum
SELECT sum(sex) FROM samples
-- =>
refused: G404
---
-- title: an aggregate of an aggregate is turned down
SELECT sum(count(*)) FROM samples
-- =>
refused: G306
---
-- title: an aggregate in the WHERE belongs in the HAVING
SELECT count(*) FROM samples WHERE count(*) > 3
-- =>
refused: G306
---
-- title: distinct values of a trait are the trait
SELECT count(DISTINCT bmi) FROM samples
-- =>
refused: G401
---
-- title: a distinct sum tells which values occur
SELECT sum(DISTINCT bmi) FROM samples
-- =>
refused: G401
---
-- title: another spelling inside another spelling is spelt out as well
SELECT mean(CASE WHEN cohort NOT LIKE 'A%' THEN 1 WHEN cohort NOT ILIKE 'b%' THEN 2 END) AS m, count() AS n FROM samples
-- =>
release: rows (samples) keys () measures (rows over ((NOT (samples.cohort LIKE 'A%')) IS TRUE) as m0, rows over ((NOT ((NOT (samples.cohort LIKE 'A%')) IS TRUE)) AND ((NOT (samples.cohort ILIKE 'b%')) IS TRUE)) as m1, rows as m2)
final: SELECT (CAST(CASE WHEN (CAST(m0 AS BIGINT) + CAST(m1 AS BIGINT)) > 0 THEN 0 + COALESCE(NULLIF(m0, 0), 0) + COALESCE(NULLIF(m1, 0) * 2, 0) END AS DOUBLE) / NULLIF((CAST(m0 AS BIGINT) + CAST(m1 AS BIGINT)), 0)) AS "m", CAST(m2 AS BIGINT) AS "n" FROM cells
