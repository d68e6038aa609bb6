-- /// report
-- title = "Pharmacogenomic alleles"
-- about = "Frequencies of single-nucleotide alleles that CPIC guidelines act on, where they are on the site list (GRCh38, 1-based positions on the forward strand). A star allele of several sites is shown by its defining one."
-- completeness = "any"
-- schedule = "0 6 1 * *"
-- ///

-- /// query frequencies
-- caption = "Frequencies by country; an allele without a country is not on the site list"
-- [[charts]]
-- kind = "bar"
-- x = "allele"
-- y = "af"
-- series = "country"
-- title = "Allele frequency"
-- ///
SELECT a.gene || ' ' || a.star AS allele, a.rsid, f.country, f.ac, f.an, f.af
FROM (
    VALUES
        ('ABCG2', 'Q141K', 'rs2231142', 'chr4', 88131171, 'G', 'T'),
        ('CYP2C19', '*2', 'rs4244285', 'chr10', 94781859, 'G', 'A'),
        ('CYP2C19', '*3', 'rs4986893', 'chr10', 94780653, 'G', 'A'),
        ('CYP2C19', '*17', 'rs12248560', 'chr10', 94761900, 'C', 'T'),
        ('CYP2C9', '*2', 'rs1799853', 'chr10', 94942290, 'C', 'T'),
        ('CYP2C9', '*3', 'rs1057910', 'chr10', 94981296, 'A', 'C'),
        ('CYP2D6', '*4', 'rs3892097', 'chr22', 42128945, 'C', 'T'),
        ('CYP2D6', '*10', 'rs1065852', 'chr22', 42130692, 'G', 'A'),
        ('CYP3A5', '*3', 'rs776746', 'chr7', 99672916, 'T', 'C'),
        ('CYP4F2', '*3', 'rs2108622', 'chr19', 15879621, 'C', 'T'),
        ('DPYD', '*2A', 'rs3918290', 'chr1', 97450058, 'C', 'T'),
        ('DPYD', '*13', 'rs55886062', 'chr1', 97515787, 'A', 'C'),
        ('NUDT15', '*3', 'rs116855232', 'chr13', 48045719, 'C', 'T'),
        ('SLCO1B1', '*5', 'rs4149056', 'chr12', 21178615, 'T', 'C'),
        ('TPMT', '*2', 'rs1800462', 'chr6', 18143724, 'C', 'G'),
        ('TPMT', '*3C', 'rs1142345', 'chr6', 18130687, 'T', 'C'),
        ('VKORC1', '-1639G>A', 'rs9923231', 'chr16', 31096368, 'C', 'T')
) AS a (gene, star, rsid, contig, pos, ref, alt)
LEFT JOIN (
    SELECT contig, pos, ref, alt, country, ac, an, af
    FROM allele_frequencies
    WHERE country <> 'all' AND population = 'all' AND sex = 'all'
) AS f USING (contig, pos, ref, alt)
ORDER BY allele, f.country
