-- Correlation of body mass index and LDL by population, where at least 100 persons have both.
SELECT population, corr(bmi, ldl) AS r, regr_count(bmi, ldl) AS persons
FROM samples
GROUP BY population
HAVING persons >= 100
ORDER BY r DESC
