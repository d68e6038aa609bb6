-- Persons, mean LDL and share with diabetes in each decile of a score computed from a list of weights of one's own.
WITH weights(gene, consequence, weight) AS (
    VALUES ('LDLR', 'missense_variant', 0.35), ('LDLR', 'synonymous_variant', 0.05),
           ('APOE', 'missense_variant', -0.2), ('APOB', 'missense_variant', 0.15)
),
own AS (
    SELECT g.sample_id, sum(g.dosage * w.weight) AS score
    FROM genotypes AS g
    JOIN variants AS v USING (contig, pos, ref, alt)
    JOIN weights AS w ON v.gene = w.gene AND v.consequence = w.consequence
    GROUP BY g.sample_id
),
deciles AS (
    SELECT sample_id, ntile(10) OVER (ORDER BY score) AS decile FROM own
)
SELECT decile, count(*) AS persons, avg(ldl) AS mean_ldl, avg(t2d::INT) AS t2d_share
FROM deciles JOIN samples USING (sample_id)
GROUP BY decile
ORDER BY decile
