-- Persons by their genotypes at two sites.
SELECT a.dosage AS first_site, b.dosage AS second_site, count(*) AS persons
FROM genotypes AS a JOIN genotypes AS b USING (sample_id)
WHERE a.variant_id = (SELECT min(variant_id) FROM variants WHERE gene = 'APOE' AND consequence = 'missense_variant')
    AND b.variant_id = (SELECT max(variant_id) FROM variants WHERE gene = 'APOE' AND consequence = 'missense_variant')
GROUP BY ALL
ORDER BY ALL
