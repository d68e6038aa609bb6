-- title: a path is not a table
SELECT count(*) FROM 'samples.csv'
-- =>
refused: G201 line 1 col 22
---
-- title: a file reader is not a table
SELECT count(*) FROM read_parquet('genotypes.parquet')
-- =>
refused: G402
---
-- title: text run as SQL is not a table
SELECT count(*) FROM query('FROM samples')
-- =>
refused: G402
---
-- title: system tables are not tables of the contract
SELECT count(*) FROM duckdb_settings()
-- =>
refused: G402
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
-- title: without a table about persons there is nothing to release
SELECT count(*) FROM variants
-- =>
refused: G502
---
-- title: a SELECT without a table reads nothing
SELECT 1
-- =>
refused: G502
