-- tables/genes.sql: one row per contig and annotated gene of the site list
-- kind: public
CREATE TABLE genes (
    contig    VARCHAR NOT NULL,  -- Reference sequence, chr1 .. chrM
    start_pos INTEGER NOT NULL,  -- 1-based position of the gene's first listed site [bp], 1..2147483647
    end_pos   INTEGER NOT NULL,  -- 1-based last position of its listed sites, included [bp], 1..2147483647
    gene      VARCHAR NOT NULL,  -- Gene symbol, as in variants
    sites     BIGINT NOT NULL  -- Listed sites that are annotated with the gene [sites]
);
