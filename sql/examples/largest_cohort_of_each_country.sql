-- The largest population of each country.
SELECT country, population, count(*) AS persons
FROM samples
GROUP BY country, population
QUALIFY row_number() OVER (PARTITION BY country ORDER BY persons DESC, population) = 1
ORDER BY country
