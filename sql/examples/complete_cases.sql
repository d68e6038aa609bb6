-- Persons with every measurement, against all persons, by country.
SELECT
    country,
    count(*) FILTER (bmi IS NOT NULL AND ldl IS NOT NULL AND t2d IS NOT NULL AND birth_year IS NOT NULL) AS complete,
    count(*) AS persons
FROM samples
GROUP BY country
ORDER BY country
