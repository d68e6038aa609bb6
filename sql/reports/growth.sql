-- /// report
-- title = "Growth of the lake"
-- about = "What each node holds and has released, and how many rows of the reference each of its releases computed."
-- completeness = "any"
-- schedule = "0 6 1 * *"
-- ///

-- /// query nodes
-- caption = "The nodes, their persons, and their current snapshots"
-- [[charts]]
-- kind = "bar"
-- x = "country"
-- y = "persons"
-- title = "Persons by country"
-- ///
SELECT n.country, n.node_id, n.snapshot_id, s.persons
FROM nodes AS n
LEFT JOIN (SELECT country, count(*) AS persons FROM samples GROUP BY country) AS s USING (country)
ORDER BY n.country, n.node_id

-- /// query sites
-- caption = "Listed sites by contig"
-- [[charts]]
-- kind = "bar"
-- x = "contig"
-- y = "sites"
-- title = "Listed sites"
-- ///
SELECT v.contig, count(*) AS sites, count(DISTINCT v.gene) AS genes
FROM variants AS v
GROUP BY v.contig
ORDER BY v.contig

-- /// query releases
-- caption = "Rows of the allele-frequency reference by the release that computed them"
-- ///
SELECT country, release, count(*) AS rows, count(*) FILTER (status = 'ok') AS told
FROM allele_frequencies
WHERE population = 'all' AND sex = 'all'
GROUP BY country, release
ORDER BY country, release
