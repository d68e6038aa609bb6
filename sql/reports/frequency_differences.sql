-- /// report
-- title = "How allele frequencies differ between countries"
-- about = "Hudson's Fst and Patterson's f2 of each pair of countries, from released allele frequencies alone: only sites where both counts are told. Rare alleles are told less often, so these are differences of common alleles."
-- completeness = "all"
-- schedule = "0 6 1 * *"
-- [parameters.least_alleles]
-- type = "integer"
-- description = "Fewest called alleles of a country at a site"
-- default = "100"
-- ///

-- /// query pairs
-- caption = "Fst and f2 of each pair of countries"
-- [[charts]]
-- kind = "matrix"
-- x = "one"
-- y = "other"
-- value = "fst"
-- title = "Fst (Hudson, ratio of averages; Bhatia et al. 2013)"
-- [[charts]]
-- kind = "map"
-- x = "one"
-- y = "other"
-- value = "fst"
-- title = "Countries placed by their Fst"
-- ///
WITH told AS (
    SELECT contig, pos, ref, alt, end_pos, country, af, an
    FROM allele_frequencies
    WHERE country <> 'all' AND population = 'all' AND sex = 'all' AND status = 'ok' AND an >= $least_alleles
),

pairs AS (
    SELECT
        a.country AS one,
        b.country AS other,
        (a.af - b.af) * (a.af - b.af) - a.af * (1 - a.af) / (a.an - 1) - b.af * (1 - b.af) / (b.an - 1) AS between_pairs,
        a.af * (1 - b.af) + b.af * (1 - a.af) AS in_all
    FROM told AS a
    JOIN told AS b USING (contig, pos, ref, alt, end_pos)
    WHERE a.country < b.country
)

SELECT one, other, count(*) AS sites, sum(between_pairs) / sum(in_all) AS fst, avg(between_pairs) AS f2
FROM pairs
GROUP BY one, other
ORDER BY one, other
