-- Table one: persons, age, body mass index, LDL and diabetes by sex, with missing values beside each mean.
SELECT
    sex,
    count(*) AS persons,
    avg(2026 - birth_year) AS age, stddev(birth_year) AS age_sd, count(*) - count(birth_year) AS age_missing,
    avg(bmi) AS bmi, stddev(bmi) AS bmi_sd, count(*) - count(bmi) AS bmi_missing,
    avg(ldl) AS ldl, stddev(ldl) AS ldl_sd, count(*) - count(ldl) AS ldl_missing,
    count(*) FILTER (t2d) AS t2d, count(*) - count(t2d) AS t2d_missing
FROM samples
GROUP BY sex
ORDER BY sex
