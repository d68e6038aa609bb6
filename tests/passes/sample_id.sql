-- title: an identifier is never shown
SELECT sample_id FROM samples
-- =>
refused: G303 line 1 col 8
---
-- title: an identifier is never grouped
SELECT sample_id, count(*) FROM scores GROUP BY sample_id
-- =>
refused: G501
---
-- title: an identifier is never compared with a constant
SELECT count(*) FROM samples WHERE sample_id <> 'GOE-FI-000777'
-- =>
refused: G501 line 1 col 36
---
-- title: part of an identifier is an identifier
SELECT substring(sample_id, 1, 9), count(*) FROM samples GROUP BY 1
-- =>
refused: G501
---
-- title: an identifier inside a FILTER selects one person
SELECT count(*), avg(bmi) FILTER (WHERE sample_id = 'GOE-FI-000777') FROM samples
-- =>
refused: G501
---
-- title: a join condition that is not a plain part of the WHERE is a comparison
SELECT count(*) FROM samples s, scores c WHERE s.sample_id = c.sample_id OR s.sex = 'F'
-- =>
refused: G501
---
-- title: persons are counted
SELECT count(DISTINCT sample_id) AS persons, count(sample_id) AS n FROM scores
-- =>
release: rows (scores) keys () measures (persons as m0, rows scores.sample_id as m1)
final: SELECT CAST(m0 AS BIGINT) AS "persons", CAST(m1 AS BIGINT) AS "n" FROM cells
