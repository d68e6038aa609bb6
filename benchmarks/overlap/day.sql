-- A day's work of one analyst in one project, in the order of asking; a title above each query.

-- Who is there
SELECT country, count(*) AS persons FROM samples GROUP BY country;

-- By sex
SELECT sex, count(*) AS persons FROM samples GROUP BY sex;

-- By population
SELECT country, population, count(*) AS persons FROM samples GROUP BY country, population;

-- Table one by sex
SELECT sex, count(*) AS persons, count(bmi) AS with_bmi, avg(bmi) AS bmi, count(ldl) AS with_ldl, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples GROUP BY sex;

-- Spread by sex
SELECT sex, stddev_samp(bmi) AS bmi_sd, stddev_samp(ldl) AS ldl_sd FROM samples GROUP BY sex;

-- Table one by population
SELECT population, count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples GROUP BY population;

-- Table one by diabetes
SELECT t2d, count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl FROM samples GROUP BY t2d;

-- Birth decades
SELECT birth_year // 10 * 10 AS decade, count(*) AS persons, avg(ldl) AS ldl FROM samples GROUP BY decade;

-- Decades by sex
SELECT birth_year // 10 * 10 AS decade, sex, count(*) AS persons, avg(bmi) AS bmi FROM samples GROUP BY ALL;

-- All of them
SELECT count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples;

-- How much is missing
SELECT count(*) - count(bmi) AS no_bmi, count(*) - count(ldl) AS no_ldl, count(*) - count(birth_year) AS no_year FROM samples;

-- BMI and LDL
SELECT corr(bmi, ldl) AS r, count(*) AS persons FROM samples;

-- BMI and LDL by sex
SELECT sex, corr(bmi, ldl) AS r FROM samples GROUP BY sex;

-- The cohort born before 1975
SELECT count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples WHERE birth_year < 1975;

-- The cohort born before 1965
SELECT count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples WHERE birth_year < 1965;

-- The cohort born before 1955
SELECT count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples WHERE birth_year < 1955;

-- The cohort born before 1945
SELECT count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples WHERE birth_year < 1945;

-- The same by sex
SELECT sex, count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl FROM samples WHERE birth_year < 1975 GROUP BY sex;

-- The same by sex
SELECT sex, count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl FROM samples WHERE birth_year < 1955 GROUP BY sex;

-- Obesity
SELECT CASE WHEN bmi >= 30 THEN 'obese' WHEN bmi >= 25 THEN 'overweight' ELSE 'other' END AS class, count(*) AS persons, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples WHERE bmi IS NOT NULL GROUP BY class;

-- Obese women and men
SELECT sex, count(*) AS persons, avg(ldl) AS ldl FROM samples WHERE bmi >= 30 GROUP BY sex;

-- High LDL
SELECT country, count(*) AS persons, avg(bmi) AS bmi FROM samples WHERE ldl > 4 GROUP BY country;

-- LDL of cases
SELECT country, avg(ldl) AS ldl, count(ldl) AS persons FROM samples WHERE t2d GROUP BY country;

-- LDL on age
SELECT regr_slope(ldl, birth_year) AS slope, regr_count(ldl, birth_year) AS persons FROM samples;

-- Frequencies in APOE
SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'APOE' GROUP BY variant_id;

-- Frequencies in APOE by sex
SELECT variant_id, sex, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'APOE' GROUP BY variant_id, sex;

-- Frequencies in LDLR
SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'LDLR' GROUP BY variant_id;

-- Frequencies in LDLR by sex
SELECT variant_id, sex, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'LDLR' GROUP BY variant_id, sex;

-- Frequencies in PCSK9
SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'PCSK9' GROUP BY variant_id;

-- Frequencies in PCSK9 by sex
SELECT variant_id, sex, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'PCSK9' GROUP BY variant_id, sex;

-- Frequencies in TCF7L2
SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'TCF7L2' GROUP BY variant_id;

-- Frequencies in TCF7L2 by sex
SELECT variant_id, sex, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'TCF7L2' GROUP BY variant_id, sex;

-- Frequencies in FTO
SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'FTO' GROUP BY variant_id;

-- Frequencies in FTO by sex
SELECT variant_id, sex, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'FTO' GROUP BY variant_id, sex;

-- Hardy-Weinberg in APOE
SELECT variant_id, count_if(dosage = 0) AS hom_ref, count_if(dosage = 1) AS het, count_if(dosage = 2) AS hom_alt FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'APOE' GROUP BY variant_id;

