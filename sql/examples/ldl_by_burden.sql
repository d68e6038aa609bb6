-- Mean LDL by the number of missense alleles in LDLR; persons with two and more together.
WITH burden AS (
  SELECT sample_id, sum(dosage) AS alleles
  FROM genotypes
  JOIN variants USING (contig, pos, ref, alt)
  WHERE gene = 'LDLR' AND consequence = 'missense_variant'
  GROUP BY sample_id
)
SELECT least(alleles, 2) AS alleles, avg(ldl) AS mean_ldl, count(*) AS persons
FROM burden
JOIN samples USING (sample_id)
GROUP BY 1
ORDER BY 1
