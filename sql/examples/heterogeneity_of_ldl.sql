-- Cochran's Q of mean LDL over countries: whether the countries differ by more than chance.
WITH means AS (
    SELECT country, avg(ldl) AS m, count(ldl) / var_samp(ldl) AS w FROM samples GROUP BY country
),
pooled AS (SELECT sum(w * m) / sum(w) AS m FROM means)
SELECT sum(w * (means.m - pooled.m) * (means.m - pooled.m)) AS q, count(*) - 1 AS degrees_of_freedom
FROM means, pooled
