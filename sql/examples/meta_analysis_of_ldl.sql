-- Mean LDL of women less that of men, by country and pooled with inverse-variance weights.
WITH means AS (
    SELECT
        country,
        avg(ldl) FILTER (sex = 'F') - avg(ldl) FILTER (sex = 'M') AS difference,
        var_samp(ldl) FILTER (sex = 'F') / count(ldl) FILTER (sex = 'F')
            + var_samp(ldl) FILTER (sex = 'M') / count(ldl) FILTER (sex = 'M') AS variance
    FROM samples
    GROUP BY country
)
SELECT country, difference, sqrt(variance) AS standard_error FROM means
UNION ALL
SELECT 'all', sum(difference / variance) / sum(1 / variance), sqrt(1 / sum(1 / variance)) FROM means
ORDER BY country
