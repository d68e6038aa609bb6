-- Persons and share with diabetes in each decile of a polygenic score.
WITH deciles AS (
    SELECT sample_id, ntile(10) OVER (ORDER BY score) AS decile FROM scores WHERE pgs_id = 'GOE000002'
)
SELECT decile, count(*) AS persons, avg(t2d::INT) AS t2d_share
FROM deciles JOIN samples USING (sample_id)
GROUP BY decile
ORDER BY decile
