-- Mean and spread of each polygenic score by population, and the mean against that of all persons.
WITH europe AS (SELECT pgs_id, avg(score) AS mean, stddev(score) AS sd FROM scores GROUP BY pgs_id),
here AS (
    SELECT pgs_id, population, avg(score) AS mean, stddev(score) AS sd
    FROM scores JOIN samples USING (sample_id)
    GROUP BY pgs_id, population
)
SELECT pgs_id, population, here.mean, here.sd, (here.mean - europe.mean) / europe.sd AS above_europe
FROM here JOIN europe USING (pgs_id)
ORDER BY pgs_id, population
