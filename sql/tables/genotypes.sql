-- tables/genotypes.sql: one row per (listed site, person), hom-ref included; at unlisted sites only persons with dosage > 0
-- kind: personal
CREATE TABLE genotypes (
    contig         VARCHAR NOT NULL,  -- Reference sequence, chr1 .. chrM
    pos            INTEGER NOT NULL,  -- 1-based position of the first REF base [bp], 1..2147483647
    ref            VARCHAR NOT NULL,  -- Reference allele
    alt            VARCHAR NOT NULL,  -- The one alternate allele of the row
    variant_id     VARCHAR NOT NULL,  -- chr-pos-ref-alt; symbolic alleles carry their end
    sample_id      VARCHAR NOT NULL,  -- The sample; it joins and counts, and is never shown
    dosage         INTEGER,  -- Copies of alt among the called alleles; NULL if none is called [alleles], 0..2
    called_alleles INTEGER NOT NULL,  -- Alleles of the call that are not missing [alleles], 0..2
    gq             INTEGER,  -- Genotype quality [phred], 0..99
    dp             INTEGER  -- Read depth [reads], 0..65535
);
