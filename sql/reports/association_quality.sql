-- /// report
-- title = "Quality of an association scan"
-- about = "An allelic test of cases against controls at every listed site of a contig: the genomic inflation factor λ and the quantiles of the statistic. The test is crude on purpose, without covariates: what stands out here is structure, batch or chance before it is biology."
-- completeness = "all"
-- [parameters.contig]
-- type = "text"
-- description = "The contig that is scanned"
-- default = "chr10"
-- ///

-- /// query tests
-- caption = "The allelic test at each site, largest statistic first; no statistic where a group's count is withheld"
-- [[charts]]
-- kind = "qq"
-- value = "chi_squared"
-- title = "Allelic test of cases against controls"
-- ///
WITH counts AS (
    SELECT
        variant_id,
        sum(dosage) FILTER (t2d) AS a,
        sum(called_alleles) FILTER (t2d) AS m,
        sum(dosage) FILTER (NOT t2d) AS c,
        sum(called_alleles) FILTER (NOT t2d) AS n
    FROM genotypes
    JOIN samples USING (sample_id)
    WHERE contig = $contig
    GROUP BY variant_id
)

SELECT
    variant_id,
    a AS ac_cases,
    m AS an_cases,
    c AS ac_controls,
    n AS an_controls,
    (a * (n - c) - c * (m - a))::DOUBLE * (a * (n - c) - c * (m - a)) * (m + n)
    / ((a + c)::DOUBLE * (m + n - a - c) * m * n) AS chi_squared
FROM counts
ORDER BY chi_squared DESC NULLS LAST, variant_id
