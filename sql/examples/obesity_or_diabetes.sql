-- Persons who are obese, have diabetes, or both.
SELECT country, count_if(bmi >= 30) AS obese, count_if(t2d) AS diabetic, count_if(bmi >= 30 OR t2d) AS either
FROM samples
WHERE bmi IS NOT NULL AND t2d IS NOT NULL
GROUP BY country
ORDER BY country
