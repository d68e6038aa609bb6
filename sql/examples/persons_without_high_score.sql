-- Persons who have no polygenic score above 1, by country; those without any score are among them.
SELECT country, count(*) AS persons
FROM samples
ANTI JOIN (SELECT sample_id FROM scores WHERE score > 1) AS high USING (sample_id)
GROUP BY country
ORDER BY country
