-- Sites of one contig that an annotation says something about. Grain: one row; counts of sites.
SELECT
    count(*) AS sites,
    count(rsid) AS with_rsid,
    count(gene) AS with_gene,
    count(consequence) AS with_consequence,
    count(coalesce(gene, consequence)) AS annotated
FROM read_parquet($variants, hive_partitioning = false)
