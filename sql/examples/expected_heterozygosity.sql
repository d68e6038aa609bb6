-- Expected heterozygosity of each population over the common sites of PCSK9.
WITH sites AS (
    SELECT population, variant_id, sum(dosage) / sum(called_alleles) AS p, sum(called_alleles) AS an
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) JOIN samples USING (sample_id)
    WHERE gene = 'PCSK9'
    GROUP BY population, variant_id
    HAVING an >= 200
)
SELECT population, avg(2 * p * (1 - p)) AS expected, count(*) AS sites
FROM sites
GROUP BY population
ORDER BY population
