-- Slope of LDL on standardised body mass index, in women and men.
WITH europe AS (SELECT avg(bmi) AS mean, stddev_pop(bmi) AS sd FROM samples)
SELECT sex, regr_slope(ldl, (bmi - mean) / sd) AS ldl_per_sd
FROM samples, europe
GROUP BY sex
ORDER BY sex
