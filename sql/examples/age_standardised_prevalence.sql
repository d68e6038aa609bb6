-- Diabetes by country, standardised directly to the age structure of all persons.
WITH strata AS (
    SELECT country, birth_year // 20 * 20 AS born, count(*) FILTER (t2d) AS cases, count(t2d) AS persons
    FROM samples
    WHERE birth_year IS NOT NULL
    GROUP BY ALL
),
standard AS (
    SELECT birth_year // 20 * 20 AS born, count(*) AS weight FROM samples WHERE birth_year IS NOT NULL GROUP BY born
)
SELECT country, sum(weight * cases / persons) / sum(weight) AS standardised
FROM strata JOIN standard USING (born)
WHERE persons >= 30
GROUP BY country
ORDER BY country
