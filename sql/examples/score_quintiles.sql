-- Share of diabetics in each fifth of a polygenic score, cut at the quintiles of all of Europe.
WITH parts AS (
    SELECT sample_id, ntile(5) OVER (ORDER BY score) AS fifth
    FROM scores
    WHERE pgs_id = 'GOE000002'
)
SELECT fifth, count(*) AS persons, avg(t2d::INT) AS t2d_share, avg(bmi) AS bmi
FROM parts JOIN samples USING (sample_id)
GROUP BY fifth
ORDER BY fifth
