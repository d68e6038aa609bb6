-- Correlation of two neighbouring sites (r2) in all persons, from a join of genotypes on the person.
SELECT corr(a.dosage, b.dosage) AS r, pow(corr(a.dosage, b.dosage), 2) AS r2, count(*) AS persons
FROM genotypes AS a JOIN genotypes AS b USING (sample_id)
WHERE a.variant_id = (SELECT min(variant_id) FROM variants WHERE gene = 'APOE' AND consequence = 'missense_variant')
    AND b.variant_id = (SELECT max(variant_id) FROM variants WHERE gene = 'APOE' AND consequence = 'missense_variant')
