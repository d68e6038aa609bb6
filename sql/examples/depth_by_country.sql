-- Mean read depth and genotype quality by country: a first look at sequencing.
SELECT country, avg(dp) AS depth, avg(gq) AS genotype_quality
FROM genotypes NATURAL JOIN samples
WHERE contig = 'chr19'
GROUP BY country
ORDER BY country
