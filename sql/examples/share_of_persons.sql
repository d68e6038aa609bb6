-- Each country's share of all persons, and its rank.
SELECT country, count(*) AS persons,
    count(*) / sum(count(*)) OVER () AS share,
    rank() OVER (ORDER BY count(*) DESC) AS place
FROM samples
GROUP BY country
ORDER BY place, country
