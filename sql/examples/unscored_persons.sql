-- Persons without a polygenic score, against all persons.
SELECT
    (SELECT count(*) FROM samples AS s WHERE NOT EXISTS (SELECT 1 FROM scores AS c WHERE c.sample_id = s.sample_id))
        AS unscored,
    (SELECT count(*) FROM samples) AS persons
