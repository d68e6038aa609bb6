-- Released allele frequencies of LDLR with their filtering frequencies; no node computes anything.
SELECT variant_id, ac, an, af, faf95, grpmax
FROM allele_frequencies JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'LDLR' AND country = 'all' AND population = 'all' AND sex = 'all' AND af > 0.01
ORDER BY af DESC
LIMIT 20
