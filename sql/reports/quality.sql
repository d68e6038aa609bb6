-- /// report
-- title = "Quality of the genotypes in each country"
-- about = "Depth, genotype quality and completeness of the calls on one contig, by country."
-- completeness = "any"
-- schedule = "0 6 * * 1"
-- [parameters.contig]
-- type = "text"
-- description = "The contig that is looked at"
-- default = "chr19"
-- ///

-- /// query calls
-- caption = "Depth, genotype quality, and the share of calls without an allele"
-- [[charts]]
-- kind = "bar"
-- x = "country"
-- y = "not_called"
-- title = "Share of genotypes without a called allele"
-- ///
SELECT
    country,
    avg(dp) AS depth,
    avg(gq) AS genotype_quality,
    1 - sum(called_alleles) / (2.0 * count(*)) AS not_called
FROM genotypes
JOIN samples USING (sample_id)
WHERE contig = $contig
GROUP BY country
ORDER BY country
