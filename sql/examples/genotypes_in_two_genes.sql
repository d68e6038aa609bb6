-- Persons by whether they carry a missense allele in APOE, in PCSK9, or in both.
WITH person AS (
    SELECT
        sample_id,
        max(CASE WHEN gene = 'APOE' THEN dosage END) > 0 AS apoe,
        max(CASE WHEN gene = 'PCSK9' THEN dosage END) > 0 AS pcsk9
    FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id)
    WHERE consequence = 'missense_variant'
    GROUP BY sample_id
)
SELECT apoe, pcsk9, count(*) AS persons, avg(ldl) AS ldl
FROM person JOIN samples USING (sample_id)
GROUP BY apoe, pcsk9
ORDER BY apoe, pcsk9
