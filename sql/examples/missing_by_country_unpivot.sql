-- Missing values of each measured column by country, one row a column.
FROM (
    SELECT
        country, count(*) - count(bmi) AS bmi, count(*) - count(ldl) AS ldl, count(*) - count(t2d) AS t2d
    FROM samples
    GROUP BY country
)
UNPIVOT (missing FOR measured IN (bmi, ldl, t2d))
ORDER BY country, measured
