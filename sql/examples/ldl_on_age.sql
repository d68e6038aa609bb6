-- Regression of LDL on year of birth in women and men: slope, intercept and share explained.
SELECT
    sex,
    regr_slope(ldl, birth_year) AS slope,
    regr_intercept(ldl, birth_year) AS intercept,
    regr_r2(ldl, birth_year) AS r2,
    regr_count(ldl, birth_year) AS persons
FROM samples
GROUP BY sex
ORDER BY sex
