-- Mean BMI of women and men, a row a country: PIVOT as a statement.
PIVOT samples ON sex IN ('F', 'M') USING round(avg(bmi), 2) AS bmi, count(bmi) AS persons
GROUP BY country
ORDER BY country
