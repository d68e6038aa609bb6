-- title: sampling would let an analyst average the threshold away
SELECT COUNT(*) AS n FROM samples TABLESAMPLE 10%
-- =>
refused: G302
---
-- title: sampling hides behind USING SAMPLE as well
SELECT avg(bmi) FROM samples USING SAMPLE 2 ROWS
-- =>
refused: G302
---
-- title: a nested query is turned down wherever it hides
SELECT count(*) FROM samples WHERE bmi IN (SELECT score FROM scores)
-- =>
refused: G304
---
-- title: rows about persons that a nested query filters or renames are read as they are
SELECT count(*) FROM (SELECT * FROM samples) x
-- =>
release: rows (samples) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells
---
-- title: a WITH query may hide a table's name, and is about persons all the same
WITH variants AS (FROM samples) SELECT * FROM variants
-- =>
refused: G303
---
-- title: a minimum is one person's value
SELECT min(bmi) FROM samples
-- =>
refused: G401 line 1 col 12
---
-- title: collected values are rows of persons
SELECT population, array_agg(bmi) FROM samples GROUP BY population
-- =>
refused: G401 line 1 col 20
---
-- title: a window over rows is turned down
SELECT sum(bmi) OVER (ORDER BY birth_year) FROM samples
-- =>
refused: G307
---
-- title: QUALIFY stands over groups
SELECT country, count(*) FROM samples GROUP BY country QUALIFY rank() OVER (ORDER BY count(*) DESC) <= 2
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0)
final: SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "count(*)" FROM cells QUALIFY RANK() OVER (ORDER BY CAST(m0 AS BIGINT) DESC) <= 2
---
-- title: margins over persons
SELECT country, count(*) FROM samples GROUP BY ROLLUP (country)
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0) beside ()
release: rows (samples) keys () measures (rows as m0)
final: WITH s1 AS (SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "count(*)" FROM cells), s2 AS (SELECT CASE WHEN FALSE THEN CAST(NULL AS TEXT) END AS "country", CAST(m0 AS BIGINT) AS "count(*)" FROM cells2) SELECT * FROM s1 UNION ALL SELECT * FROM s2
---
-- title: COLUMNS(*) takes sample_id as a value too
SELECT sum(COLUMNS(*)) FROM samples
-- =>
refused: G501
---
-- title: a percentage of the rows about persons is a sample
SELECT avg(bmi) FROM (SELECT bmi FROM samples LIMIT 10%)
-- =>
refused: G304
---
-- title: a function that is not on the list is turned down
SELECT count(*) FROM samples WHERE hash(birth_year) % 2 = 1
-- =>
refused: G402
---
-- title: raising an error with a value is a function like any other
SELECT count(CASE WHEN bmi > 44 THEN error(bmi::VARCHAR) END) FROM samples
-- =>
refused: G402
---
-- title: a cast to a type without a rule is turned down
SELECT sum(bmi::DECIMAL(10, 2)) FROM samples
-- =>
refused: G301
---
-- title: a parameter is not a constant
SELECT count(*) FROM samples WHERE bmi > $1
-- =>
refused: G405
---
-- title: a column that is called current_date hides the day
WITH t AS (SELECT country AS "current_date", count(*) AS n FROM samples GROUP BY 1) SELECT current_date FROM t
-- =>
refused: G402
---
-- title: genotypes in letters at one site are a key of the dosage
SELECT CASE dosage WHEN 0 THEN ref ELSE alt END AS gt, count(*) AS n FROM genotypes WHERE variant_id = 'chr1-1000-A-C' GROUP BY gt
-- =>
release: rows (genotypes) where (genotypes.variant_id = 'chr1-1000-A-C') keys ((CASE WHEN (genotypes.dosage = 0) THEN 'A' ELSE 'C' END): open) measures (rows as m0)
final: SELECT k0 AS "gt", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: genotypes in letters at several sites are refused
SELECT CASE dosage WHEN 0 THEN ref ELSE alt END AS gt, count(*) AS n FROM genotypes WHERE contig = 'chr1' GROUP BY gt
-- =>
refused: G308
