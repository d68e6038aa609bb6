-- What is known of each person: columns with unit, range and labels.
SELECT column_name, sql_type, unit, low, high, resolution, labels, description
FROM columns
WHERE table_name = 'samples'
ORDER BY ordinal
