-- Sites of two snapshots, and those that both have. Grain: one row; counts of sites.
WITH sites AS (
    SELECT 'before' AS snapshot, variant_id FROM read_parquet($before, hive_partitioning = false)
    UNION ALL
    SELECT 'now', variant_id FROM read_parquet($now, hive_partitioning = false)
),
keyed AS (
    SELECT count(*) FILTER (snapshot = 'before') AS had, count(*) FILTER (snapshot = 'now') AS has
    FROM sites
    GROUP BY variant_id
)
SELECT
    coalesce(sum(least(had, has)), 0)::BIGINT AS shared,
    coalesce(sum(had), 0)::BIGINT AS before,
    coalesce(sum(has), 0)::BIGINT AS now
FROM keyed
