-- Persons with a BMI of 30 and more at each node, also where there is none.
SELECT n.name, count(s.sample_id) AS persons
FROM nodes AS n
LEFT JOIN samples AS s ON s.country = n.country AND s.bmi >= 30
GROUP BY n.name
ORDER BY n.name
