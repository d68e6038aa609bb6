-- tables/allele_frequencies.sql: one row per listed site and group of country, population and sex; 'all' is a total, NULL a label that was not recorded
-- kind: released
CREATE TABLE allele_frequencies (
    contig       VARCHAR NOT NULL,  -- Reference sequence, chr1 .. chrM
    pos          INTEGER NOT NULL,  -- 1-based position of the first REF base [bp], 1..2147483647
    ref          VARCHAR NOT NULL,  -- Reference allele
    alt          VARCHAR NOT NULL,  -- The one alternate allele of the row
    variant_id   VARCHAR NOT NULL,  -- chr-pos-ref-alt; symbolic alleles carry their end
    end_pos      INTEGER,  -- 1-based last position that the variant covers [bp], 1..2147483647
    country      VARCHAR NOT NULL,  -- Country of the persons; 'all' for all of Europe
    population   VARCHAR,  -- Population of origin; 'all' for all of them, NULL where not recorded
    sex          VARCHAR,  -- Sex as recorded; 'all' for both and those without, NULL where not recorded
    ac           BIGINT,  -- Alternate alleles among the called ones; NULL where withheld [alleles]
    an           BIGINT NOT NULL,  -- Called alleles [alleles]
    ac_lower     BIGINT,  -- Least that ac can be, where it is withheld and a part of it was released [alleles]
    ac_upper     BIGINT,  -- Most that ac can be, where it is withheld and that is known [alleles]
    af           DOUBLE,  -- Allele frequency, ac / an; NULL where ac is, or an is 0
    n_het        BIGINT,  -- Heterozygous persons; NULL where the genotype classes are withheld [persons]
    n_hom_alt    BIGINT,  -- Persons with two alternate alleles; NULL where withheld [persons]
    n_hemi       BIGINT,  -- Persons with one called allele, which is alternate; NULL where withheld [persons]
    call_rate    DOUBLE,  -- Persons with a called allele among the persons of the group
    hwe_p        DOUBLE,  -- Exact Hardy-Weinberg test on the diploid persons; NULL where classes are withheld
    faf95        DOUBLE,  -- Filtering allele frequency (95 %); NULL where ac is
    grpmax       VARCHAR,  -- In total rows, the population with the largest faf95
    grpmax_faf95 DOUBLE,  -- The faf95 of grpmax
    status       VARCHAR NOT NULL,  -- Of ac: ok, bounded or withheld
    release      INTEGER NOT NULL  -- Number of the release in which the row was last computed
);
