-- Quarters of BMI within each country, and their mean LDL.
WITH parts AS (
    SELECT country, ldl, ntile(4) OVER (PARTITION BY country ORDER BY bmi) AS quarter
    FROM samples
    WHERE bmi IS NOT NULL
)
SELECT country, quarter, count(*) AS persons, avg(ldl) AS mean_ldl
FROM parts
GROUP BY country, quarter
ORDER BY country, quarter
