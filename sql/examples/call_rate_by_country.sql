-- Call rate at the sites of BRCA1 by country.
SELECT country, count(*) FILTER (called_alleles > 0) / count(*) AS call_rate, count(*) AS calls
FROM genotypes JOIN samples USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'BRCA1'
GROUP BY country
ORDER BY country
