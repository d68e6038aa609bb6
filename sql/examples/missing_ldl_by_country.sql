-- How many LDL values each country lacks.
SELECT country, count(*) - count(ldl) AS missing
FROM samples
GROUP BY country
ORDER BY country
