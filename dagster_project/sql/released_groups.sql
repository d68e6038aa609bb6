-- What a node's release tells of one contig, by group: rows, allele counts, and persons by class.
-- Grain: one population and sex; `all` is a total.
SELECT
    coalesce(population, 'not recorded') AS population,
    coalesce(sex, 'not recorded') AS sex,
    max(n_persons) AS persons,
    count(*) AS sites,
    count(ac) AS told,
    count(n_het) AS with_classes,
    max(release) AS newest
FROM read_parquet($file, hive_partitioning = false)
GROUP BY population, sex
ORDER BY population <> 'all', population NULLS LAST, sex <> 'all', sex NULLS LAST
