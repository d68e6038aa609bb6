-- Percentiles of body mass index over all countries, as a reference curve wants them.
SELECT sex, approx_quantile(bmi, [0.05, 0.25, 0.5, 0.75, 0.95]) AS percentiles
FROM samples
WHERE sex IS NOT NULL
GROUP BY sex
ORDER BY sex
