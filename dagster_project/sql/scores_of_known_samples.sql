-- Scores of samples that the samples table does not hold, and scores that stand twice.
-- Grain: one sample and polygenic score. No row means that the check passes.
SELECT scores.sample_id, scores.pgs_id
FROM read_parquet($scores, hive_partitioning = false) AS scores
LEFT JOIN read_parquet($samples, hive_partitioning = false) AS samples USING (sample_id)
GROUP BY ALL
HAVING count(samples.sample_id) <> 1
