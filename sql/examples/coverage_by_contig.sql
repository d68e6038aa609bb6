-- Mean depth and genotype quality by contig.
SELECT contig, avg(dp) AS depth, avg(gq) AS genotype_quality, count(DISTINCT sample_id) AS persons
FROM genotypes
WHERE contig IN ('chr18', 'chr19')
GROUP BY contig
ORDER BY contig
