-- How far LDL lies above the mean of a person's own country, in its standard deviations, by diabetes status.
WITH scaled AS (
    SELECT
        t2d,
        (ldl - avg(ldl) OVER (PARTITION BY country)) / stddev_samp(ldl) OVER (PARTITION BY country) AS z
    FROM samples
    WHERE t2d IS NOT NULL
)
SELECT t2d, avg(z) AS mean_z, count(z) AS persons FROM scaled GROUP BY t2d ORDER BY t2d
