-- Genotyped persons of the batches that the samples table does not hold.
-- Grain: one person of one batch. No row means that the check passes.
SELECT sample_id FROM read_parquet($persons, hive_partitioning = false)
EXCEPT
SELECT sample_id FROM read_parquet($samples, hive_partitioning = false)
