-- Persons by consent code, a column a code.
FROM (SELECT country, consent, count(*) AS persons FROM samples GROUP BY ALL)
PIVOT (sum(persons) FOR consent IN ('general_research', 'cardiovascular', 'no_reuse') GROUP BY country)
ORDER BY country
