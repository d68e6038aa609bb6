-- Carriers of variants that are rare in all of Europe, by country.
SELECT country, count(DISTINCT sample_id) AS carriers
FROM genotypes JOIN samples USING (sample_id)
WHERE contig = 'chr19'
    AND dosage > 0
    AND variant_id IN (
        SELECT variant_id
        FROM allele_frequencies
        WHERE contig = 'chr19' AND country = 'all' AND population = 'all' AND sex = 'all'
            AND status = 'ok' AND af < 0.05
    )
GROUP BY country
ORDER BY country
