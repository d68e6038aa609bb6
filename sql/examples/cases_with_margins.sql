-- Diabetes cases and persons by country and sex, with totals by country and over all.
SELECT
    country,
    sex,
    grouping(country, sex) AS level,
    count(*) AS persons,
    count_if(t2d) AS cases
FROM samples
WHERE sex IS NOT NULL AND t2d IS NOT NULL
GROUP BY ROLLUP (country, sex)
ORDER BY level, country, sex
