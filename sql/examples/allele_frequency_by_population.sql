-- Allele frequencies in PCSK9 by population: counts travel, the ratio is taken after the merge.
SELECT variant_id, population, sum(dosage) AS ac, sum(called_alleles) AS an, sum(dosage) / sum(called_alleles) AS af
FROM genotypes
JOIN variants USING (contig, pos, ref, alt, variant_id)
JOIN samples USING (sample_id)
WHERE gene = 'PCSK9' AND consequence = 'missense_variant'
GROUP BY variant_id, population
ORDER BY variant_id, population
