-- Mean, standard deviation and standard error of LDL by country.
SELECT country, count(ldl) AS persons, avg(ldl) AS mean, stddev_samp(ldl) AS sd, sem(ldl) AS sem
FROM samples
GROUP BY country
ORDER BY country
