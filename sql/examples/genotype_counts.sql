-- Genotype counts of the missense variants of APOE, as a Hardy-Weinberg test wants them.
SELECT
    variant_id,
    count_if(dosage = 0) AS hom_ref,
    count_if(dosage = 1) AS het,
    count_if(dosage = 2) AS hom_alt
FROM genotypes
JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'APOE' AND consequence = 'missense_variant'
GROUP BY variant_id
ORDER BY variant_id
