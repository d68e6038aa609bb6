-- Mean polygenic score of diabetes cases and controls.
SELECT pgs_id, t2d, count(*) AS persons, avg(score) AS mean_score
FROM scores
JOIN samples USING (sample_id)
WHERE t2d IS NOT NULL
GROUP BY pgs_id, t2d
ORDER BY pgs_id, t2d
