"""Attacks through what the language took in last: keys that are numbers, rows by person and gene, PIVOT, lists, dates.

Each statement stands alone (no answer is held to another), and asks for what only the target can decide.
"""

# ruff: noqa: E501 - a statement stands on one line

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from goe_lake import open_federation
from goe_lake.engine import key_effects
from goe_lake.engine.relation import Reading
from goe_lake.federation import Federation
from goe_lake.release import Expr
from tests.attacks.wider_worlds import SECRETS, K, open_wider
from tests.attacks.worlds import assert_answered_alike, observed

Both = tuple[Federation, Federation]
HERS = "birth_year = 1903"
GENES = "genotypes JOIN variants USING (contig, pos, ref, alt)"
BY_GENE = f"WITH b AS (SELECT sample_id, gene, sum(dosage) AS n FROM {GENES} GROUP BY sample_id, gene)"
BURDEN = "samples s JOIN (SELECT sample_id, sum(dosage) AS n FROM genotypes WHERE contig = 'chr2' GROUP BY 1) b USING (sample_id)"
LETTERS = "CASE dosage WHEN 0 THEN ref || ref WHEN 1 THEN ref || alt ELSE alt || alt END"
HIGH = "count(*) FILTER (ldl > 9)"
MOMENTS = "WITH m AS (SELECT avg(ldl) AS mu, stddev(ldl) AS sd FROM samples)"
#: What cannot be computed for her in one of the worlds.
FAILS = "10 // (visits - 49)"
OWN = "(SELECT sample_id, sum(birth_year) AS x, count(*) AS n, count_if(ldl > 9) AS h, sum(birth_year) FILTER (ldl <= 9) AS v, max(visits) AS y FROM samples GROUP BY 1) b"
TOP = (
    "LATERAL (SELECT count_if(score > 4.5) AS n, count(*) AS m FROM scores c WHERE c.sample_id = s.sample_id)"
)
ATTACKS = {
    "numbers_as_keys": (
        "SELECT sign(ldl - 9) AS k, count(*) FROM samples GROUP BY k",
        "SELECT floor(bmi / 50) AS k, count(*), count(bmi) FROM samples GROUP BY k",
        "SELECT visits // 40 * 40 AS k, count(*) FROM samples GROUP BY k",
        "SELECT round(bmi, -2) AS k, count(*) FROM samples GROUP BY k",
        "SELECT least(greatest(visits - 40, 0), 1) AS k, count(*) FROM samples GROUP BY k",
        "SELECT abs(visits - 20) // 25 AS k, count(*) FROM samples GROUP BY k",
        "SELECT greatest(status, 'B') AS k, count(*) FROM samples GROUP BY k",
        "SELECT sex || sign(ldl - 9) AS k, count(*) FROM samples GROUP BY k",
        "SELECT sign(ldl - 9) + birth_year // 1900 AS k, count(*) FROM samples GROUP BY k",
        "SELECT sex, floor(bmi / 60) AS k, count(*) FROM samples GROUP BY ROLLUP (sex, k)",
        "SELECT sign(x - 4) AS k, count(*) FROM samples JOIN (SELECT sample_id, max(score) AS x FROM scores GROUP BY 1) b USING (sample_id) GROUP BY k",
        "SELECT sign(ldl - 9) AS k, count(*) FROM genotypes JOIN samples USING (sample_id) WHERE contig = 'chr2' GROUP BY k",
        "SELECT sign(ldl - 9) AS k, count(*) FROM samples GROUP BY k HAVING sign(ldl - 9) < 1 ORDER BY count(*) LIMIT 1",
        # values that are no decimal number, or too long for one
        "SELECT ln(floor(bmi / 50)) AS k, count(*) FROM samples GROUP BY k",
        "SELECT exp(1000 - sign(ldl - 9) * 1000) AS k, count(*) FROM samples GROUP BY k",
        "SELECT sign(ldl - 9) / 30000.7 AS k, count(*) FROM samples GROUP BY k",
        "SELECT sign(ldl - 9) * exp(300) / 7 AS k, count(*) FROM samples GROUP BY k",
        "SELECT sign(ldl - 9) * 0.0000000000001 * 0.0000000000001 AS k, count(*) FROM samples GROUP BY k",
        f"SELECT sign(ldl - 9)::VARCHAR || '{'x' * 900}' || '{'y' * 900}' AS k, count(*) FROM samples GROUP BY k",
        "SELECT CASE WHEN sex = 'F' THEN sign(ldl - 9) / 7 ELSE floor(bmi / 50) / 7 END AS k, count(*) FROM samples GROUP BY k",
        # values that are missing where something fails
        "SELECT nullif(sign(ldl - 9), -1) AS k, count(*) FROM samples GROUP BY k",
        "SELECT coalesce(nullif(sign(ldl - 9), -1)::VARCHAR, sex) AS k, count(*) FROM samples GROUP BY k",
    ),
    "rows_at_unlisted_sites": (
        f"SELECT gene, sum(dosage) FROM {GENES} WHERE gene = 'G1' GROUP BY gene",
        "SELECT sum(dosage) FROM genotypes WHERE contig = 'chr1' AND pos > 1500",
        "SELECT count(DISTINCT sample_id) FILTER (sex = 'F'), count(DISTINCT sample_id) FROM genotypes JOIN samples USING (sample_id) WHERE contig = 'chr1'",
        f"SELECT count(DISTINCT sample_id), count(DISTINCT sample_id) FILTER ({HERS}) FROM genotypes JOIN samples USING (sample_id) WHERE contig = 'chr1'",
        f"SELECT gene, count(DISTINCT sample_id), sum(dosage) FROM {GENES} WHERE dosage > 0 AND gene = 'G1' GROUP BY gene",
        "SELECT sum(birth_year) FILTER (dosage > 0) FROM genotypes JOIN samples USING (sample_id) WHERE contig = 'chr1' AND pos > 1500",
        f"{BY_GENE} SELECT gene, sum(n), count(*) FROM b WHERE gene = 'G1' GROUP BY gene",
        f"{BY_GENE} SELECT gene, sum(n) FILTER ({HERS}), count(*) FROM b JOIN samples USING (sample_id) GROUP BY gene",
        "SELECT alt, sum(dosage) FROM genotypes WHERE contig = 'chr1' GROUP BY alt",
        "SELECT pos > 1500 AS w, sum(dosage), count(DISTINCT sample_id) FROM genotypes WHERE contig = 'chr1' GROUP BY w",
        "SELECT avg(dosage) FILTER (sex = 'F') - avg(dosage) FILTER (sex = 'M') FROM genotypes JOIN samples USING (sample_id) WHERE contig = 'chr1'",
    ),
    "by_person_and_gene": (
        f"WITH b AS (SELECT sample_id, gene FROM {GENES} WHERE gene IN ('G1', 'G2') GROUP BY ALL HAVING bool_or(pos = 5000 AND dosage > 0)) SELECT gene, count(*) FROM b GROUP BY gene",
        f"WITH b AS (SELECT sample_id, gene, sum(dosage) AS n FROM {GENES} WHERE gene IN ('G2', 'G3') GROUP BY ALL) SELECT gene, n, count(*) FROM b JOIN samples USING (sample_id) WHERE {HERS} GROUP BY gene, n",
        f"WITH b AS (SELECT sample_id, gene, sum(dosage) AS n FROM {GENES} WHERE gene IN ('G2', 'G3') GROUP BY ALL) SELECT gene, sum(CASE WHEN {HERS} THEN n ELSE 0 END), stddev(n) FILTER ({HERS}) FROM b JOIN samples USING (sample_id) GROUP BY gene",
        f"SELECT regr_slope(n, ldl), regr_count(n, ldl) FROM {BURDEN} WHERE ldl > 9",
        f"SELECT corr(({HERS})::INT, n), regr_sxy((bmi > 60)::INT, n) FROM {BURDEN}",
        "SELECT count(*), count_if(sex = 'M') FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM scores GROUP BY 1 HAVING max(score) - min(score) > 4.6)",
    ),
    "pivot": (
        f"PIVOT (SELECT * FROM samples WHERE {HERS}) ON t2d IN (true, false) USING count(*) GROUP BY country",
        "FROM samples PIVOT (avg(ldl) FOR birth_year IN (1903) GROUP BY population)",
        "UNPIVOT (SELECT country, avg(bmi) FILTER (ldl > 9) AS a, avg(ldl) FILTER (bmi > 60) AS b FROM samples GROUP BY country) ON a, b INTO NAME n VALUE v",
        "SELECT n, avg(v), count(*) FROM samples UNPIVOT (v FOR n IN (bmi, weight)) WHERE v > 230 GROUP BY n",
    ),
    "functions": (
        f"SELECT avg(ln(weight)), sum(sqrt(weight)) FROM samples WHERE {HERS}",
        "SELECT status, avg(ln(weight)) FROM samples WHERE status = 'C' GROUP BY status",
        "SELECT sum(ln(bmi)) FILTER (status = 'C'), sum(weight / bmi) FILTER (weight > 200) FROM samples",
        "SELECT count(*) FROM samples WHERE weight + bmi > 250 OR weight > ldl * 1000",
    ),
    "lists_and_labels": (
        "SELECT histogram(weight, [100, 239.9, 240]) FROM samples",
        "SELECT mode(status) FILTER (status = 'C'), entropy(status) FILTER (status = 'C') FROM samples",
        "SELECT count(DISTINCT status), mode(status) FROM samples WHERE ldl > 9",
        "SELECT count(DISTINCT sample_id) FILTER (status = 'C') FROM samples",
        f"SELECT bool_or(t2d) FILTER ({HERS}), bool_and(birth_year <> 1903 OR t2d), bool_or(ldl > 9) FROM samples",
        "SELECT status, max(status) FROM samples WHERE status > 'B' GROUP BY status",
        "SELECT DISTINCT variant_id FROM genotypes WHERE dosage > 0 AND contig = 'chr1'",
        "SELECT count(*) FILTER (status LIKE 'C%'), count(*) FILTER (lower(status) = 'c'), count(nullif(status, 'C')) FROM samples",
        "SELECT status || sex AS k, count(*) FROM samples WHERE status || sex = 'CF' GROUP BY k",
    ),
    "dates": (
        "SELECT year(recruited) AS y, month(recruited) AS m, bool_or(t2d), avg(bmi) FROM samples GROUP BY ALL HAVING year(recruited) < 2000",
        "SELECT count(*) FILTER (year(recruited) < 2000 AND t2d), count(*) FROM samples",
        "SELECT date_diff('year', make_date(birth_year, 1, 1), current_date) // 110 AS k, bool_or(t2d) FROM samples GROUP BY k HAVING date_diff('year', make_date(birth_year, 1, 1), current_date) // 110 = 1",
        "SELECT avg(date_diff('year', make_date(birth_year, 1, 1), DATE '2026-01-01')) FILTER (year(recruited) < 2005 AND t2d) FROM samples",
    ),
    "genotypes_in_letters": (
        f"SELECT {LETTERS} AS g, count(*) FROM genotypes WHERE variant_id = 'chr1-5000-G-T' GROUP BY g",
        f"SELECT {LETTERS} AS g, count(*) FROM genotypes JOIN samples USING (sample_id) WHERE variant_id = 'chr2-100-C-T' AND {HERS} GROUP BY g",
        f"SELECT sex, {LETTERS} AS g, count(*) FILTER ({HERS}) FROM genotypes JOIN samples USING (sample_id) WHERE variant_id = 'chr2-100-C-T' GROUP BY ALL",
    ),
    "joins": (
        "SELECT count(*), avg(score) FROM scores NATURAL JOIN samples WHERE birth_year < 1910",
        "SELECT v.lo, count(*) FROM samples s JOIN (VALUES (18, 61), (61, 62), (62, 80)) AS v(lo, hi) ON s.bmi >= v.lo AND s.bmi < v.hi GROUP BY v.lo",
        "SELECT v.k, count(s.sample_id) FROM (VALUES ('C')) AS v(k) LEFT JOIN samples s ON s.status = v.k GROUP BY v.k HAVING count(s.sample_id) > 0",
        "SELECT n.country, coalesce(x.n, 0) FROM nodes n LEFT JOIN (SELECT country, count(*) AS n FROM samples WHERE status = 'C' GROUP BY country) x USING (country)",
        "SELECT n.country FROM nodes n ANTI JOIN (SELECT country FROM samples WHERE ldl > 9 GROUP BY country) x USING (country)",
        "SELECT corr(a.score, (b.score > 4)::INT) FROM scores a JOIN scores b USING (sample_id) WHERE a.pgs_id = 'PGS2' AND b.pgs_id = 'PGS1'",
    ),
    "rounds": (
        f"{MOMENTS} SELECT sum(CASE WHEN ldl > mu + 4 * sd THEN 1 ELSE 0 END), avg((ldl - mu) / sd) FILTER (ldl > 9) FROM samples, m",
        "SELECT count(*) FROM samples WHERE bmi > (SELECT max(i) + 36 FROM range(5) r(i))",
    ),
    "above": (
        f"SELECT CASE WHEN {HIGH} >= 1 THEN 1 WHEN {HIGH} < 1 THEN 2 ELSE 3 END, CASE {HIGH} WHEN 0 THEN 'no' WHEN 1 THEN 'yes' END FROM samples",
        f"SELECT {HIGH} * 0, {HIGH} % 2, 0 / {HIGH}, 1 // {HIGH}, sign({HIGH}), greatest({HIGH}, 5), least({HIGH}, 0) FROM samples",
        f"SELECT coalesce(nullif({HIGH}, 0), -1), {HIGH} IS DISTINCT FROM 0, {HIGH} IN (0), ({HIGH})::BOOLEAN FROM samples",
        f"SELECT [{HIGH}], {{'a': {HIGH}}}, format('{{}}', {HIGH}), length(({HIGH})::VARCHAR) FROM samples",
        "SELECT (CASE WHEN " + HIGH + " > 0 THEN 'x' ELSE '1' END)::INT FROM samples",
        f"SELECT country, sum({HIGH}) OVER (ORDER BY country) FROM samples GROUP BY country",
        "SELECT country, row_number() OVER (ORDER BY count_if(ldl > 9) DESC, country DESC) FROM samples GROUP BY country",
        "SELECT status FROM samples WHERE ldl > 9 GROUP BY status EXCEPT SELECT 'A'",
        "SELECT 'a' AS k, count(*) FROM samples WHERE ldl > 9 UNION SELECT 'a', 0",
        "SELECT count(*) FROM (SELECT status, country, count(*) AS n FROM samples GROUP BY ALL HAVING count(*) < 5)",
    ),
    "missing_values": (
        "SELECT smoker IS NULL, count(*), avg(ldl) FROM samples WHERE birth_year < 1910 GROUP BY 1",
        "SELECT CASE WHEN ldl > 9 THEN smoker END AS k, count(*) FROM samples GROUP BY k",
        "SELECT count(*) FILTER ((smoker AND t2d) IS NOT DISTINCT FROM true AND birth_year < 1940), count(*) FROM samples",
    ),
    "errors": (
        "SELECT count(1 // CASE WHEN ldl > 9 THEN 0 ELSE 1 END), count(*) FROM samples WHERE 10 // (visits - 49) IS NOT NULL",
        "SELECT count(*) FILTER ((CASE WHEN ldl > 9 THEN status ELSE '1' END)::INT = 1), count(*) FROM samples",
        "SELECT count(*) FROM samples WHERE (CASE WHEN ldl > 9 THEN 40000 ELSE 1 END)::SMALLINT > 0",
        "SELECT count(*) FROM samples WHERE visits % (visits - 49) = 0",
        "SELECT count(*) FROM samples WHERE ('1' || CASE WHEN ldl > 9 THEN 'x' ELSE '' END)::INT = 1",
        "SELECT count((visits * 9999999999)::INT) FROM samples",
        "SELECT count(*) FROM samples WHERE exp(visits * 20) > 0",
        "SELECT exp(visits * 20) > exp(900) AS k, count(*) FROM samples GROUP BY k",
        "SELECT floor(exp(ldl - 9)) AS k, count(*) FROM samples GROUP BY k",
        # what stands twice, and fails for her
        f"SELECT CASE WHEN {FAILS} > 3 THEN 1 WHEN {FAILS} < -30 THEN 2 ELSE 3 END AS k, count(*) FROM samples GROUP BY k",
        f"SELECT coalesce({FAILS}, 5) > 4 AND {FAILS} IS NULL AS k, count(*) FROM samples GROUP BY k",
        f"SELECT {FAILS} AS k, count(*) FROM samples WHERE {FAILS} < -3 OR {FAILS} > 9 GROUP BY k",
        f"SELECT count(*) FILTER ({FAILS} > 3 OR {FAILS} < -30), count(*) FROM samples",
        f"SELECT sum(n), count(*) FROM (SELECT sample_id, count(*) FILTER ({FAILS} > 3 OR {FAILS} < -30) AS n FROM samples GROUP BY 1) b",
        f"SELECT sign({FAILS}) AS k, count(*) FROM samples GROUP BY k",
        "SELECT sign(visits * 230584300921369395) AS k, count(*) FROM samples GROUP BY k",
        "SELECT sign(visits % (visits - 49)) AS k, count(*) FROM samples GROUP BY k",
        f"SELECT sign(b.x // (b.y - 49)) AS k, count(*) FROM samples JOIN {OWN} USING (sample_id) GROUP BY k",
    ),
    "ratios_by_person": (
        f"SELECT avg(x / nullif(h, 0)), count(x / nullif(h, 0)), stddev(h / n) FROM {OWN}",
        f"SELECT sum(h / x), sum((x - v) / n), avg((x - v) / nullif(h, 0)) FROM {OWN}",
        f"SELECT sum(x / n) FILTER (h / n > 0.5), sum(x / n) FILTER (h / n < 0.5) FROM {OWN}",
        f"SELECT h / n > 0.5 AS k, count(*) FROM {OWN} GROUP BY k",
        f"SELECT sign(h / n - 0.5) AS k, count(*), sum(x / n) FROM {OWN} GROUP BY k",
        f"SELECT corr(h / n, x), regr_slope(x, h / n), regr_count(x, x / nullif(h, 0)) FROM {OWN}",
        f"SELECT count(*) FILTER (x / nullif(n - h, 0) IS NULL), sum(x / (n - h)) FROM {OWN}",
        f"SELECT avg(coalesce(x / nullif(n - h, 0), 0)), sum(least(x / nullif(h, 0), 1)) FROM {OWN}",
        f"SELECT sum(y / n) FILTER ({HERS}), sum(CASE WHEN {HERS} THEN y / n ELSE 0 END) FROM {OWN} JOIN samples USING (sample_id)",
        f"SELECT sum((h / n) * (h / n)), sum((h / n) * x) FROM {OWN}",
        f"SELECT avg(h / nullif(h, 0)), sum(h / h) FROM {OWN}",
        "SELECT sum(m), count(m) FROM (SELECT sample_id, avg(score) FILTER (score > 4.5) AS m FROM scores GROUP BY 1) b",
        "SELECT avg(bmi), count(*) FROM samples WHERE birth_year < 1910 AND sample_id IN (SELECT sample_id FROM genotypes GROUP BY 1 HAVING avg(dosage) > 0.6)",
        "SELECT r / nullif(d, 0) > 0 AS k, count(*) FROM (SELECT sample_id, sum(dosage) AS d, count_if(pos = 5000 AND dosage > 0) AS r FROM genotypes GROUP BY 1) b GROUP BY k",
    ),
    "equal_parts_by_person": (
        f"SELECT mad(h / n), median(x / nullif(h, 0)) FROM {OWN}",
        f"SELECT quantile_disc(h / n, 0), quantile_disc(h / n, 1), quantile_cont(h / n, 0.999) FROM {OWN}",
        f"SELECT median(y / n) FILTER ({HERS}), count(*) FROM {OWN} JOIN samples USING (sample_id)",
        f"WITH q AS (SELECT sample_id, ntile(4) OVER (ORDER BY x) AS k FROM {OWN}) SELECT k, bool_or(t2d) FROM q JOIN samples USING (sample_id) WHERE birth_year < 1910 GROUP BY k",
    ),
    "lateral": (
        f"SELECT x.n, count(*) FROM samples s, {TOP} x GROUP BY x.n",
        f"SELECT count(*), sum(s.birth_year) FROM samples s, {TOP} x WHERE x.n > 0",
        f"SELECT count(*), sum(s.birth_year) FROM samples s, {TOP} x WHERE x.n = 0",
        f"SELECT sum(x.n / x.m), sum(s.birth_year * x.n) FROM samples s, {TOP} x",
        "SELECT x.odd, count(*), sum(birth_year) FROM samples s CROSS JOIN LATERAL (SELECT s.ldl > 9 AS odd) x GROUP BY x.odd",
        "SELECT sum(x.h) FROM samples s, LATERAL (SELECT CASE WHEN s.ldl > 9 THEN s.birth_year ELSE 0 END AS h) x",
        "SELECT sum(c.score), count(c.score) FROM samples s JOIN LATERAL (SELECT score FROM scores o WHERE o.sample_id = s.sample_id AND o.score > 4.5) c ON TRUE",
        f"SELECT avg(c.score) FROM samples s JOIN LATERAL (SELECT score FROM scores o WHERE o.sample_id = s.sample_id AND o.pgs_id = 'PGS1') c ON TRUE WHERE s.{HERS}",
        f"SELECT median(x.n), count(*) FROM samples s, LATERAL (SELECT sum(score) AS n FROM scores c WHERE c.sample_id = s.sample_id) x WHERE s.{HERS}",
        "SELECT x.d, count(*) FROM samples s, LATERAL (SELECT max(dosage) AS d FROM genotypes g WHERE g.sample_id = s.sample_id AND g.pos = 5000) x GROUP BY x.d",
        "SELECT n.country, x.n FROM nodes n, LATERAL (SELECT count(*) AS n FROM samples s WHERE s.country = n.country AND s.ldl > 9) x",
        f"SELECT n.country, x.m FROM nodes n, LATERAL (SELECT avg(ldl) AS m FROM samples s WHERE s.country = n.country AND s.{HERS}) x",
        "SELECT k.v, x.n FROM (VALUES (1903), (1904)) k(v), LATERAL (SELECT count(*) AS n FROM samples s WHERE s.birth_year = k.v AND t2d) x",
        "SELECT v.gene, x.n FROM variants v, LATERAL (SELECT count(*) AS n FROM genotypes g WHERE g.variant_id = v.variant_id AND g.dosage > 0 AND g.pos = 5000) x",
        f"SELECT v.variant_id, x.n FROM variants v, LATERAL (SELECT count(DISTINCT sample_id) AS n FROM genotypes g JOIN samples USING (sample_id) WHERE g.variant_id = v.variant_id AND g.dosage > 0 AND {HERS}) x",
    ),
    "any_and_all": (
        "SELECT count(*), sum(birth_year) FROM samples WHERE ldl > ALL (SELECT 9)",
        "SELECT count(*), sum(birth_year) FROM samples WHERE sample_id = ANY (SELECT sample_id FROM samples WHERE ldl > 9)",
        "SELECT count(*), sum(birth_year) FROM samples WHERE sample_id <> ALL (SELECT sample_id FROM scores WHERE score > 4.5)",
        "SELECT count(*), sum(birth_year) FROM samples WHERE NOT sample_id = ANY (SELECT sample_id FROM samples WHERE ldl > 9)",
        "SELECT count(*) FROM samples WHERE ldl > ANY (SELECT quantile_cont(ldl, 0.95) + 4 FROM samples WHERE country = 'LV')",
        "SELECT count(*), count(*) FILTER (ldl > ANY (SELECT v FROM (VALUES (9.0), (11.0)) t(v))) FROM samples",
        "SELECT country FROM samples GROUP BY country HAVING country = ANY (SELECT country FROM samples WHERE ldl > 9 GROUP BY country)",
        "SELECT country FROM nodes WHERE country = ANY (SELECT country FROM samples WHERE ldl > 9 GROUP BY country)",
        "SELECT country FROM nodes WHERE country <> ALL (SELECT country FROM samples WHERE ldl > 9 GROUP BY country)",
        "SELECT 1903 = ANY (SELECT birth_year FROM samples WHERE t2d AND birth_year < 1910 GROUP BY birth_year) AS a",
        "SELECT true = ANY (SELECT t2d FROM samples WHERE birth_year = 1903 GROUP BY t2d) AS a",
        "SELECT 'C' = ANY (SELECT status FROM samples GROUP BY status) AS a, 'C' <> ALL (SELECT status FROM samples GROUP BY status) AS b",
        "SELECT sex, 0 = ANY (SELECT count(*) FROM samples WHERE ldl > 9) AS a, 0 <> ALL (SELECT count(*) FROM samples WHERE ldl > 9) AS b FROM samples GROUP BY sex",
    ),
    "labels_that_are_listed": (
        "SELECT list(DISTINCT status ORDER BY status DESC) FILTER (status >= 'C'), list(DISTINCT country) FILTER (ldl > 9) FROM samples",
        "SELECT len(list(DISTINCT status) FILTER (ldl > 9)), list_contains(list(DISTINCT status), 'C') FROM samples",
        "SELECT list(DISTINCT t2d) FILTER (birth_year = 1903), string_agg(DISTINCT population, ',') FILTER (smoker AND birth_year < 1910) FROM samples",
        "SELECT country, list(DISTINCT status) FROM samples WHERE ldl > 9 OR country = 'FI' GROUP BY country",
        "SELECT list(DISTINCT status) AS l FROM samples WHERE ldl > 9 UNION ALL SELECT ['A']",
        "SELECT sex FROM samples GROUP BY sex HAVING list_contains(list(DISTINCT status), 'C')",
        "SELECT country, list(DISTINCT sex) FILTER (status = 'C') AS l FROM samples GROUP BY country ORDER BY l, country LIMIT 1",
    ),
    "samples_twice": (
        "SELECT count(*), sum(a.birth_year) FROM samples a JOIN samples b USING (sample_id) WHERE a.ldl <= 9 AND b.birth_year > 1902",
        "SELECT count(*) FROM samples a LEFT JOIN (SELECT sample_id FROM samples WHERE ldl <= 9) b USING (sample_id) LEFT JOIN (SELECT sample_id FROM samples WHERE ldl <= 12) c USING (sample_id) WHERE b.sample_id IS NULL AND c.sample_id IS NOT NULL",
        "SELECT count(*), sum(birth_year) FROM samples a ANTI JOIN (SELECT sample_id FROM samples WHERE ldl <= 9) b USING (sample_id)",
        "SELECT count(a.sample_id) - count(b.sample_id), count(*) FROM samples a LEFT JOIN (SELECT sample_id FROM samples WHERE ldl <= 9) b USING (sample_id)",
        "SELECT a.sex, count(*) FILTER (b.ldl > 9), sum(b.birth_year) FILTER (a.ldl > 9) FROM samples a JOIN samples b USING (sample_id) GROUP BY a.sex",
        "SELECT corr((a.ldl > 9)::INT, b.birth_year), sum((a.ldl > 9)::INT * b.birth_year) FROM samples a JOIN samples b USING (sample_id)",
        "SELECT a.ldl > 9 AS k, b.birth_year < 1910 AS l, count(*) FROM samples a JOIN samples b USING (sample_id) GROUP BY ALL",
        "SELECT count(*), count(*) FILTER (a.ldl - b.ldl / 2 > 4.5) FROM samples a JOIN samples b USING (sample_id)",
        "SELECT count(*) FROM samples a JOIN samples b USING (sample_id) JOIN samples c USING (sample_id) WHERE a.ldl + b.bmi > 60 AND c.visits > 40",
    ),
}  # fmt: skip
#: What a node could fail on for some persons, or not end with: it is not asked.
REFUSED = (
    "SELECT count(*) FROM samples WHERE make_date(birth_year, CASE WHEN ldl > 9 THEN 13 ELSE 1 END, 1) > DATE '1900-01-01'",
    "SELECT count(*) FROM samples WHERE recruited + visits * 100000 > DATE '2000-01-01'",
    "SELECT sum(1 // (CASE WHEN ldl > 9 THEN 0 ELSE 1 END)), count(*) FROM samples",
    "SELECT count(*) FROM samples WHERE regexp_matches(status, CASE WHEN ldl > 9 THEN '(' ELSE 'A' END)",
    "SELECT count(*) FROM samples WHERE regexp_matches(status, '(A+)+$')",
    "SELECT count(*) FROM samples WHERE [1, 2, 3][visits] = 1",
    "SELECT count(*) FROM samples WHERE repeat(status, visits * 1000000) = ''",
    "SELECT count(*) FROM samples WHERE len(range(visits * 100000000)) > 0",
    "SELECT count(*) FROM samples, unnest(range(visits)) t(i)",
    "SELECT count(*) FROM samples WHERE json_extract(status, '$.a') IS NULL",
    "SELECT count(*) FROM samples WHERE strptime(status, '%Y') IS NULL",
    "SELECT count(*) FROM samples s WHERE EXISTS (SELECT 1 FROM range(100000000) r(i) WHERE i = s.visits)",
    f"SELECT count(*) FROM samples WHERE {'+'.join(['visits'] * 3000)} > 0",
    "SELECT repeat('x', count(*) * 100000000) FROM samples",
)
STATEMENTS = [pytest.param(kind, text) for kind, texts in ATTACKS.items() for text in texts]

