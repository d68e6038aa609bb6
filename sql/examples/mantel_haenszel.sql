-- Odds ratio of diabetes for obesity over countries, after Mantel and Haenszel.
WITH strata AS (
    SELECT
        country, count(*) AS n,
        count_if(bmi >= 30 AND t2d) AS a, count_if(bmi >= 30 AND NOT t2d) AS b,
        count_if(bmi < 30 AND t2d) AS c, count_if(bmi < 30 AND NOT t2d) AS d
    FROM samples
    WHERE bmi IS NOT NULL AND t2d IS NOT NULL
    GROUP BY country
)
SELECT sum(a * d / n) / sum(b * c / n) AS odds_ratio, count(*) AS countries FROM strata
