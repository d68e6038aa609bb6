-- Slope of LDL on the number of missense alleles in APOB that a person carries.
WITH burden AS (
    SELECT sample_id, sum(dosage) AS carried
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id)
    WHERE gene = 'APOB' AND consequence = 'missense_variant'
    GROUP BY sample_id
)
SELECT regr_slope(ldl, carried) AS slope, regr_r2(ldl, carried) AS r2, regr_count(ldl, carried) AS persons
FROM burden JOIN samples USING (sample_id)
