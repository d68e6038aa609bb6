-- Persons by dosage and diabetes at the missense sites of APOE: the table of a Cochran-Armitage trend test.
SELECT variant_id, dosage, count(*) FILTER (t2d) AS cases, count(*) FILTER (NOT t2d) AS controls
FROM genotypes JOIN samples USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id)
WHERE gene = 'APOE' AND consequence = 'missense_variant' AND dosage IS NOT NULL
GROUP BY variant_id, dosage
ORDER BY variant_id, dosage
