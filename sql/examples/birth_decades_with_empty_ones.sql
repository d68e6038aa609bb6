-- Persons by decade of birth, those decades included in which nobody was born.
SELECT decade, count(s.sample_id) AS persons
FROM range(1900, 2030, 10) AS t(decade)
LEFT JOIN samples AS s ON s.birth_year BETWEEN decade AND decade + 9
GROUP BY decade
ORDER BY decade
