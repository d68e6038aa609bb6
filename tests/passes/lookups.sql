-- title: public rows are asked first, and each stands as a constant
SELECT n.name, count(*) AS persons FROM samples s JOIN nodes n ON n.country = s.country GROUP BY n.name
-- =>
release of round 1: rows (samples) where (s.country IN ($n2)) keys ((CASE WHEN (s.country = $n2) THEN $n1 END): labels) measures (rows as m0)
constant: n2 scalar s1.country
constant: n1 scalar s1.name
table: nodes
final: WITH s1 AS (SELECT n.name AS "name", n.country AS "country" FROM nodes AS n) SELECT k0 AS "name", CAST(m0 AS BIGINT) AS "persons" FROM cells
---
-- title: a value of each person's group
WITH m AS (SELECT country, avg(bmi) AS mu, stddev_samp(bmi) AS sd FROM samples GROUP BY country) SELECT sex, avg((s.bmi - m.mu) / m.sd) AS z FROM samples s JOIN m USING (country) GROUP BY sex
-- =>
release of round 1: rows (samples) keys (samples.country: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1, sum samples.bmi * samples.bmi in steps of 0.0001 as m2)
release of round 2: rows (samples) where (s.country IN ($n1)) keys (s.sex: labels) measures (sum s.bmi in steps of 0.01 over ((s.country = $n1) IS TRUE) as m0, rows s.bmi over ((s.country = $n1) IS TRUE) as m1)
constant: n1 scalar s2.country
constant: n3 scalar s2._value1
constant: n2 scalar s2.mu
final: WITH s1 AS (SELECT k0 AS "country", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "mu", (SQRT(((CAST(COMOMENT((CAST(m1 AS BIGINT)), m0, m0, m2) AS DOUBLE) / CAST(10000 AS DOUBLE)) / NULLIF((CAST(m1 AS BIGINT)) - 1, 0)))) AS "sd" FROM cells), s2 AS (SELECT m.country AS "country", m.mu AS "mu", (1 / m.sd) AS "_value1" FROM s1 AS m) FINISH cells2 OF SELECT s.sex AS "sex", AVG((s.bmi - (CASE s.country WHEN $n1 THEN $n2 END)) * (CASE s.country WHEN $n1 THEN $n3 END)) AS "z" FROM samples AS s WHERE s.country IN ($n1) GROUP BY s.sex
---
-- title: what is asked of the table alone is asked of it alone
SELECT count(DISTINCT g.sample_id) AS n FROM genotypes g JOIN allele_frequencies a USING (variant_id) WHERE a.country = 'all' AND a.af < 0.01 AND g.dosage > 0
-- =>
release of round 1: rows (genotypes) where (g.dosage > 0) AND (g.variant_id IN ($n1)) keys () measures (persons as m0)
constant: n1 scalar s1.variant_id
table: allele_frequencies
final: WITH s1 AS (SELECT a.variant_id AS "variant_id" FROM allele_frequencies AS a WHERE a.country = 'all' AND a.af < 0.01) SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: genes join by their ranges
SELECT ge.gene, sum(g.dosage) AS ac FROM genotypes g JOIN genes ge ON g.contig = ge.contig AND g.pos BETWEEN ge.start_pos AND ge.end_pos WHERE ge.gene = 'G1' GROUP BY ge.gene
-- =>
release of round 1: rows (genotypes) where (g.contig = $n2) AND (g.pos >= $n3) AND (g.pos <= $n4) keys ((CASE WHEN ((g.contig = $n2) AND ((g.pos >= $n3) AND (g.pos <= $n4))) THEN $n1 END): sites) measures (sum g.dosage as m0)
constant: n2 scalar s1.contig
constant: n3 scalar s1.start_pos
constant: n4 scalar s1.end_pos
constant: n1 scalar s1.gene
table: genes
final: WITH s1 AS (SELECT ge.gene AS "gene", ge.contig AS "contig", ge.start_pos AS "start_pos", ge.end_pos AS "end_pos" FROM genes AS ge WHERE ge.gene = 'G1') SELECT k0 AS "gene", CAST(m0 AS INT128) AS "ac" FROM cells
---
-- title: weights from a released table, by person
WITH p AS (SELECT g.sample_id, sum(g.dosage / a.af) AS x FROM genotypes g JOIN allele_frequencies a USING (variant_id) WHERE a.country = 'all' GROUP BY g.sample_id) SELECT sex, avg(x) AS x FROM p JOIN samples USING (sample_id) GROUP BY sex
-- =>
release of round 1: rows (samples, p by person of genotypes where (g.variant_id IN ($n1)): sum g.dosage times (1.4 for (g.variant_id = $n1)) as o0) where p.present keys (samples.sex: labels) measures (sum p.o0 in steps of 0.1 as m0, rows p.o0 as m1)
constant: n1 scalar s1.variant_id
table: allele_frequencies
final: WITH s1 AS (SELECT a.variant_id AS "variant_id", (1 / a.af) AS "_value1" FROM allele_frequencies AS a WHERE a.country = 'all') SELECT k0 AS "sex", (CAST((CAST(m0 AS DOUBLE) / CAST(10 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "x" FROM cells
---
-- title: sites from an earlier round, by person
WITH b AS (SELECT sample_id, sum(dosage) AS n FROM genotypes WHERE variant_id IN (SELECT variant_id FROM allele_frequencies WHERE country = 'all' AND af < 0.01) GROUP BY sample_id) SELECT avg(n) AS n FROM b
-- =>
release of round 1: rows (samples, b by person of genotypes where (genotypes.variant_id IN ($n1)): sum genotypes.dosage as o0) where b.present keys () measures (sum b.o0 as m0, rows b.o0 as m1)
constant: n1 in s1
table: allele_frequencies
final: WITH s1 AS (SELECT allele_frequencies.variant_id AS "variant_id" FROM allele_frequencies AS allele_frequencies WHERE allele_frequencies.country = 'all' AND allele_frequencies.af < 0.01) SELECT (CAST(m0 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "n" FROM cells
---
-- title: rows that are joined with everybody would multiply persons
SELECT count(*) FROM samples s, nodes n
-- =>
refused: G502
---
-- title: neither may an inequality let a person match several
SELECT count(*) FROM samples s JOIN nodes n ON n.min_persons < s.bmi
-- =>
refused: G502
---
-- title: a window over a whole group is a value of it
WITH z AS (SELECT sex, bmi - avg(bmi) OVER (PARTITION BY country) AS d FROM samples WHERE t2d) SELECT sex, avg(d) AS d FROM z GROUP BY sex
-- =>
release of round 1: rows (samples) where samples.t2d keys (samples.country: labels) measures (sum samples.bmi in steps of 0.01 as m0, rows samples.bmi as m1)
release of round 2: rows (samples) where z_samples.t2d keys (z_samples.sex: labels) measures (sum z_samples.bmi in steps of 0.01 over ((z_samples.country IS NOT DISTINCT FROM $n2) IS TRUE) as m0, rows z_samples.bmi over ((z_samples.country IS NOT DISTINCT FROM $n2) IS TRUE) as m1)
constant: n1 scalar s2._v0
constant: n2 scalar s2._k0
final: WITH s1 AS (SELECT k0 AS "_k0", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "_v0" FROM cells), s2 AS (SELECT _groups1._v0 AS "_v0", _groups1._k0 AS "_k0" FROM s1 AS _groups1) FINISH cells2 OF SELECT z_samples.sex AS sex, AVG((z_samples.bmi - (CASE WHEN z_samples.country IS NOT DISTINCT FROM $n2 THEN $n1 END))) AS _output_2 FROM samples AS z_samples WHERE z_samples.t2d GROUP BY z_samples.sex
---
-- title: a running window tells persons apart
SELECT avg(d) FROM (SELECT avg(bmi) OVER (ORDER BY birth_year) AS d FROM samples) AS z
-- =>
refused: G307
---
-- title: a public table's rows are kept where nobody is
SELECT n.name, count(s.sample_id) AS persons FROM nodes n LEFT JOIN samples s ON s.country = n.country AND s.t2d GROUP BY n.name
-- =>
release of round 1: rows (samples) where s.t2d AND (s.country IN ($n2)) keys ((CASE WHEN (s.country = $n2) THEN $n1 END): labels) measures (rows s.sample_id as m0)
constant: n2 scalar s1.country
constant: n1 scalar s1.name
table: nodes
final: WITH s1 AS (SELECT n.name AS "name", n.country AS "country" FROM nodes AS n), s2 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells), s3 AS (SELECT DISTINCT n.name AS "name" FROM nodes AS n) SELECT n.name AS "name", COALESCE(_groups.a0, 0) AS "persons" FROM s3 AS n LEFT JOIN s2 AS _groups ON n.name IS NOT DISTINCT FROM _groups.k0
---
-- title: listed sites are kept, also those that nobody carries
SELECT v.variant_id, sum(g.dosage) AS ac FROM variants v LEFT JOIN genotypes g USING (variant_id) WHERE v.gene = 'G1' GROUP BY v.variant_id
-- =>
release: rows (genotypes, variants on variant_id) where (v.gene = 'G1') keys (v.variant_id: sites) measures (sum g.dosage as m0)
table: variants
final: WITH s1 AS (SELECT k0 AS "k0", CAST(m0 AS INT128) AS "a0" FROM cells), s2 AS (SELECT DISTINCT v.variant_id AS "variant_id" FROM variants AS v WHERE v.gene = 'G1') SELECT v.variant_id AS "variant_id", _groups.a0 AS "ac" FROM s2 AS v LEFT JOIN s1 AS _groups ON v.variant_id IS NOT DISTINCT FROM _groups.k0
---
-- title: count(*) would count rows without a person
SELECT n.name, count(*) AS persons FROM nodes n LEFT JOIN samples s ON s.country = n.country GROUP BY n.name
-- =>
refused: G401
---
-- title: a public row is kept by whether persons have it
SELECT count(*) AS n FROM variants v WHERE NOT EXISTS (SELECT 1 FROM genotypes g WHERE g.variant_id = v.variant_id AND g.dosage = 2)
-- =>
release: rows (genotypes) where (g.dosage = 2) keys (g.variant_id: sites) measures (persons as m0)
table: variants
final: WITH s1 AS (SELECT k0 AS "variant_id" FROM cells) SELECT COUNT(*) AS "n" FROM variants AS v WHERE NOT (v.variant_id IN (SELECT * FROM s1))
---
-- title: a row about persons is kept by a public table
SELECT sum(g.dosage) AS ac FROM genotypes g WHERE EXISTS (SELECT 1 FROM variants v WHERE v.variant_id = g.variant_id AND v.gene = 'G1')
-- =>
release of round 1: rows (genotypes) where (g.variant_id IN ($n1)) keys () measures (sum g.dosage as m0)
constant: n1 in s1
table: variants
final: WITH s1 AS (SELECT DISTINCT v.variant_id AS "variant_id" FROM variants AS v WHERE v.gene = 'G1') SELECT CAST(m0 AS INT128) AS "ac" FROM cells
---
-- title: what the keys settle is read as it is
SELECT country, count(*) / max(m.n) AS share, any_value(upper(country)) AS name FROM samples JOIN (SELECT country, count(*) AS n FROM samples GROUP BY country) AS m USING (country) GROUP BY country
-- =>
release of round 1: rows (samples) keys (samples.country: labels) measures (rows as m0)
release of round 2: rows (samples) where (samples.country IN ($n1)) keys (samples.country: labels) measures (rows as m0)
constant: n1 scalar s2.country
final: WITH s1 AS (SELECT k0 AS "country", CAST(m0 AS BIGINT) AS "n" FROM cells), s2 AS (SELECT m.country AS "country", m.n AS "n" FROM s1 AS m) SELECT k0 AS "country", CAST(m0 AS BIGINT) / ((CASE k0 WHEN (SELECT "country" FROM s2) THEN (SELECT "n" FROM s2) END)) AS "share", (UPPER(k0)) AS "name" FROM cells2
---
-- title: a condition on one side of an equality holds for the other
SELECT g.variant_id, sum(g.dosage) / max(f.an) AS r FROM genotypes AS g JOIN allele_frequencies AS f USING (variant_id) WHERE f.country = 'all' AND g.contig = 'chr19' GROUP BY 1
-- =>
release of round 1: rows (genotypes) where (g.contig = 'chr19') AND (g.variant_id IN ($n1)) keys (g.variant_id: sites) measures (sum g.dosage as m0)
constant: n1 scalar s1.variant_id
table: allele_frequencies on chr19
final: WITH s1 AS (SELECT f.variant_id AS "variant_id", f.an AS "an" FROM allele_frequencies AS f WHERE f.country = 'all' AND (f.contig = 'chr19')) SELECT k0 AS "variant_id", CAST(m0 AS INT128) / ((CASE k0 WHEN (SELECT "variant_id" FROM s1) THEN (SELECT "an" FROM s1) END)) AS "r" FROM cells
