-- A score computed from a list of weights of one's own, by diabetes status.
WITH weights(consequence, weight) AS (VALUES ('missense_variant', 0.25), ('synonymous_variant', -0.125)),
own AS (
    SELECT sample_id, sum(dosage * w.weight) AS score
    FROM genotypes
    JOIN variants AS v USING (contig, pos, ref, alt)
    JOIN weights AS w ON v.consequence = w.consequence
    GROUP BY sample_id
)
SELECT t2d, avg(score) AS mean, count(*) AS persons
FROM own JOIN samples USING (sample_id)
WHERE t2d IS NOT NULL
GROUP BY t2d
ORDER BY t2d
