-- Mean number of alleles of LDLR that are rarer than 10 % in all of Europe, by diabetes status.
WITH rare AS (
    SELECT a.variant_id
    FROM allele_frequencies AS a
    JOIN variants AS v USING (variant_id)
    WHERE a.contig = 'chr19' AND v.gene = 'LDLR'
      AND a.country = 'all' AND a.population = 'all' AND a.sex = 'all'
      AND a.status = 'ok' AND a.af < 0.1
),
burden AS (
    SELECT g.sample_id, sum(g.dosage) AS alleles
    FROM genotypes AS g
    JOIN rare USING (variant_id)
    GROUP BY g.sample_id
)
SELECT s.t2d, avg(coalesce(b.alleles, 0)) AS mean_alleles, count(*) AS persons
FROM samples AS s
LEFT JOIN burden AS b USING (sample_id)
WHERE s.t2d IS NOT NULL
GROUP BY s.t2d
ORDER BY s.t2d
