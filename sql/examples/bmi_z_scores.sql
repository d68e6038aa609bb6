-- Body mass index of each population, less the mean of all of Europe, by whether LDL is above its own mean.
WITH europe AS (SELECT avg(bmi) AS bmi, avg(ldl) AS ldl FROM samples)
SELECT population, samples.ldl > europe.ldl AS high_ldl, avg(samples.bmi - europe.bmi) AS bmi_above_mean, count(*) AS persons
FROM samples, europe
WHERE population IS NOT NULL AND samples.ldl IS NOT NULL
GROUP BY population, high_ldl
ORDER BY population, high_ldl
