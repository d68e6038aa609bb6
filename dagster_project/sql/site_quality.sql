-- Quality of the sites of one contig. Grain: one row; counts of sites. On an autosome Hardy-Weinberg is tested
-- where the rarer homozygote is expected in at least 5 persons, by chi-square of one degree of freedom:
-- n F^2 above 23.93 is p below 1e-6, and F below 0 is too many heterozygotes.
WITH site AS (
    SELECT
        sum(het) AS het,
        sum(hom_alt) AS hom,
        sum(hemi) AS hemi,
        sum(an) AS an
    FROM read_parquet($strata, hive_partitioning = false)
    GROUP BY pos, ref, alt, end_pos
),
frequency AS (
    SELECT *, an / 2 AS n, (het + 2 * hom + hemi) / nullif(an, 0) AS af
    FROM site
),
tested AS (
    SELECT
        af,
        $autosome AND least(af, 1 - af) ^ 2 * n >= 5 AS fit,
        1 - het / nullif(2 * af * (1 - af) * n, 0) AS f,
        n * f * f > 23.93 AS departs
    FROM frequency
)
SELECT
    count(*) FILTER (fit) AS hwe_tested,
    count(*) FILTER (fit AND departs) AS hwe_departing,
    count(*) FILTER (fit AND departs AND f < 0) AS het_excess,
    count(*) FILTER (af <= 0.001) AS af_to_0001,
    count(*) FILTER (af > 0.001 AND af <= 0.01) AS af_to_001,
    count(*) FILTER (af > 0.01 AND af <= 0.05) AS af_to_005,
    count(*) FILTER (af > 0.05) AS af_above_005
FROM tested
