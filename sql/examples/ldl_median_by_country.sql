-- Median and quartiles of LDL by country.
SELECT country, quantile_cont(ldl, 0.25) AS q1, median(ldl) AS median, quantile_cont(ldl, 0.75) AS q3
FROM samples
GROUP BY country
ORDER BY country
