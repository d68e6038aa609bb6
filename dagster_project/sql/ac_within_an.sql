-- Rows of `strata` whose AC is above their AN, or that count below zero.
-- Grain: one site and stratum; counts of persons, AN in alleles. No row means that the check passes.
SELECT pos, ref, alt, population, sex, consent
FROM read_parquet($file, hive_partitioning = false)
WHERE het + 2 * hom_alt + hemi > an
    OR least(n_persons, het, hom_alt, hemi, not_called, an) < 0
