-- title: a path is not a table
SELECT count(*) FROM 'samples.csv'
-- =>
refused: G201 line 1 col 22
---
-- title: a file reader is not a table
SELECT count(*) FROM read_parquet('genotypes.parquet')
-- =>
refused: G201
---
-- title: text run as SQL is not a table
SELECT count(*) FROM query('FROM samples')
-- =>
refused: G201
---
-- title: system tables are not tables of the contract
SELECT count(*) FROM duckdb_settings()
-- =>
refused: G201
---
-- title: a schema could name another table
SELECT count(*) FROM main.samples
-- =>
refused: G201
---
-- title: reading a table twice could join persons to each other
SELECT count(*) FROM samples a JOIN samples b ON a.sex = b.sex
-- =>
refused: G204
---
-- title: public tables alone ask no node
SELECT count(*) FROM variants
-- =>
table: variants
final: SELECT COUNT(*) AS "count(*)" FROM variants AS variants
---
-- title: a SELECT without a table asks no node either
SELECT 1
-- =>
final: SELECT 1 AS "1"
