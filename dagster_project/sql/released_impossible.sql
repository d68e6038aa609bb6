-- Rows of a node's release whose numbers cannot be: AC above AN, more called than there are, a count below 0.
-- Grain: one site and group; AC and AN in alleles, the rest in samples. No row means that the check passes.
SELECT pos, ref, alt, population, sex
FROM read_parquet($file, hive_partitioning = false)
WHERE ac > an
    OR an > 2 * n_called
    OR n_called > n_persons
    OR n_het + 2 * n_hom_alt + n_hemi <> ac
    OR least(ac, an, n_het, n_hom_alt, n_hemi, n_called, n_persons) < 0
