-- tables/scores.sql: one row per (sample, polygenic score)
-- kind: personal
CREATE TABLE scores (
    sample_id VARCHAR NOT NULL,  -- The sample; it joins and counts, and is never shown
    pgs_id    VARCHAR NOT NULL,  -- Polygenic score, as in the PGS Catalog
    score     DOUBLE  -- Sum of effect weight times effect alleles
);
