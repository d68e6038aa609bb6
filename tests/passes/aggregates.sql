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
-- title: a power above the fourth is no form of a column
SELECT sum(bmi * bmi * bmi * bmi * bmi) FROM samples
-- =>
refused: G403
---
-- title: a cube is a product of one column
SELECT sum(bmi * bmi * bmi) AS one, sum(pow(bmi, 3)) AS same FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.bmi * samples.bmi * samples.bmi in steps of 0.000001 as m0)
final: SELECT CAST((CAST(m0 AS DOUBLE) / CAST(1000000 AS DOUBLE)) AS DOUBLE) AS "one", CAST((CAST(m0 AS DOUBLE) / CAST(1000000 AS DOUBLE)) AS DOUBLE) AS "same" FROM cells
---
-- title: DuckDB sums truths
SELECT sum(bmi >= 30) AS obese FROM samples
-- =>
release: rows (samples) keys () measures (rows over ((samples.bmi >= 30) IS TRUE) as m0, rows over ((samples.bmi >= 30) IS FALSE) as m1)
final: SELECT CAST(CASE WHEN (CAST(m0 AS BIGINT) + CAST(m1 AS BIGINT)) > 0 THEN 0 + COALESCE(NULLIF(m0, 0), 0) END AS INT128) AS "obese" FROM cells
---
-- title: a logarithm is a computed column, and its base and factor are the gateway's
SELECT avg(ln(2 * bmi)) AS e, avg(log10(bmi)) AS ten FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.ln$bmi in steps of 0.001 as m0, rows samples.bmi as m1)
final: SELECT (CAST(CASE WHEN (CAST(m1 AS BIGINT)) > 0 THEN 0 + COALESCE((CAST(m0 AS DOUBLE) / CAST(1000 AS DOUBLE)), 0) + COALESCE(((CAST(NULLIF(m1, 0) AS DOUBLE) * CAST(346573590279972654708616060729 AS DOUBLE)) / CAST(500000000000000000000000000000 AS DOUBLE)), 0) END AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "e", (CAST(((CAST(m0 AS DOUBLE) * CAST(200000000000000000000000 AS DOUBLE)) / CAST(460517018598809136803598291 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "ten" FROM cells
---
-- title: a geometric mean is one of logarithms
SELECT geomean(bmi) AS g FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.ln$bmi in steps of 0.001 as m0, rows samples.bmi as m1)
final: SELECT EXP((CAST((CAST(m0 AS DOUBLE) / CAST(1000 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0))) AS "g" FROM cells
---
-- title: a ratio of two columns is a computed column of both, over the persons who have both
SELECT avg(bmi / birth_year) AS r FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.ratio$bmi$birth_year in steps of 0.00001 as m0, rows samples.birth_year * samples.bmi as m1)
final: SELECT (CAST((CAST(m0 AS DOUBLE) / CAST(100000 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "r" FROM cells
---
-- title: a logarithm of a ratio is two logarithms, since no function stands in another
SELECT avg(ln(bmi / birth_year)) AS r FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.ln$birth_year in steps of 0.00002 over (NOT (samples.bmi IS NULL)) as m0, sum samples.ln$bmi in steps of 0.001 over (NOT (samples.birth_year IS NULL)) as m1, rows samples.birth_year * samples.bmi as m2)
final: SELECT (CAST(CASE WHEN (CAST(m2 AS BIGINT)) > 0 THEN 0 + COALESCE(((CAST(m0 AS DOUBLE) * CAST(-1 AS DOUBLE)) / CAST(50000 AS DOUBLE)), 0) + COALESCE((CAST(m1 AS DOUBLE) / CAST(1000 AS DOUBLE)), 0) END AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "r" FROM cells
---
-- title: a spread of roots is made of the sums of the roots and of their squares
SELECT var_pop(sqrt(bmi)) AS v FROM samples
-- =>
release: rows (samples) keys () measures (rows samples.bmi as m0, sum samples.sqrt$bmi in steps of 0.002 as m1, sum samples.sqrt$bmi * samples.sqrt$bmi in steps of 0.000004 as m2)
final: SELECT (((CAST(COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m2) AS DOUBLE) / CAST(250000 AS DOUBLE)) / NULLIF((CAST(m0 AS BIGINT)), 0))) AS "v" FROM cells
---
-- title: a reciprocal with a number added to the column would be a pole where one likes
SELECT avg(1 / (bmi - 61)) FROM samples
-- =>
refused: G403
---
-- title: a function of two columns together would pack the digits of both
SELECT avg(sqrt(bmi + 1000 * birth_year)) FROM samples
-- =>
refused: G403
---
-- title: an exponential is another function for each factor
SELECT avg(exp(bmi / 10)) FROM samples
-- =>
refused: G403
---
-- title: a column under two functions in one product would be more sums than a column has
SELECT corr(ln(bmi), bmi) FROM samples
-- =>
refused: G403
---
-- title: a third power of a function is one sum too many
SELECT skewness(ln(bmi)) FROM samples
-- =>
refused: G403
---
-- title: a function has a finite public interval
SELECT avg(ln(birth_year - 1900)) FROM samples
-- =>
refused: G403
---
-- title: functions are taken of samples alone
SELECT avg(sqrt(dp)) FROM genotypes
-- =>
refused: G403
---
-- title: a sum of two columns is two sums, over the rows that have both
SELECT sum(bmi + birth_year) AS both FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.birth_year over (NOT (samples.bmi IS NULL)) as m0, sum samples.bmi in steps of 0.01 over (NOT (samples.birth_year IS NULL)) as m1, rows samples.birth_year * samples.bmi as m2)
final: SELECT CAST(CASE WHEN (CAST(m2 AS BIGINT)) > 0 THEN 0 + COALESCE(m0, 0) + COALESCE((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)), 0) END AS DOUBLE) AS "both" FROM cells
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
---
-- title: a product of two columns is summed as one number a row
SELECT sum(bmi * birth_year) AS together, avg(bmi ^ 2) AS squares FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.birth_year * samples.bmi in steps of 0.01 as m0, sum samples.bmi * samples.bmi in steps of 0.0001 as m1, rows samples.bmi as m2)
final: SELECT CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) AS "together", (CAST((CAST(m1 AS DOUBLE) / CAST(10000 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "squares" FROM cells
---
-- title: a variance is finished from exact sums about the mean
SELECT sex, var_samp(bmi) AS v, stddev_pop(bmi - 27.1) AS s, sem(bmi) AS e FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows samples.bmi as m0, sum samples.bmi in steps of 0.01 as m1, sum samples.bmi * samples.bmi in steps of 0.0001 as m2)
final: SELECT k0 AS "sex", (((CAST(COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m2) AS DOUBLE) / CAST(10000 AS DOUBLE)) / NULLIF((CAST(m0 AS BIGINT)) - 1, 0))) AS "v", (SQRT(((CAST(COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m2) AS DOUBLE) / CAST(10000 AS DOUBLE)) / NULLIF((CAST(m0 AS BIGINT)), 0)))) AS "s", (SQRT((((CAST(COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m2) AS DOUBLE) / CAST(10000 AS DOUBLE)) / NULLIF((CAST(m0 AS BIGINT)), 0)) / NULLIF((CAST(m0 AS BIGINT)), 0)))) AS "e" FROM cells
---
-- title: higher moments ask for sums of powers
SELECT skewness(bmi) AS s, kurtosis(bmi) AS k, kurtosis_pop(bmi) AS p FROM samples
-- =>
release: rows (samples) keys () measures (rows samples.bmi as m0, sum samples.bmi in steps of 0.01 as m1, sum samples.bmi * samples.bmi in steps of 0.0001 as m2, sum samples.bmi * samples.bmi * samples.bmi in steps of 0.000001 as m3, sum samples.bmi * samples.bmi * samples.bmi * samples.bmi in steps of 1E-8 as m4)
final: SELECT (SKEWNESS_OF((CAST(m0 AS BIGINT)), m1, m2, m3)) AS "s", (KURTOSIS_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m4)) AS "k", (KURTOSIS_POP_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m4)) AS "p" FROM cells
---
-- title: only persons who have both values count in a correlation, and scale and place do not
SELECT corr(2 * bmi + 1, -birth_year) AS r FROM samples
-- =>
release: rows (samples) keys () measures (rows samples.birth_year * samples.bmi as m0, sum samples.birth_year over (NOT (samples.bmi IS NULL)) as m1, sum samples.bmi in steps of 0.01 over (NOT (samples.birth_year IS NULL)) as m2, sum samples.birth_year * samples.birth_year over (NOT (samples.bmi IS NULL)) as m3, sum samples.bmi * samples.bmi in steps of 0.0001 over (NOT (samples.birth_year IS NULL)) as m4, sum samples.birth_year * samples.bmi in steps of 0.01 as m5)
final: SELECT (CORR_OF((CAST(m0 AS BIGINT)), m1 * -1, m2, m3, m4, m5 * -1)) AS "r" FROM cells
---
-- title: a regression on the dosage, site by site
SELECT variant_id, regr_slope(bmi, dosage) AS beta, regr_intercept(bmi, dosage) AS alpha, regr_r2(bmi, dosage) AS r2, regr_count(bmi, dosage) AS n FROM genotypes JOIN samples USING (sample_id) GROUP BY variant_id
-- =>
release: rows (genotypes, samples on sample_id) keys (genotypes.variant_id: sites) measures (rows genotypes.dosage * samples.bmi as m0, sum genotypes.dosage over (NOT (samples.bmi IS NULL)) as m1, sum samples.bmi in steps of 0.01 over (NOT (genotypes.dosage IS NULL)) as m2, sum genotypes.dosage * genotypes.dosage over (NOT (samples.bmi IS NULL)) as m3, sum genotypes.dosage * samples.bmi in steps of 0.01 as m4, sum samples.bmi * samples.bmi in steps of 0.0001 over (NOT (genotypes.dosage IS NULL)) as m5)
final: SELECT k0 AS "variant_id", ((CAST(SLOPE_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m4) AS DOUBLE) / CAST(100 AS DOUBLE))) AS "beta", (CASE WHEN COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m3) <> 0 THEN (CAST((CAST(m2 AS DOUBLE) / NULLIF((CAST(m0 AS BIGINT)), 0)) AS DOUBLE) / CAST(100 AS DOUBLE)) - (CAST(SLOPE_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m4) AS DOUBLE) / CAST(100 AS DOUBLE)) * (CAST(m1 AS DOUBLE) / NULLIF((CAST(m0 AS BIGINT)), 0)) END) AS "alpha", (R2_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m5, m4)) AS "r2", (CAST((CAST(m0 AS BIGINT)) AS UINTEGER)) AS "n" FROM cells
---
-- title: an indicator in a regression is a filter, and its complement one of its own
SELECT regr_slope(bmi, CASE WHEN birth_year < 1960 THEN 1 ELSE 0 END) AS beta FROM samples
-- =>
release: rows (samples) keys () measures (rows samples.bmi over ((samples.birth_year < 1960) IS TRUE) as m0, rows samples.bmi over (NOT ((samples.birth_year < 1960) IS TRUE)) as m1, sum samples.bmi in steps of 0.01 over ((samples.birth_year < 1960) IS TRUE) as m2, sum samples.bmi in steps of 0.01 over (NOT ((samples.birth_year < 1960) IS TRUE)) as m3)
final: SELECT ((CAST(SLOPE_OF((CAST(m0 AS BIGINT) + CAST(m1 AS BIGINT)), (0 + COALESCE(NULLIF(m0, 0), 0)), (0 + COALESCE(m2, 0) + COALESCE(m3, 0)), (0 + COALESCE(NULLIF(m0, 0), 0)), (0 + COALESCE(m2, 0))) AS DOUBLE) / CAST(100 AS DOUBLE))) AS "beta" FROM cells
---
-- title: the parts of a regression
SELECT regr_avgx(bmi, birth_year) AS x, regr_avgy(bmi, birth_year) AS y, regr_sxx(bmi, birth_year) AS sxx, regr_syy(bmi, birth_year) AS syy, regr_sxy(bmi, birth_year) AS sxy, covar_pop(bmi, birth_year) AS p, covar_samp(bmi, birth_year) AS s FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.birth_year over (NOT (samples.bmi IS NULL)) as m0, rows samples.birth_year * samples.bmi as m1, sum samples.bmi in steps of 0.01 over (NOT (samples.birth_year IS NULL)) as m2, sum samples.birth_year * samples.birth_year over (NOT (samples.bmi IS NULL)) as m3, sum samples.bmi * samples.bmi in steps of 0.0001 over (NOT (samples.birth_year IS NULL)) as m4, sum samples.birth_year * samples.bmi in steps of 0.01 as m5)
final: SELECT ((CAST(m0 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0))) AS "x", ((CAST((CAST(m2 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS DOUBLE) / CAST(100 AS DOUBLE))) AS "y", (COMOMENT((CAST(m1 AS BIGINT)), m0, m0, m3)) AS "sxx", ((CAST(COMOMENT((CAST(m1 AS BIGINT)), m2, m2, m4) AS DOUBLE) / CAST(10000 AS DOUBLE))) AS "syy", ((CAST(COMOMENT((CAST(m1 AS BIGINT)), m2, m0, m5) AS DOUBLE) / CAST(100 AS DOUBLE))) AS "sxy", (((CAST(COMOMENT((CAST(m1 AS BIGINT)), m2, m0, m5) AS DOUBLE) / CAST(100 AS DOUBLE)) / NULLIF((CAST(m1 AS BIGINT)), 0))) AS "p", (((CAST(COMOMENT((CAST(m1 AS BIGINT)), m2, m0, m5) AS DOUBLE) / CAST(100 AS DOUBLE)) / NULLIF((CAST(m1 AS BIGINT)) - 1, 0))) AS "s" FROM cells
---
-- title: one row of the deciding truth decides
SELECT bool_and(t2d) AS every, bool_or(bmi > 30) AS any FROM samples
-- =>
release: rows (samples) keys () measures (rows over (samples.t2d IS FALSE) as m0, rows over (samples.t2d IS TRUE) as m1, rows over ((samples.bmi > 30) IS TRUE) as m2, rows over ((samples.bmi > 30) IS FALSE) as m3)
final: SELECT CASE WHEN CAST(m0 AS BIGINT) > 0 THEN FALSE WHEN CAST(m1 AS BIGINT) > 0 THEN TRUE END AS "every", CASE WHEN CAST(m2 AS BIGINT) > 0 THEN TRUE WHEN CAST(m3 AS BIGINT) > 0 THEN FALSE END AS "any" FROM cells
---
-- title: sums in doubles are the exact sums
SELECT fsum(bmi) AS f, kahan_sum(birth_year) AS k, favg(bmi) AS m FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, sum samples.birth_year as m1, rows samples.bmi as m2)
final: SELECT CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) AS "f", CAST(m1 AS DOUBLE) AS "k", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "m" FROM cells
---
-- title: variances of few values, with a FILTER
SELECT var_pop(t2d::INT) FILTER (WHERE sex = 'F') AS v FROM samples
-- =>
release: rows (samples) keys () measures (rows samples.t2d over (samples.sex = 'F') as m0, sum samples.t2d over (samples.sex = 'F') as m1)
final: SELECT ((COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m1) / NULLIF((CAST(m0 AS BIGINT)), 0))) AS "v" FROM cells
---
-- title: a correlation of three columns is no moment of two
SELECT corr(bmi * birth_year, t2d::INT) FROM samples
-- =>
refused: G403
---
-- title: a fourth power of a large number has no place in 128 bits
SELECT kurtosis(pos) FROM genotypes JOIN variants USING (contig, pos, ref, alt)
-- =>
refused: G403
---
-- title: a moment of a label is none
SELECT stddev(sex) FROM samples
-- =>
refused: G404
---
-- title: a moment in the WHERE belongs in the HAVING
SELECT count(*) FROM samples WHERE sem(bmi) > 3
-- =>
refused: G306
---
-- title: persons are counted exactly, also where an estimate would do
SELECT sex, approx_count_distinct(sample_id) > 0 AS persons FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (persons as m0)
final: SELECT k0 AS "sex", CAST(m0 AS BIGINT) > 0 AS "persons" FROM cells
---
-- title: distinct values are not estimated
SELECT approx_count_distinct(bmi) FROM samples
-- =>
refused: G401
---
-- title: the larger of a column and a constant, and a distance
SELECT sum(greatest(25, bmi)) AS g, avg(abs(bmi - 25)) AS d FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 over ((samples.bmi > 25) IS TRUE) as m0, rows over (NOT ((samples.bmi > 25) IS TRUE)) as m1, rows as m2, rows over ((samples.bmi > 25) IS TRUE) as m3, rows samples.bmi over ((samples.bmi > 25) IS TRUE) as m4, sum samples.bmi in steps of 0.01 over (((samples.bmi - 25) < 0) IS TRUE) as m5, rows samples.bmi over (((samples.bmi - 25) < 0) IS TRUE) as m6, sum samples.bmi in steps of 0.01 over (NOT (((samples.bmi - 25) < 0) IS TRUE)) as m7, rows samples.bmi over (NOT (((samples.bmi - 25) < 0) IS TRUE)) as m8)
final: SELECT CAST(CASE WHEN (CAST(m2 AS BIGINT) - (CAST(m3 AS BIGINT) - CAST(m4 AS BIGINT))) > 0 THEN 0 + COALESCE((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)), 0) + COALESCE(NULLIF(m1, 0) * 25, 0) END AS DOUBLE) AS "g", (CAST(CASE WHEN (CAST(m6 AS BIGINT) + CAST(m8 AS BIGINT)) > 0 THEN 0 + COALESCE(((CAST(m5 AS DOUBLE) * CAST(-1 AS DOUBLE)) / CAST(100 AS DOUBLE)), 0) + COALESCE(NULLIF(m6, 0) * 25, 0) + COALESCE((CAST(m7 AS DOUBLE) / CAST(100 AS DOUBLE)), 0) + COALESCE(NULLIF(m8, 0) * -25, 0) END AS DOUBLE) / NULLIF((CAST(m6 AS BIGINT) + CAST(m8 AS BIGINT)), 0)) AS "d" FROM cells
---
-- title: the larger of two columns depends on which is missing
SELECT avg(greatest(bmi, birth_year)) AS g FROM samples
-- =>
refused: G403
---
-- title: a histogram with bins is a count a bin, and none above the last where nobody is
SELECT sex, histogram(bmi, [30, 25]) AS h FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (rows samples.bmi as m0, rows over (samples.bmi > 30) as m1, rows over (samples.bmi <= 25) as m2, rows over ((samples.bmi > 25) AND (samples.bmi <= 30)) as m3)
final: SELECT k0 AS "sex", CASE WHEN CAST(m0 AS BIGINT) > 0 THEN CASE WHEN CAST(CAST(m1 AS BIGINT) AS UBIGINT) > 0 THEN MAP([CAST(25 AS DOUBLE), CAST(30 AS DOUBLE), CAST('Infinity' AS DOUBLE)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT), CAST(CAST(m3 AS BIGINT) AS UBIGINT), CAST(CAST(m1 AS BIGINT) AS UBIGINT)]) ELSE MAP([CAST(25 AS DOUBLE), CAST(30 AS DOUBLE)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT), CAST(CAST(m3 AS BIGINT) AS UBIGINT)]) END END AS "h" FROM cells
---
-- title: bins of whole numbers are whole
SELECT histogram(birth_year, range(1940, 1960, 10)) FILTER (t2d) AS h FROM samples
-- =>
release: rows (samples) keys () measures (rows samples.birth_year over samples.t2d as m0, rows over ((samples.birth_year > 1950) AND samples.t2d) as m1, rows over ((samples.birth_year <= 1940) AND samples.t2d) as m2, rows over ((samples.birth_year > 1940) AND (samples.birth_year <= 1950) AND samples.t2d) as m3)
final: SELECT CASE WHEN CAST(m0 AS BIGINT) > 0 THEN CASE WHEN CAST(CAST(m1 AS BIGINT) AS UBIGINT) > 0 THEN MAP([CAST(1940 AS INT), CAST(1950 AS INT), CAST(2147483647 AS INT)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT), CAST(CAST(m3 AS BIGINT) AS UBIGINT), CAST(CAST(m1 AS BIGINT) AS UBIGINT)]) ELSE MAP([CAST(1940 AS INT), CAST(1950 AS INT)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT), CAST(CAST(m3 AS BIGINT) AS UBIGINT)]) END END AS "h" FROM cells
---
-- title: what a site is stands for its rows, as a further key
SELECT g.variant_id, any_value(v.gene) AS gene, min(v.pos) AS pos, sum(g.dosage) AS ac FROM genotypes g JOIN variants v USING (contig, pos, ref, alt, variant_id) GROUP BY g.variant_id
-- =>
release: rows (genotypes, variants on alt, contig, pos, ref, variant_id) keys (g.variant_id: sites, v.pos: sites, v.gene: sites) measures (sum g.dosage as m0)
final: SELECT k0 AS "variant_id", k2 AS "gene", k1 AS "pos", CAST(m0 AS INT128) AS "ac" FROM cells
---
-- title: of several sites there is no one gene
SELECT g.contig, any_value(v.gene) AS gene FROM genotypes g JOIN variants v USING (contig, pos, ref, alt, variant_id) GROUP BY g.contig
-- =>
refused: G401
---
-- title: coalesce with a constant is a CASE: what is missing counts as that
SELECT avg(coalesce(bmi, 25)) AS m FROM samples
-- =>
release: rows (samples) keys () measures (sum samples.bmi in steps of 0.01 as m0, rows over (samples.bmi IS NULL) as m1, rows as m2)
final: SELECT (CAST(CASE WHEN (CAST(m2 AS BIGINT)) > 0 THEN 0 + COALESCE((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)), 0) + COALESCE(NULLIF(m1, 0) * 25, 0) END AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "m" FROM cells
---
-- title: a histogram of a score that not everybody has
SELECT s.sex, histogram(c.score, [0.5]) AS h FROM samples AS s LEFT JOIN scores AS c ON c.sample_id = s.sample_id AND c.pgs_id = 'PGS000001' GROUP BY s.sex
-- =>
release: rows (samples, c by person of scores where (c.pgs_id = 'PGS000001'): max c.score as o1) keys (s.sex: labels) measures (rows c.o1 as m0, rows over (c.o1 > 0.5) as m1, rows over (c.o1 <= 0.5) as m2)
final: SELECT k0 AS "sex", CASE WHEN CAST(m0 AS BIGINT) > 0 THEN CASE WHEN CAST(CAST(m1 AS BIGINT) AS UBIGINT) > 0 THEN MAP([CAST(0.5 AS DOUBLE), CAST('Infinity' AS DOUBLE)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT), CAST(CAST(m1 AS BIGINT) AS UBIGINT)]) ELSE MAP([CAST(0.5 AS DOUBLE)], [CAST(CAST(m2 AS BIGINT) AS UBIGINT)]) END END AS "h" FROM cells
---
-- title: FILTER in PIVOT is refused, since DuckDB leaves it out
FROM samples PIVOT (count(*) FILTER (t2d) FOR sex IN ('F', 'M') GROUP BY country)
-- =>
refused: G301
