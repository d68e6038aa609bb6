-- Persons with LDL above the mean of their own country, by sex.
SELECT sex, count(*) AS persons
FROM samples AS s
WHERE ldl > (SELECT avg(ldl) FROM samples AS own WHERE own.country = s.country) AND sex IS NOT NULL
GROUP BY sex
ORDER BY sex
