-- Persons in each country.
SELECT country, count(*) AS persons
FROM samples
GROUP BY country
ORDER BY persons DESC
