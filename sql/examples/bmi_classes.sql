-- Diabetes by class of body mass index.
SELECT
    CASE WHEN bmi >= 30 THEN 'obese' WHEN bmi >= 25 THEN 'overweight' ELSE 'other' END AS bmi_class,
    count(*) AS persons,
    avg(t2d::INT) AS t2d_share
FROM samples
WHERE bmi IS NOT NULL
GROUP BY bmi_class
ORDER BY bmi_class
