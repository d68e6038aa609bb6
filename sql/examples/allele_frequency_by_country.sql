-- Allele frequencies in the APOE gene by country, a column a country.
FROM (
    SELECT variant_id, country, sum(dosage) / sum(called_alleles) AS af
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) JOIN samples USING (sample_id)
    WHERE gene = 'APOE' AND consequence = 'missense_variant'
    GROUP BY variant_id, country
)
PIVOT (max(af) FOR country IN ('EE', 'FI', 'DE', 'ES', 'IT') GROUP BY variant_id)
ORDER BY variant_id
