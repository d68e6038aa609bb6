-- Listed sites in windows of 10,000 bases.
SELECT contig, pos // 10000 * 10000 AS window_start, count(*) AS sites
FROM variants
GROUP BY ALL
ORDER BY sites DESC, contig, window_start
LIMIT 20
