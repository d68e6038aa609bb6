-- Hudson's Fst of Finns and Estonians, as a ratio of averages over the common sites of APOB.
WITH counts AS (
    SELECT
        variant_id,
        sum(dosage) FILTER (population = 'FIN') / sum(called_alleles) FILTER (population = 'FIN') AS p1,
        sum(called_alleles) FILTER (population = 'FIN') AS n1,
        sum(dosage) FILTER (population = 'EST') / sum(called_alleles) FILTER (population = 'EST') AS p2,
        sum(called_alleles) FILTER (population = 'EST') AS n2
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) JOIN samples USING (sample_id)
    WHERE gene = 'APOB'
    GROUP BY variant_id
)
SELECT
    sum((p1 - p2) * (p1 - p2) - p1 * (1 - p1) / (n1 - 1) - p2 * (1 - p2) / (n2 - 1))
        / sum(p1 * (1 - p2) + p2 * (1 - p1)) AS fst,
    count(*) AS sites
FROM counts
WHERE p1 IS NOT NULL AND p2 IS NOT NULL
