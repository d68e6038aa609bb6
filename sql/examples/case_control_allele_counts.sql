-- Allele counts of diabetes cases and controls at the listed sites of TCF7L2.
SELECT
    variant_id,
    sum(dosage) FILTER (t2d) AS ac_cases,
    sum(called_alleles) FILTER (t2d) AS an_cases,
    sum(dosage) FILTER (NOT t2d) AS ac_controls,
    sum(called_alleles) FILTER (NOT t2d) AS an_controls
FROM genotypes
JOIN samples USING (sample_id)
JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'TCF7L2'
GROUP BY variant_id
ORDER BY variant_id
