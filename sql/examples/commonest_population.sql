-- The commonest population of each country, and how mixed its persons are (entropy in bits).
SELECT country, mode(population) AS commonest, entropy(population) AS bits
FROM samples
GROUP BY country
ORDER BY country
