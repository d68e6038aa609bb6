-- Share of persons with diabetes by age group, with a 95 % Wald interval.
WITH groups AS (
    SELECT 2026 - birth_year >= 65 AS aged_65_or_more, count(*) FILTER (t2d) AS cases, count(t2d) AS persons
    FROM samples
    WHERE birth_year IS NOT NULL
    GROUP BY aged_65_or_more
)
SELECT
    aged_65_or_more, cases, persons, cases / persons AS prevalence,
    cases / persons - 1.96 * sqrt(cases / persons * (1 - cases / persons) / persons) AS low,
    cases / persons + 1.96 * sqrt(cases / persons * (1 - cases / persons) / persons) AS high
FROM groups
ORDER BY aged_65_or_more
