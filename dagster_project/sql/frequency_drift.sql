-- Sites of one contig by their allele frequency in two snapshots, in steps of 1/20 of each.
-- Grain: a pair of steps, the last of which holds 1; sites whose AN is not 0 in both, and those that moved.
WITH counted AS (
    SELECT 'before' AS snapshot, pos, ref, alt, end_pos, sum(het + 2 * hom_alt + hemi) / sum(an) AS af
    FROM read_parquet($before, hive_partitioning = false)
    GROUP BY ALL
    HAVING sum(an) > 0
    UNION ALL
    SELECT 'now', pos, ref, alt, end_pos, sum(het + 2 * hom_alt + hemi) / sum(an)
    FROM read_parquet($now, hive_partitioning = false)
    GROUP BY ALL
    HAVING sum(an) > 0
),
pairs AS (
    SELECT
        max(af) FILTER (snapshot = 'before') AS af_before,
        max(af) FILTER (snapshot = 'now') AS af_now
    FROM counted
    GROUP BY pos, ref, alt, end_pos
    HAVING count(*) = 2
)
SELECT
    least(floor(af_before * 20), 19)::INT AS step_before,
    least(floor(af_now * 20), 19)::INT AS step_now,
    count(*) AS sites,
    count(*) FILTER (abs(af_now - af_before) > $most) AS moved,
    max(abs(af_now - af_before)) AS largest
FROM pairs
GROUP BY ALL
ORDER BY ALL
