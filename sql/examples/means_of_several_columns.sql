-- Several measured columns under each other: how many persons have each, and its mean.
SELECT v.measure, count(v.value) AS persons, avg(v.value) AS mean_value, stddev_samp(v.value) AS sd
FROM samples AS s, LATERAL (VALUES ('bmi', s.bmi), ('ldl', s.ldl), ('birth_year', s.birth_year)) AS v(measure, value)
GROUP BY v.measure
ORDER BY v.measure
