-- tables/variants.sql: one row per listed site: the federation's site list, no counts; joins with genotypes
-- kind: catalogue
CREATE TABLE variants (
    contig      VARCHAR NOT NULL,  -- Reference sequence, chr1 .. chrM
    pos         INTEGER NOT NULL,  -- 1-based position of the first REF base [bp], 1..2147483647
    ref         VARCHAR NOT NULL,  -- Reference allele
    alt         VARCHAR NOT NULL,  -- The one alternate allele of the row
    variant_id  VARCHAR NOT NULL,  -- chr-pos-ref-alt; symbolic alleles carry their end
    end_pos     INTEGER,  -- 1-based last position that the variant covers [bp], 1..2147483647
    type        VARCHAR,  -- snv, ins, del, mnv, or the symbolic type (DEL, DUP, INV, …)
    sv_len      INTEGER,  -- Length difference of a structural variant [bp]
    rsid        VARCHAR,  -- dbSNP identifier
    gene        VARCHAR,  -- Gene symbol
    consequence VARCHAR,  -- Most severe consequence (Sequence Ontology)
    filter      VARCHAR  -- FILTER as in the VCF; PASS if all filters passed
);
