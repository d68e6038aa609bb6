-- Analysis of variance of body mass index by population: F and its degrees of freedom.
WITH groups AS (
    SELECT population, count(bmi) AS n, avg(bmi) AS m, var_pop(bmi) * count(bmi) AS within
    FROM samples
    GROUP BY population
    HAVING n >= 30
),
total AS (SELECT sum(n * m) / sum(n) AS m, sum(n) AS n, count(*) AS k FROM groups)
SELECT
    k - 1 AS between_df, total.n - k AS within_df,
    (sum(groups.n * (groups.m - total.m) * (groups.m - total.m)) / (k - 1)) / (sum(within) / (total.n - k)) AS f
FROM groups, total
GROUP BY k, total.n
