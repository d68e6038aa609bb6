-- Allelic chi-square of diabetes at the sites of TCF7L2, with the odds ratio.
WITH counts AS (
    SELECT
        variant_id,
        sum(dosage) FILTER (t2d) AS a, sum(called_alleles) FILTER (t2d) AS na,
        sum(dosage) FILTER (NOT t2d) AS c, sum(called_alleles) FILTER (NOT t2d) AS nc
    FROM genotypes JOIN samples USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id)
    WHERE gene = 'TCF7L2'
    GROUP BY variant_id
)
SELECT
    variant_id,
    a * (nc - c) / ((na - a) * c) AS odds_ratio,
    (na + nc) * pow(a * (nc - c) - c * (na - a), 2) / ((a + c) * (na + nc - a - c) * na * nc) AS chi_square
FROM counts
ORDER BY chi_square DESC NULLS LAST, variant_id
LIMIT 10
