-- Rows of one file of sites that do not come after the row before them by (pos, ref, alt, end_pos).
-- Grain: one site of one contig; pos is 1-based. No row means that the check passes.
SELECT pos, ref, alt, end_pos, file_row_number
FROM (
    SELECT
        *,
        {'pos': pos, 'ref': ref, 'alt': alt, 'end_pos': end_pos} AS site,
        lag({'pos': pos, 'ref': ref, 'alt': alt, 'end_pos': end_pos}) OVER (ORDER BY file_row_number) AS before
    FROM read_parquet($file, file_row_number = true, hive_partitioning = false)
)
WHERE before >= site
