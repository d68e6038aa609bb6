-- Persons by birth decade, and how many were born until its end.
WITH decades AS (
    SELECT birth_year // 10 * 10 AS decade, count(*) AS persons FROM samples WHERE birth_year IS NOT NULL GROUP BY decade
)
SELECT decade, persons, sum(persons) OVER (ORDER BY decade) AS cumulative FROM decades ORDER BY decade
