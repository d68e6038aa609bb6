-- Persons by country and cohort, with a total for each country and for all of Europe.
SELECT country, cohort, count(*) AS persons
FROM samples
GROUP BY ROLLUP (country, cohort)
ORDER BY country NULLS LAST, cohort NULLS LAST
