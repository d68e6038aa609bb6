-- Whether each population has persons with diabetes, and whether all have LDL below 4.9 mmol/L.
SELECT population, bool_or(t2d) AS any_case, bool_and(ldl < 4.9) AS all_below
FROM samples
GROUP BY population
ORDER BY population
