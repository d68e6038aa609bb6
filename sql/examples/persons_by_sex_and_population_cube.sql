-- Persons by sex and population with every margin; GROUPING() tells a margin from a missing label.
SELECT population, sex, GROUPING(population, sex) AS margin, count(*) AS persons, avg(bmi) AS bmi
FROM samples
GROUP BY CUBE (population, sex)
ORDER BY margin, population, sex
