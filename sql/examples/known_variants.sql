-- How many listed sites have an rs number, by gene.
SELECT gene, count(rsid) AS known, count(*) AS sites, count(rsid) / count(*) AS share
FROM variants
WHERE gene IS NOT NULL
GROUP BY gene
ORDER BY share DESC, gene
