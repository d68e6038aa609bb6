-- Allele frequencies in F9 in women and men; men have one allele there.
SELECT variant_id, sex, sum(dosage) AS ac, sum(called_alleles) AS an, sum(dosage) / sum(called_alleles) AS af
FROM genotypes JOIN samples USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'F9' AND sex IS NOT NULL
GROUP BY variant_id, sex
ORDER BY variant_id, sex
