-- title: a semi join asks whether a person has a row
SELECT sex, count(*) AS n FROM samples SEMI JOIN scores USING (sample_id) GROUP BY sex
-- =>
release: rows (samples, _p1 by person of scores) where _p1.present keys (samples.sex: labels) measures (rows as m0)
final: SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: an anti join counts those who have none, or none that fulfils the condition
SELECT count(*) AS n FROM samples s ANTI JOIN scores c ON c.sample_id = s.sample_id AND c.score > 0.25
-- =>
release: rows (samples, _p1 by person of scores where (c.score > 0.25)) where (NOT (_p1.present IS TRUE)) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: EXISTS is the same question, and its correlation is the join on the person
SELECT count(*) AS n FROM samples s WHERE EXISTS (SELECT 1 FROM scores c WHERE c.sample_id = s.sample_id AND c.score > 0.25)
-- =>
release: rows (samples, _p1 by person of scores where (c.score > 0.25)) where _p1.present keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: NOT IN is answered for those without a row as well
SELECT count(*) AS n FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM genotypes WHERE pos = 101 AND dosage > 0)
-- =>
release: rows (samples, _p1 by person of genotypes where (genotypes.pos = 101) AND (genotypes.dosage > 0)) where (NOT (_p1.present IS TRUE)) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: presence in a FILTER is a condition of the measure
SELECT count(*) FILTER (sample_id IN (SELECT sample_id FROM scores)) AS n FROM samples
-- =>
release: rows (samples, _p1 by person of scores) keys () measures (rows over _p1.present as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a left join keeps those without a row, and counts them by what they have
SELECT s.sex, count(*) AS n, count(c.sample_id) AS scored, count(c.score) AS x FROM samples s LEFT JOIN scores c ON c.sample_id = s.sample_id AND c.pgs_id = 'PGS000001' GROUP BY s.sex
-- =>
release: rows (samples, c by person of scores where (c.pgs_id = 'PGS000001'): max c.score as o1) keys (s.sex: labels) measures (rows as m0, rows over (NOT ((CASE WHEN c.present THEN 1 END) IS NULL)) as m1, rows c.o1 as m2)
final: SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n", CAST(m1 AS BIGINT) AS "scored", CAST(m2 AS BIGINT) AS "x" FROM cells
---
-- title: every score has its person, so that this is an inner join
SELECT sex, count(score) AS n FROM scores LEFT JOIN samples USING (sample_id) GROUP BY sex
-- =>
release: rows (scores, samples on sample_id) keys (samples.sex: labels) measures (rows scores.score as m0)
final: SELECT k0 AS "sex", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a burden is one number a person, and then a column like any other
WITH b AS (SELECT sample_id, sum(dosage) AS x FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene = 'G1' GROUP BY 1) SELECT least(x, 2) AS k, sum(bmi) AS m, count(*) AS n FROM b JOIN samples USING (sample_id) GROUP BY k
-- =>
release: rows (samples, b by person of genotypes, variants where (variants.gene = 'G1'): sum genotypes.dosage as o0) where b.present keys (least(b.o0, 2): open) measures (sum samples.bmi in steps of 0.01 as m0, rows as m1)
final: SELECT k0 AS "k", CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) AS "m", CAST(m1 AS BIGINT) AS "n" FROM cells
---
-- title: HAVING by person is a condition on the person
SELECT sex, sum(b.x) AS s FROM (SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY sample_id HAVING count_if(dosage = 2) > 0) AS b JOIN samples USING (sample_id) GROUP BY sex
-- =>
release: rows (samples, b by person of genotypes: sum genotypes.dosage as o0, rows over (genotypes.dosage = 2) as o1) where b.present AND (b.o1 > 0) keys (samples.sex: labels) measures (sum b.o0 as m0)
final: SELECT k0 AS "sex", CAST(m0 AS INT128) AS "s" FROM cells
---
-- title: genotypes at two sites side by side
WITH d AS (SELECT sample_id, max(CASE WHEN pos = 100 THEN dosage END) AS a, max(CASE WHEN pos = 101 THEN dosage END) AS b FROM genotypes GROUP BY sample_id) SELECT a, b, count(*) AS n FROM d GROUP BY a, b
-- =>
release: rows (samples, d by person of genotypes: max genotypes.dosage over ((genotypes.pos = 100) IS TRUE) as o0, max genotypes.dosage over ((genotypes.pos = 101) IS TRUE) as o1) where d.present keys (d.o0: open, d.o1: open) measures (rows as m0)
final: SELECT k0 AS "a", k1 AS "b", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a weight list: the weights travel as decimals, with the sites that they are for
SELECT t2d, sum(pgs) AS s FROM (SELECT sample_id, sum(dosage * CASE variant_id WHEN 'chr1-100-A-C' THEN 0.5 WHEN 'chr1-101-A-C' THEN -0.25 END) AS pgs FROM genotypes GROUP BY sample_id) AS p JOIN samples USING (sample_id) GROUP BY t2d
-- =>
release: rows (samples, p by person of genotypes: sum genotypes.dosage times (0.5 for (genotypes.variant_id = 'chr1-100-A-C'), -0.25 for (genotypes.variant_id = 'chr1-101-A-C')) as o0) where p.present keys (samples.t2d: labels) measures (sum p.o0 in steps of 0.01 as m0)
final: SELECT k0 AS "t2d", CAST((CAST(m0 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) AS "s" FROM cells
---
-- title: a row a person is not an answer
SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY sample_id
-- =>
refused: G501
---
-- title: nor may the largest of them be asked for
SELECT max(x) FROM (SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY sample_id) AS b
-- =>
refused: G401
---
-- title: sub-aggregates stand beside each other, not in each other
SELECT count(*) FROM (SELECT sample_id, max(x) AS y FROM (SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY sample_id) AS b GROUP BY sample_id) AS c
-- =>
refused: G304
---
-- title: one row a person is joined on the person
SELECT count(*) FROM samples s JOIN (SELECT sample_id, count(*) AS n FROM scores GROUP BY 1) AS c ON s.birth_year = c.n
-- =>
refused: G205
---
-- title: a left join of several scores multiplies persons
SELECT count(*) FROM samples LEFT JOIN scores USING (sample_id)
-- =>
refused: G207
---
-- title: a left join of genotypes does, too
SELECT count(*) FROM samples s LEFT JOIN genotypes g ON g.sample_id = s.sample_id AND g.pos = 100
-- =>
refused: G207
---
-- title: persons are not cut one by one
SELECT count(*) FROM (SELECT sample_id, sum(score) AS x FROM scores GROUP BY sample_id ORDER BY x LIMIT 5) AS b
-- =>
refused: G304
---
-- title: the person is compared with persons only
SELECT count(*) FROM samples WHERE sample_id IN (SELECT pgs_id FROM scores)
-- =>
refused: G501
---
-- title: made-up persons are not persons
SELECT count(*) FROM samples WHERE sample_id IN (SELECT x FROM (VALUES ('p1')) AS t(x))
-- =>
refused: G501
---
-- title: a value that rests on other rows than the person's
SELECT count(*) FROM samples s WHERE EXISTS (SELECT 1 FROM scores c WHERE c.sample_id = s.sample_id AND c.score > s.bmi)
-- =>
refused: G304
---
-- title: the identifier is not part of what is kept by person
SELECT x, count(*) FROM (SELECT sample_id, max(sample_id) AS x FROM scores GROUP BY sample_id) AS b GROUP BY x
-- =>
refused: G403
---
-- title: a left join adds the genotype at one allele
SELECT s.t2d, g.dosage, count(*) AS n FROM samples s LEFT JOIN genotypes g ON g.sample_id = s.sample_id AND g.variant_id = 'chr1-100-A-C' GROUP BY ALL
-- =>
release: rows (samples, g by person of genotypes where (g.variant_id = 'chr1-100-A-C'): max g.dosage as o5) keys (s.t2d: labels, g.o5: open) measures (rows as m0)
final: SELECT k0 AS "t2d", k1 AS "dosage", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a left join that adds a genotype a site multiplies persons
SELECT count(*) AS n FROM samples s LEFT JOIN genotypes g ON g.sample_id = s.sample_id AND g.contig = 'chr1' AND g.pos = 100
-- =>
refused: G207
---
-- title: persons of a query that reads one of one row a person are its persons
WITH c AS (SELECT DISTINCT sample_id FROM genotypes WHERE variant_id = 'chr1-101-A-C' AND dosage > 0) SELECT count(*) FILTER (WHERE sample_id IN (SELECT sample_id FROM c)) AS n FROM samples
-- =>
release: rows (samples, _p1 by person of genotypes where (genotypes.variant_id = 'chr1-101-A-C') AND (genotypes.dosage > 0)) keys () measures (rows over _p1.present as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: a condition around a query of one row a person is one of its own
SELECT count(*) AS n FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM (SELECT sample_id, sum(dosage) AS a FROM genotypes GROUP BY sample_id HAVING count(*) > 1) AS b WHERE a > 3)
-- =>
release: rows (samples, _p1 by person of genotypes: sum genotypes.dosage as o0, rows as o1) where (NOT ((_p1.present AND ((_p1.o1 > 1) AND (_p1.o0 > 3))) IS TRUE)) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: what is averaged by person and gene is a sum over persons
SELECT gene, avg(n) AS mean, count(*) AS persons, sum(n) AS alleles FROM (SELECT g.sample_id, v.gene, sum(g.dosage) AS n FROM genotypes AS g JOIN variants AS v USING (variant_id) GROUP BY g.sample_id, v.gene) GROUP BY gene
-- =>
release: rows (genotypes, variants on variant_id) keys (_q1_v.gene: sites) measures (sum _q1_g.dosage as m0, persons over (NOT (_q1_g.dosage IS NULL)) as m1, persons as m2)
final: SELECT k0 AS "gene", (CAST(m0 AS INT128) / NULLIF(CAST(m1 AS BIGINT), 0)) AS "mean", CAST(m2 AS BIGINT) AS "persons", CAST(m0 AS INT128) AS "alleles" FROM cells
---
-- title: counts by person and site are counted with those whose count is 0, beside columns of the person
WITH b AS (SELECT sample_id, contig, count_if(dosage = 2) AS homs, sum(dosage) FILTER (WHERE called_alleles = 2) AS n FROM genotypes GROUP BY sample_id, contig) SELECT contig, sex, avg(homs) AS homs, avg(n) FILTER (WHERE t2d) AS n FROM b JOIN samples USING (sample_id) WHERE bmi > 21 GROUP BY contig, sex
-- =>
release: rows (genotypes, samples on sample_id) where (samples.bmi > 21) keys (b_genotypes.contig: sites, samples.sex: labels) measures (rows over ((b_genotypes.dosage = 2) IS TRUE) as m0, rows as m1, persons over (NOT ((CASE WHEN (b_genotypes.dosage = 2) THEN 1 ELSE 0 END) IS NULL)) as m2, sum b_genotypes.dosage over (samples.t2d AND ((b_genotypes.called_alleles = 2) IS TRUE)) as m3, persons over (samples.t2d AND (NOT ((CASE WHEN (b_genotypes.called_alleles = 2) THEN b_genotypes.dosage END) IS NULL))) as m4)
final: SELECT k0 AS "contig", k1 AS "sex", (CAST(CASE WHEN (CAST(m1 AS BIGINT)) > 0 THEN 0 + COALESCE(NULLIF(m0, 0), 0) END AS INT128) / NULLIF(CAST(m2 AS BIGINT), 0)) AS "homs", (CAST(m3 AS INT128) / NULLIF(CAST(m4 AS BIGINT), 0)) AS "n" FROM cells
---
-- title: a spread by person and gene is not made of sums of the rows
SELECT gene, stddev(n) FROM (SELECT g.sample_id, v.gene, sum(g.dosage) AS n FROM genotypes AS g JOIN variants AS v USING (variant_id) GROUP BY g.sample_id, v.gene) GROUP BY gene
-- =>
refused: G304
---
-- title: persons are not chosen by what they have in each gene
SELECT gene, count(*) FROM (SELECT g.sample_id, v.gene, sum(g.dosage) AS n FROM genotypes AS g JOIN variants AS v USING (variant_id) GROUP BY g.sample_id, v.gene) WHERE n > 1 GROUP BY gene
-- =>
refused: G304
---
-- title: a FILTER does not choose them either
SELECT gene, count(*) FILTER (WHERE n > 1) FROM (SELECT g.sample_id, v.gene, sum(g.dosage) AS n FROM genotypes AS g JOIN variants AS v USING (variant_id) GROUP BY g.sample_id, v.gene) GROUP BY gene
-- =>
refused: G304
---
-- title: rows by person and gene have to be grouped by gene
SELECT avg(n) FROM (SELECT g.sample_id, v.gene, sum(g.dosage) AS n FROM genotypes AS g JOIN variants AS v USING (variant_id) GROUP BY g.sample_id, v.gene)
-- =>
refused: G304
---
-- title: rows by person and gene are not put under others
WITH b AS (SELECT sample_id, contig, count(*) AS n FROM genotypes GROUP BY sample_id, contig), c AS (SELECT * FROM b UNION ALL SELECT * FROM b) SELECT contig, sum(n) FROM c GROUP BY contig
-- =>
refused: G304
---
-- title: nor joined with tables of several rows a person
WITH b AS (SELECT sample_id, contig, count(*) AS n FROM genotypes GROUP BY sample_id, contig) SELECT contig, count(*) FROM b JOIN scores USING (sample_id) GROUP BY contig
-- =>
refused: G304
---
-- title: nor kept by an outer join
WITH b AS (SELECT sample_id, contig, count(*) AS n FROM genotypes GROUP BY sample_id, contig) SELECT sex, avg(n) FROM samples LEFT JOIN b USING (sample_id) GROUP BY sex
-- =>
refused: G304
---
-- title: different values are not counted by person
SELECT k, count(*) FROM (SELECT sample_id, count(DISTINCT gene) AS k FROM genotypes JOIN variants USING (contig, pos, ref, alt) GROUP BY 1) AS p GROUP BY k
-- =>
refused: G401
---
-- title: nor approximately
SELECT k, count(*) FROM (SELECT sample_id, approx_count_distinct(contig) AS k FROM genotypes GROUP BY 1) AS p GROUP BY k
-- =>
refused: G401
---
-- title: different sites of a person are its rows
SELECT k, count(*) AS n FROM (SELECT sample_id, count(DISTINCT variant_id) AS k FROM genotypes WHERE dosage > 0 GROUP BY 1) AS p GROUP BY k
-- =>
release: rows (samples, p by person of genotypes where (genotypes.dosage > 0): rows as o0) where p.present keys (p.o0: open) measures (rows as m0)
final: SELECT k0 AS "k", CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: by gene that is named: one query of one row a person for each
SELECT gene, stddev_pop(x) AS sd, count(*) AS n FROM (SELECT sample_id, gene, sum(dosage) AS x FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene IN ('APOE', 'LDLR') GROUP BY ALL) AS b GROUP BY gene
-- =>
release: rows (samples, b by person of genotypes, variants where (variants.gene = 'APOE'): sum genotypes.dosage as o0) where b.present keys () measures (rows b.o0 as m0, sum b.o0 as m1, sum b.o0 * b.o0 as m2, rows as m3)
release: rows (samples, b by person of genotypes, variants where (variants.gene = 'LDLR'): sum genotypes.dosage as o0) where b.present keys () measures (rows b.o0 as m0, sum b.o0 as m1, sum b.o0 * b.o0 as m2, rows as m3)
final: WITH s1 AS (SELECT 'APOE' AS "g0", (SQRT((COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m2) / NULLIF((CAST(m0 AS BIGINT)), 0)))) AS "a0", CAST(m3 AS BIGINT) AS "a1" FROM cells WHERE CAST(m3 AS BIGINT) > 0), s2 AS (SELECT 'LDLR' AS "g0", (SQRT((COMOMENT((CAST(m0 AS BIGINT)), m1, m1, m2) / NULLIF((CAST(m0 AS BIGINT)), 0)))) AS "a0", CAST(m3 AS BIGINT) AS "a1" FROM cells2 WHERE CAST(m3 AS BIGINT) > 0), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2) SELECT _g.g0 AS "gene", _g.a0 AS "sd", _g.a1 AS "n" FROM s3 AS _g
---
-- title: by gene that is named: whom HAVING chooses
SELECT gene, count(*) AS n FROM (SELECT sample_id, gene FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene IN ('APOE', 'LDLR') AND dosage = 1 GROUP BY sample_id, gene HAVING count(*) >= 2) AS b GROUP BY gene
-- =>
release: rows (samples, b by person of genotypes, variants where (genotypes.dosage = 1) AND (variants.gene = 'APOE'): rows as o0) where b.present AND (b.o0 >= 2) keys () measures (rows as m0)
release: rows (samples, b by person of genotypes, variants where (genotypes.dosage = 1) AND (variants.gene = 'LDLR'): rows as o0) where b.present AND (b.o0 >= 2) keys () measures (rows as m0)
final: WITH s1 AS (SELECT 'APOE' AS "g0", CAST(m0 AS BIGINT) AS "a0" FROM cells WHERE CAST(m0 AS BIGINT) > 0), s2 AS (SELECT 'LDLR' AS "g0", CAST(m0 AS BIGINT) AS "a0" FROM cells2 WHERE CAST(m0 AS BIGINT) > 0), s3 AS (SELECT * FROM s1 UNION ALL SELECT * FROM s2) SELECT _g.g0 AS "gene", _g.a0 AS "n" FROM s3 AS _g
---
-- title: by gene that is named: whether a person has a row for one of them
SELECT count(*) AS n FROM samples WHERE sample_id IN (SELECT sample_id FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene IN ('APOE', 'LDLR') AND dosage = 1 GROUP BY sample_id, gene HAVING count(*) >= 2)
-- =>
release: rows (samples, _p1 by person of genotypes, variants where (genotypes.dosage = 1) AND (variants.gene = 'APOE'): rows as o0, _p2 by person of genotypes, variants where (genotypes.dosage = 1) AND (variants.gene = 'LDLR'): rows as o0) where (((_p1.present AND (_p1.o0 >= 2)) IS TRUE) OR ((_p2.present AND (_p2.o0 >= 2)) IS TRUE)) keys () measures (rows as m0)
final: SELECT CAST(m0 AS BIGINT) AS "n" FROM cells
---
-- title: by gene that is not named: spreads are refused
SELECT gene, stddev_pop(x) AS sd FROM (SELECT sample_id, gene, sum(dosage) AS x FROM genotypes JOIN variants USING (contig, pos, ref, alt) GROUP BY ALL) AS b GROUP BY gene
-- =>
refused: G304
---
-- title: by gene that is named but not grouped by
SELECT stddev_pop(x) AS sd FROM (SELECT sample_id, gene, sum(dosage) AS x FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE gene IN ('APOE', 'LDLR') GROUP BY ALL) AS b
-- =>
refused: G303
---
-- title: a further key that is not shown makes several rows of a person
SELECT count(*) FROM samples WHERE sample_id IN (SELECT sample_id FROM genotypes JOIN variants USING (contig, pos, ref, alt) WHERE dosage = 1 GROUP BY sample_id, gene HAVING count(*) >= 2)
-- =>
refused: G305
---
-- title: the same of a mean
SELECT avg(x) FROM (SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY sample_id, contig) AS b
-- =>
refused: G305
---
-- title: what is counted of persons in rows by person and more
SELECT gene, count(s.bmi) AS n, count(b.sample_id) AS persons FROM (SELECT sample_id, gene, sum(dosage) AS x FROM genotypes JOIN variants USING (contig, pos, ref, alt) GROUP BY ALL) AS b JOIN samples AS s USING (sample_id) GROUP BY gene
-- =>
release: rows (genotypes, samples on sample_id, variants on alt, contig, pos, ref) keys (b_variants.gene: sites) measures (persons over (NOT (s.bmi IS NULL)) as m0, persons as m1)
final: SELECT k0 AS "gene", CAST(m0 AS BIGINT) AS "n", CAST(m1 AS BIGINT) AS "persons" FROM cells
---
-- title: quantiles of what was aggregated by person
SELECT sex, median(x), quantile_disc(x, [0.1, 0.9]) FILTER (WHERE bmi > 30) FROM samples JOIN (SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY 1) AS b USING (sample_id) GROUP BY sex
-- =>
release: rows (samples, b by person of genotypes: sum genotypes.dosage as o0) where b.present keys (samples.sex: labels) measures (persons as m0)
release: rows (samples, b by person of genotypes: sum genotypes.dosage as o0) where b.present AND (NOT (b.o0 IS NULL)) keys (samples.sex: labels, bin_first(b.o0, 0, 1, 2000000000, 1): open, bin_last(b.o0, 0, 1, 2000000000, 1): open) measures (rows as m0)
release: rows (samples, b by person of genotypes: sum genotypes.dosage as o0) where b.present AND (samples.bmi > 30) AND (NOT (b.o0 IS NULL)) keys (samples.sex: labels, bin_first(b.o0, 0, 1, 2000000000, 1): open, bin_last(b.o0, 0, 1, 2000000000, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/2 of cells2
quantile: cells.q1 discrete 1/10 of cells3
quantile: cells.q2 discrete 9/10 of cells3
final: SELECT k0 AS "sex", q0 AS "median(x)", [q1, q2] AS "quantile_disc(x, [0.1, 0.9]) filter(where bmi > 30)" FROM cells
---
-- title: persons above the median of a sum by person
WITH b AS (SELECT sample_id, sum(dosage * CASE WHEN pos > 1000 THEN 0.25 ELSE -1 END) AS x FROM genotypes GROUP BY 1), m AS (SELECT quantile_disc(x, 0.5) AS middle FROM b) SELECT x > middle AS above, count(*), avg(bmi) FROM b JOIN samples USING (sample_id) CROSS JOIN m GROUP BY above
-- =>
release of round 1: rows (samples, b by person of genotypes: sum genotypes.dosage times (0.25 for (genotypes.pos > 1000), -1) as o0) where b.present keys () measures (persons as m0)
release of round 1: rows (samples, b by person of genotypes: sum genotypes.dosage times (0.25 for (genotypes.pos > 1000), -1) as o0) where b.present AND (NOT (b.o0 IS NULL)) keys (bin_first(b.o0, (-2000000000.00), 0.01, 250000000000, 1): open, bin_last(b.o0, (-2000000000.00), 0.01, 250000000000, 1): open) measures (rows as m0)
release of round 2: rows (samples, b by person of genotypes: sum genotypes.dosage times (0.25 for (genotypes.pos > 1000), -1) as o0) where b.present keys ((b.o0 > $n1): open) measures (rows as m0, sum samples.bmi in steps of 0.01 as m1, rows samples.bmi as m2)
constant: n1 scalar s1.middle
quantile: cells.q0 discrete 1/2 of cells2
final: WITH s1 AS (SELECT q0 AS "middle" FROM cells) SELECT k0 AS "above", CAST(m0 AS BIGINT) AS "_col_1", (CAST((CAST(m1 AS DOUBLE) / CAST(100 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m2 AS BIGINT)), 0)) AS "_col_2" FROM cells3
---
-- title: a ratio of two counts by person is a column of the person
SELECT sex, avg(het / nullif(hom, 0)), avg(100.0 * het / nullif(het + hom, 0)), count(het / nullif(hom, 0)) FROM samples JOIN (SELECT sample_id, count_if(dosage = 1) AS het, count_if(dosage = 2) AS hom FROM genotypes GROUP BY 1) AS b USING (sample_id) GROUP BY sex
-- =>
release: rows (samples, b by person of genotypes: rows over (genotypes.dosage = 1) as o0, rows over (genotypes.dosage = 2) as o1) where b.present keys (samples.sex: labels) measures (sum b.ratio_by_person$o0$o1 in steps of 1E-9 as m0, rows over (NOT ((CAST(b.o0 AS DOUBLE) / nullif(CAST(b.o1 AS DOUBLE), 0)) IS NULL)) as m1, sum b.ratio_by_person$o0$o0_o1 in steps of 1E-9 as m2, rows over (NOT ((CAST(b.o0 AS DOUBLE) / nullif((CAST(b.o0 AS DOUBLE) + CAST(b.o1 AS DOUBLE)), 0)) IS NULL)) as m3, rows over (NOT ((b.o0 / nullif(b.o1, 0)) IS NULL)) as m4)
final: SELECT k0 AS "sex", (CAST((CAST(m0 AS DOUBLE) / CAST(1000000000 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m1 AS BIGINT)), 0)) AS "avg(het / nullif(hom, 0))", (CAST((CAST(m2 AS DOUBLE) / CAST(10000000 AS DOUBLE)) AS DOUBLE) / NULLIF((CAST(m3 AS BIGINT)), 0)) AS "avg(100.0 * het / nullif(het + hom, 0))", CAST(m4 AS BIGINT) AS "count(het / nullif(hom, 0))" FROM cells
---
-- title: a mean by person is one, also in a median and a correlation
SELECT median(1 - x), corr(x, bmi) FROM samples JOIN (SELECT sample_id, avg(dosage) AS x FROM genotypes GROUP BY 1) AS b USING (sample_id)
-- =>
release: rows (samples, b by person of genotypes: sum genotypes.dosage as o0, rows genotypes.dosage as o1) where b.present keys () measures (rows samples.bmi over (NOT ((CAST(b.o0 AS DOUBLE) / nullif(CAST(b.o1 AS DOUBLE), 0)) IS NULL)) as m0, sum samples.bmi in steps of 0.01 over (NOT ((CAST(b.o0 AS DOUBLE) / nullif(CAST(b.o1 AS DOUBLE), 0)) IS NULL)) as m1, sum b.ratio_by_person$o0$o1 in steps of 1E-9 over (NOT (samples.bmi IS NULL)) as m2, sum samples.bmi * samples.bmi in steps of 0.0001 over (NOT ((CAST(b.o0 AS DOUBLE) / nullif(CAST(b.o1 AS DOUBLE), 0)) IS NULL)) as m3, sum b.ratio_by_person$o0$o1 * b.ratio_by_person$o0$o1 in steps of 1E-18 over (NOT (samples.bmi IS NULL)) as m4, sum b.ratio_by_person$o0$o1 * samples.bmi in steps of 1E-11 as m5)
release: rows (samples, b by person of genotypes: sum genotypes.dosage as o0, rows genotypes.dosage as o1) where b.present AND (NOT ((CAST(b.o0 AS DOUBLE) / nullif(CAST(b.o1 AS DOUBLE), 0)) IS NULL)) keys (bin_first(b.ratio_by_person$o0$o1, (-100000.000000000), 0.000000001, 200000000000000, 1): open, bin_last(b.ratio_by_person$o0$o1, (-100000.000000000), 0.000000001, 200000000000000, 1): open) measures (rows as m0)
quantile: cells.q0 continuous 1/2 of cells2
final: SELECT (q0 * -1 + 1) AS "median(1 - x)", (CORR_OF((CAST(m0 AS BIGINT)), m1, m2, m3, m4, m5)) AS "corr(x, bmi)" FROM cells
---
-- title: ratios of sums over two sub-aggregates are not answered
SELECT avg(a.n / b.n) FROM (SELECT sample_id, count(*) AS n FROM genotypes WHERE dosage = 1 GROUP BY 1) AS a JOIN (SELECT sample_id, count(*) AS n FROM scores GROUP BY 1) AS b USING (sample_id)
-- =>
refused: G403
---
-- title: nor are ratios of several terms in different numbers
SELECT avg((x + y) / (2 * x + y)) FROM (SELECT sample_id, sum(dosage) AS x, count(*) AS y FROM genotypes GROUP BY 1) AS b
-- =>
refused: G403
