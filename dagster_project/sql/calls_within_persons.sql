-- Sites of one batch whose counts cannot be: AC above AN, or more persons in the classes than there are.
-- Grain: one site of one batch; persons of a class are a list where few, a bitmap where many.
WITH counted AS (
    SELECT
        pos, ref, alt,
        coalesce(len(het_l), 0) + coalesce(bit_count(het_b::BIT), 0) AS het,
        coalesce(len(hom_l), 0) + coalesce(bit_count(hom_b::BIT), 0) AS hom,
        coalesce(len(hemi_l), 0) + coalesce(bit_count(hemi_b::BIT), 0) AS hemi,
        coalesce(len(nc_l), 0) + coalesce(bit_count(nc_b::BIT), 0) AS not_called,
        coalesce(len(ref1_l), 0) + coalesce(bit_count(ref1_b::BIT), 0) AS one_called_ref
    FROM read_parquet($file, hive_partitioning = false)
)
SELECT pos, ref, alt
FROM counted
WHERE het + 2 * hom + hemi > 2 * ($persons - not_called) - hemi - one_called_ref
    OR het + hom + hemi + not_called + one_called_ref > $persons
