-- Spread of LDL within the sexes once mean and spread of each country are taken out of it.
WITH own AS (SELECT country, avg(ldl) AS mean, stddev(ldl) AS spread FROM samples GROUP BY country)
SELECT sex, avg((ldl - mean) / spread) AS mean_z, stddev((ldl - mean) / spread) AS spread_of_z
FROM samples JOIN own USING (country)
WHERE sex IS NOT NULL
GROUP BY sex
ORDER BY sex
