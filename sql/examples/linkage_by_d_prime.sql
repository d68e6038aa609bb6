-- Linkage disequilibrium of two sites of APOE as r2 and D', from genotypes.
WITH pair AS (
    SELECT corr(a.dosage, b.dosage) AS r, covar_pop(a.dosage, b.dosage) / 2 AS d, avg(a.dosage) / 2 AS p, avg(b.dosage) / 2 AS q
    FROM genotypes AS a JOIN genotypes AS b USING (sample_id)
    WHERE a.variant_id = (SELECT min(variant_id) FROM variants WHERE gene = 'APOE' AND consequence = 'missense_variant')
        AND b.variant_id = (SELECT max(variant_id) FROM variants WHERE gene = 'APOE' AND consequence = 'missense_variant')
)
SELECT r * r AS r2, d / CASE WHEN d < 0 THEN least(p * q, (1 - p) * (1 - q)) ELSE least(p * (1 - q), (1 - p) * q) END AS d_prime
FROM pair
