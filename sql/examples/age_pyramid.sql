-- Women and men by birth decade, side by side, as an age pyramid is drawn.
FROM (SELECT birth_year // 10 * 10 AS decade, sex, count(*) AS persons FROM samples GROUP BY ALL)
PIVOT (sum(persons) FOR sex IN ('F', 'M') GROUP BY decade)
ORDER BY decade
