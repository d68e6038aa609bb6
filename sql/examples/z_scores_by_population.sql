-- Mean standardised LDL of each population: how many standard deviations above all persons.
WITH europe AS (SELECT avg(ldl) AS mean, stddev_pop(ldl) AS sd FROM samples)
SELECT population, avg((ldl - mean) / sd) AS z, count(ldl) AS persons
FROM samples, europe
GROUP BY population
ORDER BY z DESC
