-- Persons with an alternate allele within a gene's span, of two genes.
SELECT ge.gene, count(DISTINCT g.sample_id) AS carriers
FROM genotypes AS g
JOIN genes AS ge ON g.contig = ge.contig AND g.pos BETWEEN ge.start_pos AND ge.end_pos
WHERE ge.gene IN ('APOE', 'LDLR') AND g.dosage > 0
GROUP BY ge.gene
ORDER BY ge.gene
