-- Cases and controls of type 2 diabetes in each recruiting cohort.
SELECT cohort, count(*) FILTER (t2d) AS cases, count(*) FILTER (NOT t2d) AS controls
FROM samples
GROUP BY cohort
ORDER BY cohort
