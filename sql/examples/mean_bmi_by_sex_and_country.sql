-- Mean BMI of women and men of each country side by side.
FROM samples
PIVOT (avg(bmi) FOR sex IN ('F' AS women, 'M' AS men) GROUP BY country)
ORDER BY country
