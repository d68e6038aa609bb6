-- tables/columns.sql: one row per table and column, in their order
-- kind: public
CREATE TABLE columns (
    table_name  VARCHAR NOT NULL,  -- The table
    kind        VARCHAR NOT NULL,  -- personal, catalogue, released or public
    ordinal     INTEGER NOT NULL,  -- Place of the column in its table, from 1
    column_name VARCHAR NOT NULL,  -- The column
    type        VARCHAR NOT NULL,  -- Its type as the catalogue calls it
    sql_type    VARCHAR NOT NULL,  -- Its type in SQL
    unit        VARCHAR,  -- Its unit
    low         DOUBLE,  -- Least value, in the unit; values below are NULL
    high        DOUBLE,  -- Largest value, in the unit; values above are NULL
    resolution  DOUBLE,  -- Step at which values are stored, in the unit
    labels      VARCHAR,  -- The public labels, parted by commas; NULL where they are not listed
    nullable    BOOLEAN NOT NULL,  -- Whether it may be NULL
    description VARCHAR NOT NULL  -- What it says
);
