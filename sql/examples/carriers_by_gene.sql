-- Persons who carry a missense variant, by gene.
SELECT gene, count(DISTINCT sample_id) AS carriers
FROM genotypes
JOIN variants USING (contig, pos, ref, alt)
WHERE dosage > 0 AND consequence = 'missense_variant'
GROUP BY gene
HAVING carriers >= 20
ORDER BY carriers DESC, gene
