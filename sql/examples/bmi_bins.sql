-- Persons by BMI up to each bound, by sex; the last bin is above all of them.
SELECT sex, histogram(bmi, [18.5, 25, 30, 35]) AS persons
FROM samples
WHERE sex IS NOT NULL
GROUP BY sex
ORDER BY sex
