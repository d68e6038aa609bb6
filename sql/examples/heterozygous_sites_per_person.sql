-- Mean and spread over persons of the number of heterozygous sites in LPA, by population.
WITH person AS (
    SELECT sample_id, count(*) FILTER (dosage = 1 AND called_alleles = 2) AS het
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id)
    WHERE gene = 'LPA'
    GROUP BY sample_id
)
SELECT population, avg(het) AS mean, stddev(het) AS sd, count(*) AS persons
FROM person JOIN samples USING (sample_id)
GROUP BY population
ORDER BY population
