-- Chi-square of diabetes by country, with its degrees of freedom.
WITH cells AS (SELECT country, t2d, count(*) AS n FROM samples WHERE t2d IS NOT NULL GROUP BY country, t2d),
margins AS (
    SELECT
        n,
        sum(n) OVER (PARTITION BY country) * sum(n) OVER (PARTITION BY t2d) / sum(n) OVER () AS expected
    FROM cells
)
SELECT
    sum((n - expected) ^ 2 / expected) AS chi_square,
    (SELECT (count(DISTINCT country) - 1) * (count(DISTINCT t2d) - 1) FROM cells) AS degrees_of_freedom
FROM margins
