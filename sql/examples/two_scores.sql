-- Correlation of two polygenic scores of the same persons.
SELECT corr(a.score, b.score) AS r, count(*) AS persons
FROM scores AS a
JOIN scores AS b USING (sample_id)
WHERE a.pgs_id = 'GOE000001' AND b.pgs_id = 'GOE000002'
