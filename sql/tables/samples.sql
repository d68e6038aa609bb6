-- tables/samples.sql: one row per sample; phenotype columns of the federation's catalogue follow the ones below
-- kind: personal
CREATE TABLE samples (
    sample_id  VARCHAR NOT NULL,  -- The sample; it joins and counts, and is never shown
    country    VARCHAR NOT NULL,  -- Country of the node that holds the person (ISO 3166-1 alpha-2)
    sex        VARCHAR,  -- Sex as recorded by the biobank
    birth_year INTEGER,  -- Year of birth [year], 1900..2030
    population VARCHAR,  -- Population of origin
    cohort     VARCHAR,  -- Study or collection that recruited the person
    consent    VARCHAR  -- Consent code
);
