-- /// report
-- title = "Carriers of alleles in genes of the ACMG secondary-findings list"
-- about = "Persons who carry at least one allele of a protein-changing class in a gene of the ACMG SF v3.2 list (Miller et al., Genet Med 2023), by country. Carrying such an allele is no diagnosis: nothing here is filtered by pathogenicity."
-- completeness = "any"
-- schedule = "0 6 1 * *"
-- ///

-- /// query carriers
-- caption = "Carriers of protein-changing alleles, by gene and country"
-- [[charts]]
-- kind = "bar"
-- x = "gene"
-- y = "carriers"
-- series = "country"
-- title = "Carriers by gene"
-- ///
SELECT gene, country, count(DISTINCT sample_id) AS carriers
FROM genotypes
JOIN variants USING (contig, pos, ref, alt, variant_id)
JOIN samples USING (sample_id)
WHERE dosage > 0
    AND consequence IN (
        'stop_gained', 'frameshift_variant', 'splice_acceptor_variant', 'splice_donor_variant', 'start_lost',
        'stop_lost', 'inframe_insertion', 'inframe_deletion', 'missense_variant'
    )
    AND gene IN (
        'ACTA2', 'ACTC1', 'ACVRL1', 'APC', 'APOB', 'ATP7B', 'BAG3', 'BMPR1A', 'BRCA1', 'BRCA2', 'BTD', 'CACNA1S',
        'CALM1', 'CALM2', 'CALM3', 'CASQ2', 'COL3A1', 'DES', 'DSC2', 'DSG2', 'DSP', 'ENG', 'FBN1', 'FLNC', 'GAA',
        'GLA', 'HFE', 'HNF1A', 'KCNH2', 'KCNQ1', 'LDLR', 'LMNA', 'MAX', 'MEN1', 'MLH1', 'MSH2', 'MSH6', 'MUTYH',
        'MYBPC3', 'MYH11', 'MYH7', 'MYL2', 'MYL3', 'NF2', 'OTC', 'PALB2', 'PCSK9', 'PKP2', 'PMS2', 'PRKAG2', 'PTEN',
        'RB1', 'RBM20', 'RET', 'RPE65', 'RYR1', 'RYR2', 'SCN5A', 'SDHAF2', 'SDHB', 'SDHC', 'SDHD', 'SMAD3', 'SMAD4',
        'STK11', 'TGFBR1', 'TGFBR2', 'TMEM127', 'TMEM43', 'TNNC1', 'TNNI3', 'TNNT2', 'TP53', 'TPM1', 'TRDN', 'TSC1',
        'TSC2', 'TTN', 'TTR', 'VHL', 'WT1'
    )
GROUP BY gene, country
ORDER BY gene, country

-- /// query common_alleles
-- caption = "The most frequent of these alleles in all countries together"
-- ///
SELECT v.gene, f.variant_id, v.rsid, v.consequence, f.ac, f.an, f.af, f.faf95
FROM allele_frequencies AS f
JOIN variants AS v USING (contig, pos, ref, alt, end_pos)
WHERE f.country = 'all' AND f.population = 'all' AND f.sex = 'all' AND f.status = 'ok'
    AND v.consequence IN (
        'stop_gained', 'frameshift_variant', 'splice_acceptor_variant', 'splice_donor_variant', 'missense_variant'
    )
    AND v.gene IN ('APOB', 'BRCA1', 'BRCA2', 'LDLR', 'PCSK9')
ORDER BY f.af DESC, f.variant_id
LIMIT 50
