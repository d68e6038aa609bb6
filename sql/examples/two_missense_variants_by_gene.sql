-- Persons with at least two heterozygous missense variants in one gene, of three genes.
WITH found AS (
    SELECT sample_id, gene
    FROM genotypes JOIN variants USING (contig, pos, ref, alt)
    WHERE gene IN ('APOB', 'BRCA2', 'LDLR') AND consequence = 'missense_variant' AND dosage = 1
    GROUP BY sample_id, gene
    HAVING count(*) >= 2
)
SELECT gene, count(*) AS persons FROM found GROUP BY gene ORDER BY gene
