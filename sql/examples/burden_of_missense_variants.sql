-- Persons and mean LDL by their number of missense alleles in LDLR.
WITH burden AS (
    SELECT sample_id, sum(dosage) AS carried
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id)
    WHERE gene = 'LDLR' AND consequence = 'missense_variant'
    GROUP BY sample_id
)
SELECT least(carried, 2) AS alleles, count(*) AS persons, avg(ldl) AS ldl
FROM burden JOIN samples USING (sample_id)
GROUP BY alleles
ORDER BY alleles
