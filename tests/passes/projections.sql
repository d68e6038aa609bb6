-- title: rows about persons never leave
SELECT country, bmi FROM samples WHERE bmi > 5
-- =>
refused: G303 line 1 col 8
---
-- title: a star is rows about persons
SELECT * FROM variants v JOIN genotypes g USING (contig, pos, ref, alt)
-- =>
refused: G303
---
-- title: every output is a key or built of aggregates
SELECT sex, birth_year, count(*) FROM samples GROUP BY sex
-- =>
refused: G305 line 1 col 13
---
-- title: so is every HAVING
SELECT sex, count(*) FROM samples GROUP BY sex HAVING bmi > 3
-- =>
refused: G305 line 1 col 55
---
-- title: and every ORDER BY
SELECT sex, count(*) FROM samples GROUP BY sex ORDER BY bmi
-- =>
refused: G305
---
-- title: HAVING, ORDER BY and LIMIT stay at the gateway, and bounds may decide the HAVING
SELECT country, count(*) AS n FROM samples GROUP BY country HAVING count(*) >= 2 AND avg(bmi) > 20 ORDER BY n DESC LIMIT 3 OFFSET 1
-- =>
release: rows (samples) keys (samples.country: labels) measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2)
final: SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells WHERE CAST(m0 AS BIGINT) >= 2 AND (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) > 20 ORDER BY (CAST(m0 AS BIGINT)) DESC LIMIT 3 OFFSET 1
---
-- title: keys alone still count persons
SELECT sex FROM samples GROUP BY sex
-- =>
release: rows (samples) keys (samples.sex: labels) measures (persons as m0)
final: SELECT k0 AS "sex" FROM cells
