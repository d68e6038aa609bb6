-- Transitions per transversion among the listed single-nucleotide sites, by gene.
SELECT
    gene,
    count_if(ref || alt IN ('AG', 'GA', 'CT', 'TC')) AS transitions,
    count_if(ref || alt NOT IN ('AG', 'GA', 'CT', 'TC')) AS transversions
FROM variants
WHERE type = 'snv' AND gene IS NOT NULL
GROUP BY gene
ORDER BY gene
