-- Body mass index in steps of 2.5 kg/m2.
SELECT floor(bmi / 2.5) * 2.5 AS bmi_from, count(*) AS persons
FROM samples
WHERE bmi IS NOT NULL
GROUP BY bmi_from
ORDER BY bmi_from
