-- tables/nodes.sql: one row per node of the federation
-- kind: public
CREATE TABLE nodes (
    node_id             VARCHAR NOT NULL,  -- The node
    country             VARCHAR NOT NULL,  -- Its country (ISO 3166-1 alpha-2)
    name                VARCHAR NOT NULL,  -- Its name
    snapshot_id         VARCHAR NOT NULL,  -- The snapshot that it answers from
    min_persons         INTEGER NOT NULL,  -- Fewest persons behind a number that it gives [persons]
    protection          VARCHAR NOT NULL,  -- 'on', or 'off' for public test data
    one_sample_a_person BOOLEAN NOT NULL  -- Whether no person has two samples
);
