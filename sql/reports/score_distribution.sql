-- /// report
-- title = "Polygenic scores by population"
-- about = "How each score is spread in each population: means and counts by bins of the score's own range. Scores of populations other than the one they were made in are not comparable without calibration."
-- completeness = "any"
-- schedule = "0 6 1 * *"
-- [parameters.pgs_id]
-- type = "text"
-- description = "The score"
-- default = "GOE000001"
-- [parameters.width]
-- type = "number"
-- description = "Width of a bin, in units of the score"
-- default = "0.25"
-- ///

-- /// query means
-- caption = "Persons and mean score by population"
-- ///
SELECT population, count(*) AS persons, avg(score) AS mean_score
FROM scores
JOIN samples USING (sample_id)
WHERE pgs_id = $pgs_id
GROUP BY population
ORDER BY population

-- /// query bins
-- caption = "Persons by bin of the score (the lower end is shown)"
-- [[charts]]
-- kind = "line"
-- x = "bin"
-- y = "persons"
-- series = "population"
-- title = "Distribution of the score"
-- ///
SELECT floor(score / $width) * $width AS bin, population, count(*) AS persons
FROM scores
JOIN samples USING (sample_id)
WHERE pgs_id = $pgs_id
GROUP BY bin, population
ORDER BY population, bin