-- Cases and controls in APOE
SELECT variant_id, t2d, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'APOE' GROUP BY variant_id, t2d;

-- Hardy-Weinberg in LDLR
SELECT variant_id, count_if(dosage = 0) AS hom_ref, count_if(dosage = 1) AS het, count_if(dosage = 2) AS hom_alt FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'LDLR' GROUP BY variant_id;

-- Cases and controls in LDLR
SELECT variant_id, t2d, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'LDLR' GROUP BY variant_id, t2d;

-- Hardy-Weinberg in TCF7L2
SELECT variant_id, count_if(dosage = 0) AS hom_ref, count_if(dosage = 1) AS het, count_if(dosage = 2) AS hom_alt FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'TCF7L2' GROUP BY variant_id;

-- Cases and controls in TCF7L2
SELECT variant_id, t2d, sum(dosage) AS ac, sum(called_alleles) AS an FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'TCF7L2' GROUP BY variant_id, t2d;

-- ldl on the dosage in APOE
SELECT variant_id, regr_slope(ldl, dosage) AS slope, regr_count(ldl, dosage) AS persons FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'APOE' GROUP BY variant_id;

-- bmi on the dosage in APOE
SELECT variant_id, regr_slope(bmi, dosage) AS slope, regr_count(bmi, dosage) AS persons FROM samples JOIN genotypes USING (sample_id) JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'APOE' GROUP BY variant_id;

-- The scores
SELECT pgs_id, count(*) AS persons, avg(score) AS mean, stddev_samp(score) AS sd FROM scores GROUP BY pgs_id;

-- Scores by sex
SELECT pgs_id, sex, avg(score) AS mean FROM scores JOIN samples USING (sample_id) GROUP BY pgs_id, sex;

-- Scores of cases
SELECT pgs_id, t2d, avg(score) AS mean, count(*) AS persons FROM scores JOIN samples USING (sample_id) GROUP BY pgs_id, t2d;

-- Scores by population
SELECT pgs_id, population, avg(score) AS mean FROM scores JOIN samples USING (sample_id) GROUP BY pgs_id, population;

-- Score and trait
SELECT pgs_id, corr(score, ldl) AS ldl, corr(score, bmi) AS bmi FROM scores JOIN samples USING (sample_id) GROUP BY pgs_id;

-- Above and below the mean score
SELECT pgs_id, score > 0 AS above, count(*) AS persons, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM scores JOIN samples USING (sample_id) GROUP BY pgs_id, above;

-- The same among women
SELECT pgs_id, score > 0 AS above, avg(ldl) AS ldl FROM scores JOIN samples USING (sample_id) WHERE sex = 'F' GROUP BY pgs_id, above;

-- Table one again
SELECT sex, count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl, avg(t2d::INT) AS t2d FROM samples GROUP BY sex;

-- And by country
SELECT country, sex, count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl FROM samples GROUP BY country, sex;

-- Only the women
SELECT count(*) AS persons, avg(ldl) AS ldl FROM samples WHERE sex = 'F';

-- Only the men
SELECT count(*) AS persons, avg(ldl) AS ldl FROM samples WHERE sex = 'M';

-- Women born before 1965
SELECT count(*) AS persons, avg(ldl) AS ldl, avg(bmi) AS bmi FROM samples WHERE sex = 'F' AND birth_year < 1965;

-- Women who are not obese
SELECT count(*) AS persons, avg(ldl) AS ldl FROM samples WHERE sex = 'F' AND bmi < 30;

-- Middle-aged persons
SELECT sex, count(*) AS persons, avg(t2d::INT) AS t2d FROM samples WHERE birth_year BETWEEN 1950 AND 1970 GROUP BY sex;

-- Persons with a BMI
SELECT count(*) AS persons, avg(t2d::INT) AS t2d FROM samples WHERE bmi IS NOT NULL;

-- By cohort
SELECT cohort, count(*) AS persons, avg(bmi) AS bmi, avg(ldl) AS ldl FROM samples GROUP BY cohort;

-- Diabetes by population and sex
SELECT population, sex, count(*) AS persons, avg(t2d::INT) AS t2d FROM samples GROUP BY ALL;

-- Diabetes by decade
SELECT birth_year // 10 * 10 AS decade, avg(t2d::INT) AS t2d, count(*) AS persons FROM samples GROUP BY decade;
