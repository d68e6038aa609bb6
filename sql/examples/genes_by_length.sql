-- The ten genes with the longest stretch of listed sites; no node is asked.
SELECT gene, contig, end_pos - start_pos + 1 AS bases, sites
FROM genes
ORDER BY bases DESC, gene
LIMIT 10
