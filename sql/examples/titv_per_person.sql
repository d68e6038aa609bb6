-- Mean of each person's ratio of transitions to transversions among the alternate alleles, by country.
WITH alleles AS (
    SELECT
        g.sample_id,
        sum(CASE WHEN v.ref || v.alt IN ('AG', 'GA', 'CT', 'TC') THEN g.dosage ELSE 0 END) AS ti,
        sum(CASE WHEN v.ref || v.alt NOT IN ('AG', 'GA', 'CT', 'TC') THEN g.dosage ELSE 0 END) AS tv
    FROM genotypes AS g
    JOIN variants AS v USING (contig, pos, ref, alt)
    WHERE length(v.ref) = 1 AND length(v.alt) = 1
    GROUP BY g.sample_id
)
SELECT s.country, avg(a.ti / nullif(a.tv, 0)) AS ti_tv, count(*) AS persons
FROM alleles AS a JOIN samples AS s USING (sample_id)
GROUP BY s.country
ORDER BY s.country
