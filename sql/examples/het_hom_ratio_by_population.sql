-- Mean of each person's ratio of heterozygous to homozygous alternate sites, by population.
WITH own AS (
    SELECT
        sample_id,
        count(*) FILTER (WHERE dosage = 1) AS het,
        count(*) FILTER (WHERE dosage = 2) AS hom
    FROM genotypes
    GROUP BY sample_id
)
SELECT s.population, avg(het / nullif(hom, 0)) AS het_hom, stddev(het / nullif(hom, 0)) AS sd, count(*) AS persons
FROM own JOIN samples AS s USING (sample_id)
WHERE s.population IS NOT NULL
GROUP BY s.population
ORDER BY s.population
