-- Spread and correlation of two traits by sex: BMI in kg/m2, LDL in mmol/l.
SELECT
    sex,
    regr_count(ldl, bmi) AS persons,
    stddev_samp(bmi) AS bmi_sd,
    stddev_samp(ldl) AS ldl_sd,
    corr(ldl, bmi) AS r,
    regr_slope(ldl, bmi) AS ldl_per_bmi
FROM samples
WHERE sex IS NOT NULL
GROUP BY sex
ORDER BY sex
