-- Frequencies of all persons of a node on one contig beside those of the others and of the release before.
-- Grain: one site. NULL where AC is withheld or there is no such row; others are the sum of their releases.
WITH others AS (
    SELECT pos, ref, alt, end_pos, sum(ac) / nullif(sum(an), 0) AS af
    FROM read_parquet($others, hive_partitioning = false, union_by_name = true)
    WHERE population = 'all' AND sex = 'all' AND ac IS NOT NULL AND an >= $least
    GROUP BY pos, ref, alt, end_pos
),

before AS (
    SELECT pos, ref, alt, end_pos, ac / nullif(an, 0) AS af
    FROM read_parquet($before, hive_partitioning = false)
    WHERE population = 'all' AND sex = 'all'
)

SELECT now.ac / nullif(now.an, 0) AS af, others.af AS others, before.af AS before
FROM read_parquet($file, hive_partitioning = false) AS now
LEFT JOIN others USING (pos, ref, alt, end_pos)
LEFT JOIN before USING (pos, ref, alt, end_pos)
WHERE now.population = 'all' AND now.sex = 'all'
ORDER BY now.pos, now.ref, now.alt, now.end_pos
