-- Rows of a node's release that tell of fewer than $k carriers, others or persons, alone or by subtraction.
-- Grain: one site and group, or one total and its parts. Written apart from what decides; rows of one release.
WITH told AS (
    SELECT *, an - ac AS others, n_called - n_het - n_hom_alt - n_hemi AS n_without
    FROM read_parquet($file, hive_partitioning = false)
),

alone AS (
    SELECT pos, ref, alt, population, sex
    FROM told
    WHERE n_persons < $persons
        OR ac BETWEEN 1 AND $k - 1
        OR others BETWEEN 1 AND $k - 1
        OR n_het BETWEEN 1 AND $k - 1
        OR n_hom_alt BETWEEN 1 AND $k - 1
        OR n_hemi BETWEEN 1 AND $k - 1
        OR n_without BETWEEN 1 AND $k - 1
),

parts AS (
    SELECT pos, ref, alt, end_pos, sex AS kept, 'population' AS summed, release, population = 'all' AS total, ac
    FROM told
    UNION ALL
    SELECT pos, ref, alt, end_pos, population, 'sex', release, sex = 'all', ac
    FROM told
),

remainders AS (
    SELECT
        pos,
        ref,
        alt,
        kept,
        summed,
        sum(ac) FILTER (total) - coalesce(sum(ac) FILTER (total IS NOT TRUE), 0) AS remainder
    FROM parts
    GROUP BY pos, ref, alt, end_pos, kept, summed
    HAVING count(DISTINCT release) = 1 AND count(ac) FILTER (total) = 1
)

SELECT pos, ref, alt, population, sex FROM alone
UNION ALL
SELECT pos, ref, alt, kept, summed FROM remainders
WHERE remainder BETWEEN 1 AND $k - 1
