-- Mean age today, and persons of sixty years and more, by country and over all.
SELECT
    coalesce(country, 'all') AS country,
    avg(year(current_date) - birth_year) AS age,
    count(*) FILTER (WHERE year(current_date) - birth_year >= 60) AS sixty_and_more
FROM samples
WHERE birth_year IS NOT NULL
GROUP BY ROLLUP (country)
ORDER BY country
