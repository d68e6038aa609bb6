-- tables/contigs.sql: one row per reference sequence of the assembly
-- kind: public
CREATE TABLE contigs (
    contig     VARCHAR NOT NULL,  -- Reference sequence, chr1 .. chrM
    length     INTEGER NOT NULL,  -- Length in the assembly [bp], 1..2147483647
    assembly   VARCHAR NOT NULL,  -- The reference build
    par1_start INTEGER,  -- First 1-based position of pseudo-autosomal region 1, included [bp], 1..2147483647
    par1_end   INTEGER,  -- Last 1-based position of pseudo-autosomal region 1, included [bp], 1..2147483647
    par2_start INTEGER,  -- First 1-based position of pseudo-autosomal region 2, included [bp], 1..2147483647
    par2_end   INTEGER  -- Last 1-based position of pseudo-autosomal region 2, included [bp], 1..2147483647
);
