-- Persons who have any polygenic score, by country.
SELECT country, count(*) AS persons
FROM samples SEMI JOIN scores USING (sample_id)
GROUP BY country
ORDER BY country
