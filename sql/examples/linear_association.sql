-- Linear association of LDL with each missense site of APOE: slope, standard error and persons.
SELECT
    variant_id,
    regr_slope(ldl, dosage) AS slope,
    sqrt((regr_syy(ldl, dosage) / regr_sxx(ldl, dosage) - pow(regr_slope(ldl, dosage), 2))
        / (regr_count(ldl, dosage) - 2)) AS standard_error,
    regr_count(ldl, dosage) AS persons
FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) JOIN samples USING (sample_id)
WHERE gene = 'APOE' AND consequence = 'missense_variant'
GROUP BY variant_id
HAVING persons >= 300
ORDER BY variant_id
