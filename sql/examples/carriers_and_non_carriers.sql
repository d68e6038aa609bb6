-- Mean LDL of carriers and non-carriers at each missense site of PCSK9.
SELECT
    variant_id,
    avg(ldl) FILTER (dosage > 0) AS carriers,
    avg(ldl) FILTER (dosage = 0) AS non_carriers
FROM genotypes JOIN samples USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'PCSK9' AND consequence = 'missense_variant'
GROUP BY variant_id
ORDER BY variant_id
