-- Skewness and kurtosis of body mass index: whether a log transform is wanted.
SELECT sex, skewness(bmi) AS skewness, kurtosis(bmi) AS kurtosis, count(bmi) AS persons
FROM samples
GROUP BY sex
ORDER BY sex
