-- Median and upper tenth of the number of heterozygous sites of a person, by population.
WITH sites AS (
    SELECT sample_id, count(*) FILTER (WHERE dosage = 1) AS het
    FROM genotypes
    GROUP BY sample_id
)
SELECT s.population, median(het) AS median_het, quantile_cont(het, 0.9) AS upper_tenth, count(*) AS persons
FROM sites JOIN samples AS s USING (sample_id)
WHERE s.population IS NOT NULL
GROUP BY s.population
ORDER BY s.population
