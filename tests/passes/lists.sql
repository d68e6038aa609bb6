-- title: a list of labels is a choice of values
SELECT v.label, count(*) AS n FROM samples s JOIN (VALUES ('EE', 'north'), ('FI', 'far north')) AS v(country, label) ON s.country = v.country GROUP BY v.label
-- =>
release: rows (samples) where (s.country IN ('EE', 'FI')) keys ((CASE WHEN (s.country = 'EE') THEN 'north' WHEN (s.country = 'FI') THEN 'far north' END): labels) measures (rows as m0)
final: WITH s1 AS (SELECT * FROM (VALUES ('EE', 'north'), ('FI', 'far north')) AS t("country", "label")) SELECT k0 AS "label", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: rows without a match stay in a left join
SELECT v.label, count(*) AS n FROM samples s LEFT JOIN (VALUES ('EE', 'north')) AS v(country, label) USING (country) GROUP BY v.label
-- =>
release: rows (samples) keys ((CASE WHEN (s.country = 'EE') THEN 'north' END): labels) measures (rows as m0)
final: WITH s1 AS (SELECT * FROM (VALUES ('EE', 'north')) AS t("country", "label")) SELECT k0 AS "label", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a weight list in WITH, joined on the site
WITH w(contig, pos, ref, alt, weight) AS (VALUES ('chr1', 100, 'A', 'C', 0.5), ('chr1', 101, 'A', 'C', -0.25)), p AS (SELECT sample_id, sum(g.dosage * w.weight) AS pgs FROM genotypes g JOIN w USING (contig, pos, ref, alt) GROUP BY sample_id) SELECT sex, sum(pgs) AS s FROM p JOIN samples USING (sample_id) GROUP BY sex
-- =>
release: rows (samples, p by person of genotypes where (g.variant_id IN ('chr1-100-A-C', 'chr1-101-A-C')): sum g.dosage times (0.5 for (g.variant_id = 'chr1-100-A-C'), -0.25 for (g.variant_id = 'chr1-101-A-C')) as o0) where p.present keys (samples.sex: labels) measures (sum p.o0 in steps of 0.01 as m0)
final: WITH s1 AS (SELECT * FROM (VALUES ('chr1', 100, 'A', 'C', 0.5), ('chr1', 101, 'A', 'C', -0.25)) AS t("col0", "col1", "col2", "col3", "col4")), s2 AS (SELECT _values.col0 AS "col0", _values.col1 AS "col1", _values.col2 AS "col2", _values.col3 AS "col3", _values.col4 AS "col4" FROM s1 AS _values), s3 AS (SELECT _r."col0" AS "contig", _r."col1" AS "pos", _r."col2" AS "ref", _r."col3" AS "alt", _r."col4" AS "weight" FROM s2 AS _r) SELECT k0 AS "sex", CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) AS "s" FROM cells
---
-- title: ranges that do not overlap are classes
SELECT v.name, count(*) AS n FROM samples s JOIN (VALUES (1930, 1949, 'older'), (1950, 1999, 'younger')) AS v(low, high, name) ON s.birth_year BETWEEN v.low AND v.high GROUP BY v.name
-- =>
release: rows (samples) where (((s.birth_year >= 1930) AND (s.birth_year <= 1949)) OR ((s.birth_year >= 1950) AND (s.birth_year <= 1999))) keys ((CASE WHEN ((s.birth_year >= 1930) AND (s.birth_year <= 1949)) THEN 'older' WHEN ((s.birth_year >= 1950) AND (s.birth_year <= 1999)) THEN 'younger' END): open) measures (rows as m0)
final: WITH s1 AS (SELECT * FROM (VALUES (1930, 1949, 'older'), (1950, 1999, 'younger')) AS t("low", "high", "name")) SELECT k0 AS "name", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: ranges that overlap would let one person be subtracted
SELECT v.low, count(*) FROM samples s JOIN (VALUES (1930, 1950), (1930, 1951)) AS v(low, high) ON s.birth_year BETWEEN v.low AND v.high GROUP BY v.low
-- =>
refused: G502
---
-- title: a list that names a label twice multiplies persons
SELECT count(*) FROM samples s JOIN (VALUES ('EE', 1), ('EE', 2)) AS v(country, i) ON s.country = v.country
-- =>
refused: G502
---
-- title: a list that is joined with everybody multiplies persons
SELECT count(*) FROM samples, (VALUES (1), (2)) AS v(i)
-- =>
refused: G502
---
-- title: a list of persons is not a list
SELECT count(*) FROM samples s JOIN (VALUES ('p1'), ('p2')) AS v(sample_id) USING (sample_id)
-- =>
refused: G501
---
-- title: every decade has a row, also one in which nobody was born
SELECT d, count(s.sample_id) AS n FROM range(1930, 2010, 10) t(d) LEFT JOIN samples s ON s.birth_year BETWEEN d AND d + 9 GROUP BY d ORDER BY d
-- =>
release: rows (samples) where (((s.birth_year >= CAST(1930 AS BIGINT)) AND (s.birth_year <= (CAST(1930 AS BIGINT) + 9))) OR ((s.birth_year >= CAST(1940 AS BIGINT)) AND (s.birth_year <= (CAST(1940 AS BIGINT) + 9))) OR ((s.birth_year >= CAST(1950 AS BIGINT)) AND (s.birth_year <= (CAST(1950 AS BIGINT) + 9))) OR ((s.birth_year >= CAST(1960 AS BIGINT)) AND (s.birth_year <= (CAST(1960 AS BIGINT) + 9))) OR ((s.birth_year >= CAST(1970 AS BIGINT)) AND (s.birth_year <= (CAST(1970 AS BIGINT) + 9))) OR ((s.birth_year >= CAST(1980 AS BIGINT)) AND (s.birth_year <= (CAST(1980 AS BIGINT) + 9))) OR ((s.birth_year >= CAST(1990 AS BIGINT)) AND (s.birth_year <= (CAST(1990 AS BIGINT) + 9))) OR ((s.birth_year >= CAST(2000 AS BIGINT)) AND (s.birth_year <= (CAST(2000 AS BIGINT) + 9)))) keys ((CASE WHEN ((s.birth_year >= CAST(1930 AS BIGINT)) AND (s.birth_year <= (CAST(1930 AS BIGINT) + 9))) THEN CAST(1930 AS BIGINT) WHEN ((s.birth_year >= CAST(1940 AS BIGINT)) AND (s.birth_year <= (CAST(1940 AS BIGINT) + 9))) THEN CAST(1940 AS BIGINT) WHEN ((s.birth_year >= CAST(1950 AS BIGINT)) AND (s.birth_year <= (CAST(1950 AS BIGINT) + 9))) THEN CAST(1950 AS BIGINT) WHEN ((s.birth_year >= CAST(1960 AS BIGINT)) AND (s.birth_year <= (CAST(1960 AS BIGINT) + 9))) THEN CAST(1960 AS BIGINT) WHEN ((s.birth_year >= CAST(1970 AS BIGINT)) AND (s.birth_year <= (CAST(1970 AS BIGINT) + 9))) THEN CAST(1970 AS BIGINT) WHEN ((s.birth_year >= CAST(1980 AS BIGINT)) AND (s.birth_year <= (CAST(1980 AS BIGINT) + 9))) THEN CAST(1980 AS BIGINT) WHEN ((s.birth_year >= CAST(1990 AS BIGINT)) AND (s.birth_year <= (CAST(1990 AS BIGINT) + 9))) THEN CAST(1990 AS BIGINT) WHEN ((s.birth_year >= CAST(2000 AS BIGINT)) AND (s.birth_year <= (CAST(2000 AS BIGINT) + 9))) THEN CAST(2000 AS BIGINT) END): open) measures (rows s.sample_id as m0)
final: WITH s1 AS (SELECT * FROM (FROM RANGE(1930, 2010, 10)) AS t("d")), s2 AS (SELECT k0 AS "k0", CAST(m0 AS BIGINT) AS "a0" FROM cells) SELECT t.d AS "d", COALESCE(_groups.a0, 0) AS "n" FROM s1 AS t LEFT JOIN s2 AS _groups ON t.d = _groups.k0 ORDER BY d
---
-- title: classes of a list are kept with their means
SELECT v.name, count(s.sample_id) AS n, sum(s.bmi) AS b FROM (VALUES (1900, 1930, 'old'), (1931, 1999, 'young')) AS v(low, high, name) LEFT JOIN samples s ON s.birth_year BETWEEN v.low AND v.high GROUP BY v.name, v.low, v.high
-- =>
release: rows (samples) where (((s.birth_year >= 1900) AND (s.birth_year <= 1930)) OR ((s.birth_year >= 1931) AND (s.birth_year <= 1999))) keys ((CASE WHEN ((s.birth_year >= 1900) AND (s.birth_year <= 1930)) THEN 'old' WHEN ((s.birth_year >= 1931) AND (s.birth_year <= 1999)) THEN 'young' END): open, (CASE WHEN ((s.birth_year >= 1900) AND (s.birth_year <= 1930)) THEN 1900 WHEN ((s.birth_year >= 1931) AND (s.birth_year <= 1999)) THEN 1931 END): open, (CASE WHEN ((s.birth_year >= 1900) AND (s.birth_year <= 1930)) THEN 1930 WHEN ((s.birth_year >= 1931) AND (s.birth_year <= 1999)) THEN 1999 END): open) measures (rows s.sample_id as m0, sum s.bmi in steps of 0.01 as m1)
final: WITH s1 AS (SELECT * FROM (VALUES (1900, 1930, 'old'), (1931, 1999, 'young')) AS t("low", "high", "name")), s2 AS (SELECT k0 AS "k0", k1 AS "k1", k2 AS "k2", CAST(m0 AS BIGINT) AS "a0", CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) AS "a1" FROM cells) SELECT v.name AS "name", COALESCE(_groups.a0, 0) AS "n", _groups.a1 AS "b" FROM s1 AS v LEFT JOIN s2 AS _groups ON v.name = _groups.k0 AND v.low = _groups.k1 AND v.high = _groups.k2
---
-- title: WHERE would take out the rows that are kept
SELECT d, count(s.sample_id) AS n FROM range(1930, 2010, 10) t(d) LEFT JOIN samples s ON s.birth_year BETWEEN d AND d + 9 WHERE s.sex = 'F' GROUP BY d
-- =>
refused: G207
---
-- title: a list that names a label twice multiplies persons in a left join too
SELECT count(*) FROM samples s LEFT JOIN (VALUES ('EE', 1), ('EE', 2)) AS v(country, i) ON s.country = v.country
-- =>
refused: G502
---
-- title: nor do two spellings of one number stand apart
SELECT count(*) FROM samples s JOIN (VALUES (1950, 1), (1950.0, 2)) AS v(y, i) ON s.birth_year = v.y
-- =>
refused: G502
---
-- title: ranges by comparisons, contig by contig
WITH r(name, contig, s, e) AS (VALUES ('a', 'chr1', 1, 100), ('b', 'chr1', 101, 200), ('c', 'chr2', 1, 100)) SELECT r.name, sum(g.dosage) AS ac FROM genotypes g JOIN r ON g.contig = r.contig AND g.pos >= r.s AND g.pos <= r.e GROUP BY r.name
-- =>
release: rows (genotypes) where (((g.contig = 'chr1') AND (g.pos >= 1) AND (g.pos <= 100)) OR ((g.contig = 'chr1') AND (g.pos >= 101) AND (g.pos <= 200)) OR ((g.contig = 'chr2') AND (g.pos >= 1) AND (g.pos <= 100))) keys ((CASE WHEN ((g.contig = 'chr1') AND (g.pos >= 1) AND (g.pos <= 100)) THEN 'a' WHEN ((g.contig = 'chr1') AND (g.pos >= 101) AND (g.pos <= 200)) THEN 'b' WHEN ((g.contig = 'chr2') AND (g.pos >= 1) AND (g.pos <= 100)) THEN 'c' END): sites) measures (sum g.dosage as m0)
final: WITH s1 AS (SELECT * FROM (VALUES ('a', 'chr1', 1, 100), ('b', 'chr1', 101, 200), ('c', 'chr2', 1, 100)) AS t("col0", "col1", "col2", "col3")), s2 AS (SELECT _values.col0 AS "col0", _values.col1 AS "col1", _values.col2 AS "col2", _values.col3 AS "col3" FROM s1 AS _values), s3 AS (SELECT _r."col0" AS "name", _r."col1" AS "contig", _r."col2" AS "s", _r."col3" AS "e" FROM s2 AS _r) SELECT k0 AS "name", CAST(m0 AS INT128) AS "ac" FROM cells
---
-- title: ranges that end where the next begins
SELECT b.name, count(*) AS n FROM samples AS s JOIN (VALUES ('low', 0, 18.5), ('high', 18.5, 80)) AS b(name, lo, hi) ON s.bmi >= b.lo AND s.bmi < b.hi GROUP BY b.name
-- =>
release: rows (samples) where (((s.bmi >= 0) AND (s.bmi < 18.5)) OR ((s.bmi >= 18.5) AND (s.bmi < 80))) keys ((CASE WHEN ((s.bmi >= 0) AND (s.bmi < 18.5)) THEN 'low' WHEN ((s.bmi >= 18.5) AND (s.bmi < 80)) THEN 'high' END): open) measures (rows as m0)
final: WITH s1 AS (SELECT * FROM (VALUES ('low', 0, 18.5), ('high', 18.5, 80)) AS t("name", "lo", "hi")) SELECT k0 AS "name", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: ranges with one number in common are refused
SELECT b.name, count(*) AS n FROM samples AS s JOIN (VALUES ('low', 0, 18.5), ('high', 18.5, 80)) AS b(name, lo, hi) ON s.bmi >= b.lo AND s.bmi <= b.hi GROUP BY b.name
-- =>
refused: G502
---
-- title: a range that is unnested
SELECT d, count(*) AS n FROM (SELECT unnest(range(1940, 1960, 10)) AS d) AS t JOIN samples AS s ON s.birth_year BETWEEN d AND d + 9 GROUP BY d
-- =>
release of round 1: rows (samples) where (s.birth_year >= $n1) AND (s.birth_year <= $n2) keys ((CASE WHEN ((s.birth_year >= $n1) AND (s.birth_year <= $n2)) THEN $n1 END): open) measures (rows as m0)
constant: n1 scalar s3.d
constant: n2 scalar s3._value1
final: WITH s1 AS (SELECT * FROM (VALUES (CAST(1940 AS BIGINT)), (CAST(1950 AS BIGINT))) AS t("d")), s2 AS (SELECT _list."d" AS "d" FROM s1 AS _list), s3 AS (SELECT t.d AS "d", t.d + 9 AS "_value1" FROM s2 AS t) SELECT k0 AS "d", CAST(m0 AS BIGINT) AS "n" FROM cells
