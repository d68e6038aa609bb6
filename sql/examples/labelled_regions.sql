-- Persons and LDL by region of Europe: a list of one's own joined on a label.
SELECT region, count(*) AS persons, avg(ldl) AS ldl
FROM samples
JOIN (VALUES ('EE', 'north'), ('FI', 'north'), ('DE', 'middle'), ('ES', 'south'), ('IT', 'south')) AS v(country, region)
    USING (country)
GROUP BY region
ORDER BY region
