-- Odds ratio of diabetes for obese persons, with Woolf's 95 % interval.
WITH cells AS (
    SELECT
        count_if(bmi >= 30 AND t2d) AS a, count_if(bmi >= 30 AND NOT t2d) AS b,
        count_if(bmi < 30 AND t2d) AS c, count_if(bmi < 30 AND NOT t2d) AS d
    FROM samples
)
SELECT
    a * d / (b * c) AS odds_ratio,
    exp(ln(a * d / (b * c)) - 1.96 * sqrt(1 / a + 1 / b + 1 / c + 1 / d)) AS low,
    exp(ln(a * d / (b * c)) + 1.96 * sqrt(1 / a + 1 / b + 1 / c + 1 / d)) AS high
FROM cells
