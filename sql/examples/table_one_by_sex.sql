-- A first row of table one: body mass index, LDL cholesterol and diabetes by sex.
SELECT sex, count(*) AS persons, avg(bmi) AS bmi_kg_m2, avg(ldl) AS ldl_mmol_l, avg(t2d::INT) AS t2d_share
FROM samples
GROUP BY sex
ORDER BY sex
