-- LDL regressed on the number of missense alleles of a person, gene by gene.
WITH burden AS (
    SELECT sample_id, gene, sum(dosage) AS alleles
    FROM genotypes JOIN variants USING (contig, pos, ref, alt)
    WHERE gene IN ('APOB', 'LDLR', 'LPA') AND consequence = 'missense_variant'
    GROUP BY sample_id, gene
)
SELECT gene, regr_slope(ldl, alleles) AS ldl_per_allele, corr(ldl, alleles) AS r, regr_count(ldl, alleles) AS persons
FROM burden JOIN samples USING (sample_id)
GROUP BY gene
ORDER BY gene
