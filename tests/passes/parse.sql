-- title: two statements are never one query
SELECT count(*) FROM samples; DROP TABLE samples
-- =>
refused: G102 line 1 col 42
---
-- title: nothing is ever set or written
SET memory_limit = '100GB'
-- =>
refused: G103
---
-- title: COPY is not a SELECT
COPY samples TO 'out.csv'
-- =>
refused: G103
---
-- title: a union of two questions is two releases
SELECT count(*) FROM samples UNION ALL SELECT count(*) FROM scores
-- =>
release: rows (samples) keys () measures (rows as m0)
release: rows (scores) keys () measures (rows as m0)
final: WITH s1 AS (SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells), s2 AS (SELECT CAST(m0 AS BIGINT) AS "count(*)" FROM cells2) SELECT * FROM s1 UNION ALL SELECT * FROM s2
---
-- title: broken text is refused where it breaks
SELECT count(*) FROM samples WHERE (sex = 'F'
-- =>
refused: G101
---
-- title: an empty text holds no statement
-- only a remark
-- =>
refused: G101
