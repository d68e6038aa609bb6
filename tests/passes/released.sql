-- title: rows of the site list
SELECT variant_id, gene FROM variants WHERE contig = 'chr1' AND pos BETWEEN 100 AND 102 ORDER BY pos
-- =>
table: variants on chr1
final: SELECT variants.variant_id AS "variant_id", variants.gene AS "gene" FROM variants AS variants WHERE variants.contig = 'chr1' AND variants.pos BETWEEN 100 AND 102 ORDER BY variants.pos
---
-- title: contigs that a query names prune what is loaded
SELECT a.variant_id, b.af FROM variants AS a JOIN allele_frequencies AS b USING (contig, pos, ref, alt) WHERE b.contig IN ('chr1', 'chr2') AND b.country = 'all'
-- =>
table: variants
table: allele_frequencies on chr1, chr2
final: SELECT a.variant_id AS "variant_id", b.af AS "af" FROM variants AS a JOIN allele_frequencies AS b ON a.contig = b.contig AND a.pos = b.pos AND a.ref = b.ref AND a.alt = b.alt WHERE b.contig IN ('chr1', 'chr2') AND b.country = 'all'
---
-- title: windows over groups of public rows are a step of their own
SELECT gene, count(*) AS n, rank() OVER (ORDER BY count(*) DESC, gene) AS r FROM variants GROUP BY gene ORDER BY r
-- =>
table: variants
final: WITH s1 AS (SELECT variants.gene AS "g0", COUNT(*) AS "a0" FROM variants AS variants GROUP BY variants.gene) SELECT _g.g0 AS "gene", _g.a0 AS "n", RANK() OVER (ORDER BY _g.a0 DESC, _g.g0) AS "r" FROM s1 AS _g ORDER BY r
---
-- title: outer joins, semi joins and set operations
SELECT v.pos, g.gene FROM variants AS v LEFT JOIN genes AS g ON v.gene = g.gene AND g.sites > 5 UNION SELECT pos, ref FROM variants SEMI JOIN genes USING (gene)
-- =>
table: variants
table: genes
final: WITH s1 AS (SELECT v.pos AS "pos", g.gene AS "gene" FROM variants AS v LEFT JOIN genes AS g ON v.gene = g.gene AND g.sites > 5), s2 AS (SELECT variants.pos AS "pos", variants.ref AS "ref" FROM variants AS variants SEMI JOIN genes AS genes ON variants.gene = genes.gene) SELECT * FROM s1 UNION SELECT * FROM s2
---
-- title: PIVOT is aggregates with FILTER
SELECT * FROM (SELECT gene, pos % 2 AS odd, pos FROM variants) PIVOT (count(pos) FOR odd IN (0, 1) GROUP BY gene)
-- =>
table: variants
final: WITH s1 AS (SELECT variants.gene AS "gene", variants.pos % 2 AS "odd", variants.pos AS "pos" FROM variants AS variants), s2 AS (SELECT _pivot.gene AS "gene", COUNT(_pivot.pos) FILTER(WHERE _pivot.odd = 0) AS "0", COUNT(_pivot.pos) FILTER(WHERE _pivot.odd = 1) AS "1" FROM s1 AS _pivot GROUP BY _pivot.gene) SELECT _q1.gene AS "gene", _q1."0" AS "0", _q1."1" AS "1" FROM s2 AS _q1
---
-- title: UNPIVOT is a union
SELECT * FROM (SELECT gene, min(pos) AS low, max(pos) AS high FROM variants GROUP BY gene) UNPIVOT (place FOR side IN (low, high))
-- =>
table: variants
final: WITH s1 AS (SELECT variants.gene AS "gene", MIN(variants.pos) AS "low", MAX(variants.pos) AS "high" FROM variants AS variants GROUP BY variants.gene), s2 AS (SELECT _pivot."gene" AS "gene", 'low' AS "side", _pivot."low" AS "place" FROM s1 AS _pivot WHERE NOT _pivot."low" IS NULL), s3 AS (SELECT _pivot."gene" AS "gene", 'high' AS "side", _pivot."high" AS "place" FROM s1 AS _pivot WHERE NOT _pivot."high" IS NULL), s4 AS (SELECT * FROM s2 UNION ALL SELECT * FROM s3) SELECT _q1.gene AS "gene", _q1.side AS "side", _q1.place AS "place" FROM s4 AS _q1
---
-- title: constants and ranges
SELECT r.i, v.name FROM range(0, 10, 5) AS r(i) LEFT JOIN (VALUES (0, 'zero'), (5, 'five')) AS v(i, name) ON r.i = v.i ORDER BY r.i
-- =>
final: WITH s1 AS (SELECT * FROM (FROM RANGE(0, 10, 5)) AS t("i")), s2 AS (SELECT * FROM (VALUES (0, 'zero'), (5, 'five')) AS t("i", "name")) SELECT r.i AS "i", v.name AS "name" FROM s1 AS r LEFT JOIN s2 AS v ON r.i = v.i ORDER BY r.i
---
-- title: recursion over public rows
WITH RECURSIVE walk(pos, steps) AS (SELECT min(pos), 0 FROM variants UNION ALL SELECT walk.pos + 1, steps + 1 FROM walk JOIN variants AS v ON v.pos = walk.pos + 1) SELECT max(steps) AS steps FROM walk
-- =>
table: variants
final: WITH s1 AS (WITH RECURSIVE "walk"("pos", "steps") AS (SELECT MIN(pos), 0 FROM variants AS variants UNION ALL SELECT walk.pos + 1, steps + 1 FROM walk JOIN variants AS v ON v.pos = walk.pos + 1) SELECT * FROM "walk") SELECT MAX(walk.steps) AS "steps" FROM s1 AS walk
---
-- title: DISTINCT ON, text and list functions
SELECT DISTINCT ON (gene) gene, upper(ref) || '>' || lower(alt) AS change, format('{:05d}', pos) AS place FROM variants ORDER BY gene, pos
-- =>
table: variants
final: SELECT DISTINCT ON (gene) variants.gene AS "gene", UPPER(variants.ref) || '>' || LOWER(variants.alt) AS "change", FORMAT('{:05d}', variants.pos) AS "place" FROM variants AS variants ORDER BY gene, variants.pos
---
-- title: a range is not endless
SELECT count(*) FROM range(1000000000000)
-- =>
refused: G601
---
-- title: a range is written out
SELECT count(*) FROM range((SELECT max(pos) FROM variants))
-- =>
refused: G405
---
-- title: a width is bounded
SELECT printf('%1000000000d', pos) FROM variants
-- =>
refused: G405
---
-- title: files are not tables
SELECT * FROM read_csv('x.csv')
-- =>
refused: G201
---
-- title: settings are not told
SELECT current_setting('memory_limit') FROM variants
-- =>
refused: G402
---
-- title: the environment is not told
SELECT getenv('HOME') FROM variants
-- =>
refused: G402
---
-- title: errors are not raised
SELECT error(gene) FROM variants
-- =>
refused: G402
---
-- title: texts are not repeated at will
SELECT repeat(ref, 1000000000) FROM variants
-- =>
refused: G402
---
-- title: text is not run as SQL
SELECT * FROM query_table('variants')
-- =>
refused: G201
---
-- title: lateral joins are joins
SELECT v.pos, x.y FROM variants AS v, LATERAL (SELECT v.pos + 1 AS y) AS x
-- =>
table: variants
final: SELECT v.pos AS "pos", (v.pos + 1) AS "y" FROM variants AS v
---
-- title: the clock and chance are not read
SELECT random(), now() FROM variants
-- =>
refused: G402
---
-- title: margins and windows over groups of public rows
SELECT gene, pos % 2 AS odd, count(*) AS n, count(*) / max(count(*)) OVER () AS share FROM variants GROUP BY ROLLUP (gene, odd)
-- =>
table: variants
final: WITH s1 AS (SELECT variants.gene AS "g0", variants.pos % 2 AS "g1", COUNT(*) AS "a0" FROM variants AS variants GROUP BY ROLLUP (variants.gene, variants.pos % 2)) SELECT _g.g0 AS "gene", _g.g1 AS "odd", _g.a0 AS "n", _g.a0 / MAX(_g.a0) OVER () AS "share" FROM s1 AS _g
