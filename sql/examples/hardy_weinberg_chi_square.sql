-- Chi-square of Hardy-Weinberg proportions at the sites of APOE.
WITH classes AS (
    SELECT variant_id, count_if(dosage = 0) AS aa, count_if(dosage = 1) AS ab, count_if(dosage = 2) AS bb
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id)
    WHERE gene = 'APOE' AND called_alleles = 2
    GROUP BY variant_id
),
expected AS (
    SELECT *, aa + ab + bb AS n, (2 * bb + ab) / (2 * (aa + ab + bb)) AS q FROM classes
)
SELECT
    variant_id, n,
    pow(aa - n * (1 - q) * (1 - q), 2) / (n * (1 - q) * (1 - q))
        + pow(ab - 2 * n * q * (1 - q), 2) / (2 * n * q * (1 - q))
        + pow(bb - n * q * q, 2) / (n * q * q) AS chi_square
FROM expected
WHERE q > 0 AND q < 1
ORDER BY chi_square DESC NULLS LAST, variant_id
