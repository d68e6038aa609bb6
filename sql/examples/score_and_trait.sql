-- How much of the variance of LDL its polygenic score explains, by population.
SELECT population, regr_r2(ldl, score) AS r2, regr_slope(ldl, score) AS slope, regr_count(ldl, score) AS persons
FROM scores JOIN samples USING (sample_id)
WHERE pgs_id = 'GOE000001'
GROUP BY population
HAVING persons >= 100
ORDER BY population
