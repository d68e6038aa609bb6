-- title: linkage disequilibrium: genotypes at two sites, joined on the person
SELECT corr(a.dosage, b.dosage) AS r, count(*) AS n FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C'
-- =>
release: rows (samples, a by person of genotypes where (a.variant_id = 'chr1-100-A-C'): max a.dosage as o0, b by person of genotypes where (b.variant_id = 'chr1-101-A-C'): max b.dosage as o0) where a.present AND b.present keys () measures (rows a.o0 * b.o0 as m0, sum b.o0 over (NOT (a.o0 IS NULL)) as m1, sum a.o0 over (NOT (b.o0 IS NULL)) as m2, sum b.o0 * b.o0 over (NOT (a.o0 IS NULL)) as m3, sum a.o0 * a.o0 over (NOT (b.o0 IS NULL)) as m4, sum a.o0 * b.o0 as m5, rows as m6)
final: SELECT (CORR_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m4, m5)) AS "r", CAST(m6 AS BIGINT) AS "n" FROM cells
---
-- title: joint genotypes of persons, with the sites named by four columns, one of them in ON
SELECT a.dosage AS x, b.dosage AS y, s.sex, count(*) AS n FROM samples s JOIN genotypes a USING (sample_id) JOIN genotypes b ON b.sample_id = s.sample_id AND b.contig = 'chr1' AND 101 = b.pos AND b.ref = 'A' AND b.alt = 'C' WHERE a.variant_id = 'chr1-100-A-C' AND a.dosage < 2 GROUP BY ALL
-- =>
release: rows (samples, a by person of genotypes where (a.variant_id = 'chr1-100-A-C'): max a.dosage as o0, b by person of genotypes where (b.contig = 'chr1') AND (101 = b.pos) AND (b.ref = 'A') AND (b.alt = 'C'): max b.dosage as o0) where (a.o0 < 2) AND a.present AND b.present keys (a.o0: open, b.o0: open, s.sex: labels) measures (rows as m0)
final: SELECT k0 AS "x", k1 AS "y", k2 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a place of contig and pos is read at its one listed allele
SELECT sum(a.dosage * b.dosage) AS s, count(DISTINCT sample_id) AS n FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.contig = 'chr1' AND a.pos = 100 AND b.variant_id = 'chr1-101-A-C'
-- =>
release of round 1: rows (samples, a by person of genotypes where (a.variant_id = $n1): max a.dosage as o0, b by person of genotypes where (b.variant_id = 'chr1-101-A-C'): max b.dosage as o0) where a.present AND b.present keys () measures (sum a.o0 * b.o0 as m0, persons as m1)
constant: n1 allele s1
table: variants on chr1
final: WITH s1 AS (SELECT a.variant_id AS "variant_id" FROM variants AS a WHERE a.contig = 'chr1' AND a.pos = 100) SELECT CAST(m0 AS INT128) AS "s", CAST(m1 AS BIGINT) AS "n" FROM cells
---
-- title: three sites, one of them chosen by a released constant
SELECT a.dosage + b.dosage + c.dosage AS alleles, count(*) AS n FROM genotypes a JOIN genotypes b USING (sample_id) JOIN genotypes c USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C' AND c.variant_id = (SELECT max(variant_id) FROM variants WHERE gene = 'G0') GROUP BY 1
-- =>
release of round 1: rows (samples, a by person of genotypes where (a.variant_id = 'chr1-100-A-C'): max a.dosage as o0, b by person of genotypes where (b.variant_id = 'chr1-101-A-C'): max b.dosage as o0, c by person of genotypes where (c.variant_id = $n1): max c.dosage as o0) where a.present AND b.present AND c.present keys (((a.o0 + b.o0) + c.o0): open) measures (rows as m0)
constant: n1 scalar s1
table: variants
final: WITH s1 AS (SELECT MAX(variants.variant_id) AS "max(variant_id)" FROM variants AS variants WHERE variants.gene = 'G0') SELECT k0 AS "alleles", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: row-wise nested queries of one site each are the same join
WITH a AS (SELECT * FROM genotypes WHERE variant_id = 'chr1-100-A-C'), b AS (SELECT sample_id, dosage AS d FROM genotypes WHERE variant_id = 'chr1-101-A-C') SELECT b.d > 0 AS carrier, avg(a.dosage) AS m, count(a.sample_id) AS n FROM a JOIN b USING (sample_id) GROUP BY carrier
-- =>
release: rows (samples, a_genotypes by person of genotypes where (a_genotypes.variant_id = 'chr1-100-A-C'): max a_genotypes.dosage as o0, b_genotypes by person of genotypes where (b_genotypes.variant_id = 'chr1-101-A-C'): max b_genotypes.dosage as o0) where a_genotypes.present AND b_genotypes.present keys ((b_genotypes.o0 > 0): open) measures (sum a_genotypes.o0 as m0, rows a_genotypes.o0 as m1, rows _persons.sample_id as m2)
final: SELECT k0 AS "carrier", (CAST(m0 AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "m", CAST(m2 AS BIGINT) AS "n" FROM cells
---
-- title: beside what is aggregated by person
SELECT h.k, sum(a.dosage) AS s FROM genotypes a JOIN genotypes b USING (sample_id) JOIN (SELECT sample_id, count_if(dosage = 2) AS k FROM genotypes GROUP BY 1) h USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C' AND b.dosage = 1 GROUP BY h.k
-- =>
release: rows (samples, a by person of genotypes where (a.variant_id = 'chr1-100-A-C'): max a.dosage as o0, b by person of genotypes where (b.variant_id = 'chr1-101-A-C'): max b.dosage as o0, h by person of genotypes: rows over (genotypes.dosage = 2) as o0) where (b.o0 = 1) AND a.present AND b.present AND h.present keys (h.o0: open) measures (sum a.o0 as m0)
final: SELECT k0 AS "k", CAST(m0 AS INT128) AS "s" FROM cells
---
-- title: a use without a place is a row for each pair of sites
SELECT count(*) FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C'
-- =>
refused: G204 line 1 col 39
---
-- title: a place that hangs on the other one's is none
SELECT count(*) FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND a.pos = b.pos
-- =>
refused: G204 line 1 col 39
---
-- title: a place is an equality, not a set or a range
SELECT count(*) FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id IN ('chr1-101-A-C', 'chr1-102-A-C')
-- =>
refused: G204 line 1 col 39
---
-- title: nor one of two places
SELECT count(*) FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND (b.variant_id = 'chr1-101-A-C' OR b.variant_id = 'chr1-102-A-C')
-- =>
refused: G204 line 1 col 39
---
-- title: persons of two sites join on the person
SELECT count(*) FROM genotypes a, genotypes b WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C'
-- =>
refused: G205 line 1 col 22
---
-- title: four sites
SELECT count(*) FROM genotypes a JOIN genotypes b USING (sample_id) JOIN genotypes c USING (sample_id) JOIN genotypes d USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C' AND c.variant_id = 'chr1-102-A-C' AND d.pos = 103 AND d.contig = 'chr1'
-- =>
refused: G204 line 1 col 109
---
-- title: the site list belongs to one site
SELECT count(*) FROM genotypes a JOIN genotypes b USING (sample_id) JOIN variants v ON v.variant_id = a.variant_id WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C' AND v.gene = 'G0'
-- =>
refused: G206 line 1 col 74
---
-- title: quality is not read by person
SELECT avg(a.dp) AS m FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C'
-- =>
refused: G304 line 1 col 12
---
-- title: an outer join of genotypes
SELECT count(*) FROM genotypes a LEFT JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C'
-- =>
refused: G207 line 1 col 44
---
-- title: nor are two sites joined beneath a query of one row a person
SELECT avg(x) FROM (SELECT sample_id, max(a.dosage) AS x FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-100-A-C' AND b.variant_id = 'chr1-101-A-C' GROUP BY sample_id) AS z
-- =>
refused: G204 line 1 col 80
---
-- title: two scores of a person
SELECT s.sex, corr(a.score, b.score) AS r FROM scores a JOIN scores b USING (sample_id) JOIN samples s USING (sample_id) WHERE a.pgs_id = 'PGS000001' AND b.pgs_id = 'PGS000002' GROUP BY s.sex
-- =>
release: rows (samples, a by person of scores where (a.pgs_id = 'PGS000001'): max a.score as o0, b by person of scores where (b.pgs_id = 'PGS000002'): max b.score as o0) where a.present AND b.present keys (s.sex: labels) measures (rows a.o0 * b.o0 as m0, sum b.o0 in steps of 0.01 over (NOT (a.o0 IS NULL)) as m1, sum a.o0 in steps of 0.01 over (NOT (b.o0 IS NULL)) as m2, sum b.o0 * b.o0 in steps of 0.0001 over (NOT (a.o0 IS NULL)) as m3, sum a.o0 * a.o0 in steps of 0.0001 over (NOT (b.o0 IS NULL)) as m4, sum a.o0 * b.o0 in steps of 0.0001 as m5)
final: SELECT k0 AS "sex", (CORR_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m4, m5)) AS "r" FROM cells
---
-- title: every pair of scores is a row for each pair
SELECT count(*) AS n FROM scores a JOIN scores b USING (sample_id) WHERE a.pgs_id <> b.pgs_id
-- =>
refused: G204
---
-- title: samples joined with itself on the person is read once
WITH c AS (SELECT sample_id, sex AS s FROM samples WHERE t2d) SELECT c.s, avg(p.bmi) AS m FROM genotypes g JOIN samples p ON p.sample_id = g.sample_id JOIN c ON c.sample_id = g.sample_id WHERE g.variant_id = 'chr1-100-A-C' GROUP BY c.s
-- =>
release: rows (genotypes, samples on sample_id) where p.t2d AND (g.variant_id = 'chr1-100-A-C') keys (p.sex: labels) measures (sum p.bmi in steps of 0.01 as m0, rows p.bmi as m1)
final: SELECT k0 AS "s", (CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "m" FROM cells
---
-- title: samples joined with itself on something else
SELECT count(*) AS n FROM samples a JOIN samples b ON a.country = b.country
-- =>
refused: G204
---
-- title: a median of persons by their genotype: at one site they have one row
SELECT g.dosage, median(s.bmi) AS m FROM genotypes g JOIN samples s USING (sample_id) WHERE g.variant_id = 'chr1-100-A-C' GROUP BY g.dosage
-- =>
release: rows (samples, g by person of genotypes where (g.variant_id = 'chr1-100-A-C'): max g.dosage as o0) where g.present keys (g.o0: open) measures (persons as m0)
release: rows (samples, g by person of genotypes where (g.variant_id = 'chr1-100-A-C'): max g.dosage as o0) where g.present AND (NOT (s.bmi IS NULL)) keys (g.o0: open, bin_first(s.bmi, 10.00, 0.01, 7000, 1): open, bin_last(s.bmi, 10.00, 0.01, 7000, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/2 of cells2
final: SELECT k0 AS "dosage", q0 AS "m" FROM cells
---
-- title: a median over many sites
SELECT median(s.bmi) AS m FROM genotypes g JOIN samples s USING (sample_id) WHERE g.contig = 'chr1'
-- =>
refused: G403
