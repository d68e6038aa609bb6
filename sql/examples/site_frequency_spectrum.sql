-- Site frequency spectrum: listed sites by class of frequency, over all of Europe.
SELECT
    CASE WHEN af < 0.001 THEN 'below 0.1 %' WHEN af < 0.01 THEN '0.1 to 1 %' WHEN af < 0.05 THEN '1 to 5 %' ELSE '5 % and more' END
        AS frequency,
    count(*) AS sites
FROM allele_frequencies
WHERE country = 'all' AND population = 'all' AND sex = 'all' AND ac IS NOT NULL
GROUP BY frequency
ORDER BY min(af)
