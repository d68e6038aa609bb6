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
SELECT count(*) FROM samples WHERE sample_id IN (SELECT sample_id FROM scores)
-- =>
refused: G304
---
-- title: a nested query in the FROM is turned down too
SELECT count(*) FROM (SELECT * FROM samples) x
-- =>
refused: G304
---
-- title: WITH is turned down, so that no name can hide a table
WITH variants AS (FROM samples) SELECT * FROM variants
-- =>
refused: G304
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
-- title: QUALIFY needs a window
SELECT country, count(*) FROM samples GROUP BY country QUALIFY count(*) > 1
-- =>
refused: G307
---
-- title: margins are turned down
SELECT country, count(*) FROM samples GROUP BY ROLLUP (country)
-- =>
refused: G301
---
-- title: COLUMNS names columns that no check has seen
SELECT sum(COLUMNS(*)) FROM samples
-- =>
refused: G402
---
-- title: a percentage LIMIT is a sample
SELECT country, count(*) FROM samples GROUP BY country LIMIT 10%
-- =>
refused: G301
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
refused: G301
