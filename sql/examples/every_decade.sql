-- Every decade from 1930 to 2000, also those without persons.
SELECT d AS decade, count(s.sample_id) AS persons
FROM range(1930, 2010, 10) AS t(d) LEFT JOIN samples AS s ON s.birth_year BETWEEN d AND d + 9
GROUP BY d
ORDER BY d
