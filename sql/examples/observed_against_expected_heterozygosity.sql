-- Observed heterozygotes against those of Hardy-Weinberg proportions, site by site in APOE.
SELECT
    variant_id,
    count_if(dosage = 1) AS observed,
    2 * (sum(dosage) / sum(called_alleles)) * (1 - sum(dosage) / sum(called_alleles)) * count(dosage) AS expected
FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'APOE'
GROUP BY variant_id
ORDER BY variant_id
