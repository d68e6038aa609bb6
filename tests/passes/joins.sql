-- title: persons join on the person
SELECT count(*) AS n FROM scores JOIN samples USING (sample_id)
-- =>
release: rows (scores, samples on sample_id) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a comma and a WHERE are the same join
SELECT count(*) AS n FROM samples s, scores c WHERE s.sample_id = c.sample_id AND s.sex = 'F'
-- =>
release: rows (samples, scores on sample_id) where (s.sex = 'F') keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: NATURAL joins on the shared column, and ON may hold further conditions
SELECT s.sex, sum(g.dosage) AS ac FROM genotypes g JOIN samples s ON g.sample_id = s.sample_id AND s.birth_year > 1950 GROUP BY s.sex
-- =>
release: rows (genotypes, samples on sample_id) where (s.birth_year > 1950) keys (s.sex: labels) measures (sum g.dosage as m0)
final: SELECT k0 AS "sex", CAST(m0 AS INT128) AS "ac" FROM cells
---
-- title: the site list joins on the whole site
SELECT v.gene, sum(dosage) AS ac FROM genotypes JOIN variants v USING (contig, pos, ref, alt) GROUP BY v.gene
-- =>
release: rows (genotypes, variants on alt, contig, pos, ref) keys (v.gene: sites) measures (sum genotypes.dosage as m0)
final: SELECT k0 AS "gene", CAST(m0 AS INT128) AS "ac" FROM cells
---
-- title: a join on part of the site multiplies rows
SELECT count(*) FROM genotypes JOIN variants USING (contig, pos)
-- =>
refused: G206
---
-- title: a cross product of persons multiplies them
SELECT count(*) FROM samples, scores
-- =>
refused: G205
---
-- title: persons joined on something else are other persons
SELECT count(*) FROM samples s JOIN scores c ON s.cohort = c.pgs_id
-- =>
refused: G205
---
-- title: outer joins are turned down
SELECT count(*) FROM samples LEFT JOIN scores USING (sample_id)
-- =>
refused: G207
---
-- title: positional joins pair rows by chance
SELECT count(*) FROM samples POSITIONAL JOIN scores
-- =>
refused: G207
---
-- title: who has no row in what is outer joined
WITH c AS (SELECT sample_id FROM samples WHERE t2d) SELECT CASE WHEN c.sample_id IS NOT NULL THEN 'case' ELSE 'control' END AS kind, count(*) AS n FROM samples s LEFT JOIN c USING (sample_id) GROUP BY kind
-- =>
release: rows (samples, c by person of samples where samples.t2d) keys ((CASE WHEN (NOT (NOT (c.present IS TRUE))) THEN 'case' ELSE 'control' END): open) measures (rows as m0)
final: SELECT k0 AS "kind", CAST(m0 AS BIGINT) AS "n" FROM cells
