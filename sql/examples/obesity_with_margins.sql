-- Obesity by sex with totals; a margin's level is above 0.
SELECT sex, bmi >= 30 AS obese, grouping(sex, bmi >= 30) AS level, count(*) AS persons
FROM samples
WHERE sex IS NOT NULL AND bmi IS NOT NULL
GROUP BY ROLLUP (sex, bmi >= 30)
ORDER BY level, sex, obese
