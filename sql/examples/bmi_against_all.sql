-- Mean body mass index of each country against that of all of them.
SELECT country, avg(bmi) AS bmi, avg(bmi) - (SELECT avg(bmi) FROM samples) AS above_mean
FROM samples
GROUP BY country
ORDER BY above_mean DESC