#: Not those that would tell by an error, which no node leaves to its engine, or by a status alone.
BY_STATUS = ATTACKS["rows_at_unlisted_sites"][2:4]
TELLING = [
    text for kind, texts in ATTACKS.items() if kind != "errors" for text in texts if text not in BY_STATUS
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worlds lie."""
    return tmp_path_factory.mktemp("wider")


@pytest.fixture(scope="module")
def wider(folder: Path) -> Both:
    """Two worlds that differ in what the person born in 1903 has; no answer is held to an earlier one."""
    policy = f"min_persons = {K}\nmin_contributors = {K}\noverlap_audit = false"
    first, second = (open_wider(folder / str(place), secret, policy) for place, secret in enumerate(SECRETS))
    return first, second


@pytest.mark.parametrize(("kind", "text"), STATEMENTS)
def test_the_secret_of_one_person_shows_nowhere(kind: str, text: str, wider: Both) -> None:
    """Rows, their number and order, statuses, bounds and envelope are the same in both worlds."""
    assert_answered_alike(wider, text)


@pytest.mark.parametrize("text", REFUSED)
def test_what_could_fail_for_some_is_refused(text: str, wider: Both) -> None:
    """Before any node is asked, in the same words."""
    first, second = (observed(federation, text) for federation in wider)
    assert first == second
    assert "refused" in first


@pytest.mark.nightly
@pytest.mark.parametrize("text", TELLING)
def test_without_protection_they_tell(text: str, wider: Both, folder: Path, tmp_path: Path) -> None:
    """Each is an attack: where the rules are off, the answers of the two worlds differ."""
    first, second = (
        observed(_unprotected(folder / str(place), tmp_path / str(place)), text) for place in (0, 1)
    )
    assert first != second


def _unprotected(world: Path, copy: Path) -> Federation:
    """The same lakes under no rule, asked nothing yet."""
    shutil.copytree(world, copy, ignore=shutil.ignore_patterns("ledger", "LEDGER*"))
    for policy in copy.glob("*/policy.toml"):
        policy.write_text('version = 1\nprotection = "off"\n')
    return open_federation(sorted(copy.glob("*/node.toml")), project="demo")


def test_the_rule_on_numbers_as_keys_is_what_holds_them(wider: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a number that all but one person share stays in a key, the row of the others tells of her."""

    def none(reading: Reading, expression: Expr) -> list[Expr]:
        return []

    monkeypatch.setattr(key_effects, "_numbers_and_texts", none)
    for text in ATTACKS["numbers_as_keys"][:3]:
        first, second = (observed(federation, text) for federation in wider)
        assert first != second, text


def test_the_rule_on_unlisted_sites_is_what_holds_them(wider: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows at such sites are not tried, that her numbers of rows are others tells of her allele."""
    monkeypatch.setattr(Reading, "listed", None)
    for text in (ATTACKS["rows_at_unlisted_sites"][1], *BY_STATUS):
        first, second = (observed(federation, text) for federation in wider)
        assert first != second, text


def test_bins_of_enough_persons_stay_as_they_are(wider: Both) -> None:
    """A key of several values that many have is exact, and so is what stands beside it."""
    text = "SELECT birth_year // 10 * 10 AS decade, count(*) AS n FROM samples WHERE country = 'FI' GROUP BY decade"
    told = observed(wider[0], text)
    assert sum(row["n"] for row in told["rows"]) == 40
    assert {row["n"] for row in told["status"]} == {"ok"}


def test_a_number_that_all_share_is_told_as_it_is(wider: Both) -> None:
    """The row has the value of the others, of the type it has elsewhere, and is marked; missing values stay apart."""
    told = observed(wider[0], "SELECT sign(ldl - 9) AS k, count(*) AS n FROM samples GROUP BY k")
    assert told["rows"] == [{"k": -1, "n": 120}]
    assert told["status"] == [{"k": "ok", "n": "approx"}]
    told = observed(wider[1], "SELECT floor(smoker::INT / 2) AS k, count(*) AS n FROM samples GROUP BY k")
    assert {row["k"] for row in told["rows"]} == {0.0, None}
