-- Carriers of a missense variant of APOE among a hundred persons of each country.
WITH everybody AS (SELECT country, count(*) AS persons FROM samples GROUP BY country)
SELECT country, round(100 * count(DISTINCT sample_id) / max(persons), 1) AS carriers_per_hundred
FROM genotypes
JOIN samples USING (sample_id)
JOIN variants USING (contig, pos, ref, alt)
JOIN everybody USING (country)
WHERE gene = 'APOE' AND consequence = 'missense_variant' AND dosage > 0
GROUP BY country
ORDER BY country
