-- Median and middle half of body mass index and LDL of each country; the envelope bounds each value.
SELECT country,
    median(bmi) AS median_bmi,
    quantile_cont(bmi, [0.25, 0.75]) AS middle_half,
    median(ldl) AS median_ldl,
    median(ldl) FILTER (WHERE sex = 'F') AS median_ldl_of_women
FROM samples
GROUP BY country
ORDER BY country
