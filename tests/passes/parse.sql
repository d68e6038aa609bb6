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
-- title: a union is more than one SELECT
SELECT count(*) FROM samples UNION ALL SELECT count(*) FROM scores
-- =>
refused: G304
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
