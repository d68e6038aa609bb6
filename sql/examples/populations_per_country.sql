-- How many populations each country recruited from.
SELECT country, count(DISTINCT population) AS populations, count(DISTINCT sample_id) AS persons
FROM samples
GROUP BY country
ORDER BY country
