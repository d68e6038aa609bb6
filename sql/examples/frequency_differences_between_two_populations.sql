-- The ten sites whose frequency differs most between Estonians and Finns.
SELECT e.variant_id, e.af AS af_est, s.af AS af_fin, abs(e.af - s.af) AS difference
FROM allele_frequencies AS e JOIN allele_frequencies AS s USING (contig, pos, ref, alt)
WHERE e.country = 'all' AND s.country = 'all' AND e.sex = 'all' AND s.sex = 'all'
    AND e.population = 'EST' AND s.population = 'FIN'
ORDER BY difference DESC NULLS LAST, variant_id
LIMIT 10
