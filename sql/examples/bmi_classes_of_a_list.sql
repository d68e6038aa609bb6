-- Persons and share with diabetes in the BMI classes of the WHO, from a list of ranges.
WITH classes(class, low, high) AS (
    VALUES ('1 underweight', 0, 18.5), ('2 normal', 18.5, 25), ('3 overweight', 25, 30), ('4 obese', 30, 100)
)
SELECT class, count(*) AS persons, avg(t2d::INT) AS t2d_share
FROM samples JOIN classes ON bmi >= low AND bmi < high
GROUP BY class
ORDER BY class
