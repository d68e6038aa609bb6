-- /// report
-- title = "Who is in the Genome of Europe"
-- about = "Table one: the persons of each country by sex, age and cohort, and the means of the main traits."
-- completeness = "any"
-- schedule = "0 6 1 * *"
-- ///

-- /// query persons
-- caption = "Persons by country and sex"
-- [[charts]]
-- kind = "bar"
-- x = "country"
-- y = "persons"
-- series = "sex"
-- title = "Persons by country and sex"
-- ///
SELECT country, sex, count(*) AS persons
FROM samples
GROUP BY country, sex
ORDER BY country, sex

-- /// query birth_decades
-- caption = "Persons by decade of birth and sex, all countries together"
-- [[charts]]
-- kind = "line"
-- x = "decade"
-- y = "persons"
-- series = "sex"
-- title = "Decades of birth"
-- ///
SELECT birth_year // 10 * 10 AS decade, sex, count(*) AS persons
FROM samples
WHERE birth_year IS NOT NULL
GROUP BY decade, sex
ORDER BY decade, sex

-- /// query cohorts
-- caption = "Persons by cohort"
-- ///
SELECT country, cohort, count(*) AS persons
FROM samples
GROUP BY country, cohort
ORDER BY country, cohort

-- /// query traits
-- caption = "Traits by country: means of those measured"
-- ///
SELECT
    country,
    count(bmi) AS bmi_measured,
    avg(bmi) AS bmi,
    count(ldl) AS ldl_measured,
    avg(ldl) AS ldl,
    avg(t2d::INT) AS t2d_share
FROM samples
GROUP BY country
ORDER BY country
