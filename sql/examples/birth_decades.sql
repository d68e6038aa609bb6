-- Birth decades of women and men; decades of fewer persons than the threshold are not shown.
SELECT birth_year // 10 * 10 AS decade, sex, count(*) AS persons
FROM samples
GROUP BY ALL
HAVING persons >= 50
ORDER BY decade, sex
