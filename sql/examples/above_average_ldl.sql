-- How many persons of each country have an LDL above the mean of all countries.
SELECT country, count(*) AS persons
FROM samples
WHERE ldl > (SELECT avg(ldl) FROM samples)
GROUP BY country
ORDER BY country
