"""Attacks through what is written out or looked up: groups of one, told by another spelling."""

# ruff: noqa: E501 - a statement stands on one line

from __future__ import annotations

import pytest

from goe_lake.federation import Federation
from tests.attacks.worlds import observed

COMMON, RARE = "chr1-1000-A-C", "chr1-5000-G-T"
PERSON = "birth_year = 1903"
MEANS = "WITH m AS (SELECT birth_year, avg(bmi) AS mu, count(*) AS n FROM samples GROUP BY birth_year)"
ATTACKS = {
    "rows_of_a_group_of_one": (
        f"{MEANS} SELECT count(*) FROM samples s JOIN m USING (birth_year) WHERE s.bmi >= m.mu",
        f"{MEANS} SELECT sex, avg(s.bmi - m.mu) FROM samples s JOIN m ON m.birth_year = s.birth_year AND m.n < 2 GROUP BY sex",
        f"{MEANS} SELECT count(*) FILTER (s.ldl > 9) FROM samples s LEFT JOIN m ON m.birth_year = s.birth_year AND m.mu > 60",
        f"{MEANS} SELECT avg(m.mu) FROM samples s JOIN m USING (birth_year) WHERE s.{PERSON}",
        "SELECT count(*) FROM samples s JOIN (SELECT country, sum(bmi) AS b FROM samples WHERE birth_year = 1903 GROUP BY country) m USING (country) WHERE m.b > 60",
        "SELECT count(*) FROM samples s JOIN nodes n ON n.country = s.country AND s.birth_year = 1903 WHERE s.bmi > 60",
    ),
    "windows_and_values_of_the_row": (
        "WITH z AS (SELECT bmi - avg(bmi) OVER (PARTITION BY birth_year) AS d FROM samples) SELECT count(*) FILTER (d = 0), avg(d) FROM z",
        f"WITH z AS (SELECT sex, max_bmi FROM (SELECT sex, sum(bmi) OVER () AS max_bmi FROM samples WHERE {PERSON})) SELECT sex, count(*) FROM z WHERE max_bmi > 60 GROUP BY sex",
        "SELECT count(*) FROM samples s WHERE bmi > (SELECT avg(bmi) FROM samples x WHERE x.birth_year = s.birth_year)",
        f"SELECT n.country, (SELECT sum(bmi) FROM samples s WHERE s.country = n.country AND s.{PERSON}) FROM nodes n",
        f"SELECT n.country, (SELECT count(*) FROM samples s WHERE s.country = n.country AND s.{PERSON} AND s.bmi > 60) AS c FROM nodes n WHERE c > 0",
        "WITH q AS (SELECT ntile(2) OVER (PARTITION BY birth_year ORDER BY score) AS k FROM scores JOIN samples USING (sample_id)) SELECT k, count(*) FROM q GROUP BY k",
    ),
    "kept_rows": (
        f"SELECT n.country, count(s.sample_id), sum(s.bmi) FROM nodes n LEFT JOIN samples s ON s.country = n.country AND s.{PERSON} GROUP BY n.country",
        f"SELECT v.variant_id, sum(g.dosage), count(g.sample_id) FROM variants v LEFT JOIN genotypes g ON g.variant_id = v.variant_id AND g.variant_id = '{RARE}' GROUP BY v.variant_id",
        f"SELECT s.sex, count(g.sample_id), sum(g.dosage) FROM samples s LEFT JOIN genotypes g ON g.sample_id = s.sample_id AND g.variant_id = '{RARE}' GROUP BY s.sex",
        f"SELECT g.dosage, count(*) FROM samples s LEFT JOIN genotypes g ON g.sample_id = s.sample_id AND g.variant_id = '{COMMON}' WHERE s.{PERSON} GROUP BY g.dosage",
    ),
    "branches": (
        f"SELECT v.name, sum(v.value), count(*) FROM samples s, (VALUES ('bmi', s.bmi), ('ldl', s.ldl)) v(name, value) WHERE s.{PERSON} GROUP BY v.name",
        "SELECT v.name, count(*) FROM samples s, (VALUES ('bmi', s.bmi), ('ldl', s.ldl)) v(name, value) WHERE v.value > 60 GROUP BY v.name",
        f"WITH u AS (SELECT 'all' AS who, ldl FROM samples WHERE ldl > 9 UNION ALL SELECT 'others', ldl FROM samples WHERE ldl > 9 AND NOT {PERSON}) SELECT who, count(*) FROM u GROUP BY who",
        "FROM samples PIVOT (count(*) FOR birth_year IN (1903, 1950) GROUP BY country)",
        f"SELECT count(*) FROM samples WHERE sample_id IN (SELECT sample_id FROM samples WHERE {PERSON} AND bmi > 60 UNION SELECT sample_id FROM scores WHERE score > 4)",
    ),
    "texts_and_dates": (
        "SELECT concat_ws('/', population, sex) AS g, count(*), sum(bmi) FROM samples WHERE (2026 - year(DATE '2026-01-01') + birth_year) = 1903 GROUP BY g",
        "SELECT count(*) FILTER (date_diff('year', make_date(birth_year, 1, 1), DATE '2026-01-01') > 110), avg(bmi) FILTER (date_diff('year', make_date(birth_year, 1, 1), DATE '2026-01-01') > 110) FROM samples",
        "SELECT split_part(population, 'p', 1) AS p, right(cohort, 1) AS c, sum(bmi) FROM samples WHERE bmi > 60 GROUP BY ALL",
        f"SELECT regexp_matches(population, '^A') AS a, count(*) FROM samples WHERE cohort SIMILAR TO 'C.' AND {PERSON} AND ldl > 9 GROUP BY a",
        "SELECT * FROM (FROM samples PIVOT (count(*) FOR t2d IN (true, false) GROUP BY birth_year)) WHERE birth_year < 1940",
    ),
    "who_has_a_row": (
        f"SELECT count(*) FROM samples WHERE sample_id IN (SELECT sample_id FROM (SELECT sample_id, sum(dosage) AS n FROM genotypes WHERE variant_id = '{RARE}' GROUP BY sample_id) WHERE n > 0)",
        f"WITH c AS (SELECT sample_id, max(dosage) AS d FROM genotypes WHERE variant_id = '{COMMON}' GROUP BY sample_id) SELECT sex, count(*) FROM samples WHERE {PERSON} AND sample_id IN (SELECT sample_id FROM c WHERE d = 2) GROUP BY sex",
        f"WITH c AS (SELECT DISTINCT sample_id FROM genotypes WHERE variant_id = '{RARE}' AND dosage > 0) SELECT count(*) FILTER (sample_id IN (SELECT sample_id FROM c)), count(*) FROM samples",
        "WITH c AS (SELECT sample_id, max(score) AS s FROM scores WHERE pgs_id = 'PGS1' GROUP BY sample_id) SELECT avg(bmi) FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM c WHERE s < 4)",
    ),
    "rows_by_person_and_more": (
        "SELECT pos, avg(n), count(*), sum(n) FROM (SELECT sample_id, pos, sum(dosage) AS n FROM genotypes WHERE pos = 5000 GROUP BY ALL) GROUP BY pos",
        f"WITH b AS (SELECT sample_id, variant_id, count(*) AS n FROM genotypes WHERE dosage > 0 GROUP BY ALL) SELECT variant_id, count(*), avg(n) FROM b WHERE variant_id = '{RARE}' GROUP BY variant_id",
        f"WITH b AS (SELECT sample_id, contig, sum(dosage) AS n FROM genotypes WHERE contig = 'chrX' GROUP BY ALL) SELECT contig, count(*), avg(n) FILTER (s.{PERSON}) FROM b JOIN samples s USING (sample_id) GROUP BY contig",
        f"WITH b AS (SELECT sample_id, contig, sum(dosage) AS n FROM genotypes WHERE contig = 'chrX' GROUP BY ALL) SELECT contig, avg(n) - avg(n) FILTER (NOT s.{PERSON}) FROM b JOIN samples s USING (sample_id) GROUP BY contig",
        f"SELECT p.pgs_id, avg(p.s) FROM (SELECT sample_id, pgs_id, sum(score) AS s FROM scores WHERE score > 4 GROUP BY ALL) p JOIN samples s USING (sample_id) WHERE s.{PERSON} GROUP BY p.pgs_id",
    ),
    "another_spelling": (
        "SELECT histogram(bmi, [61, 62]) FROM samples",
        f"SELECT sex, histogram(ldl, range(0, 12, 1)) FILTER ({PERSON}) FROM samples GROUP BY sex",
        "SELECT histogram(birth_year, [1902, 1903, 1904]) FILTER (bmi > 60) FROM samples",
        f"SELECT avg(coalesce(CASE WHEN {PERSON} THEN bmi END, 0)), sum(greatest(bmi, 61)), avg(abs(bmi - 61.37)) FROM samples",
        "SELECT count(nullif(bmi, 61.37)), count(*) FROM samples",
        "SELECT sum(bmi) FROM samples WHERE (birth_year, sex) IN ((1903, 'F'))",
        f"SELECT sex, {PERSON} AS her, count(*), avg(birth_year) FROM samples GROUP BY ROLLUP (sex, {PERSON})",
        f"SELECT {PERSON} AS her, sex, count(*) FROM samples GROUP BY GROUPING SETS (({PERSON}), ({PERSON}, sex))",
        "SELECT percentile_cont(1) WITHIN GROUP (ORDER BY bmi) FROM samples",
        f"SELECT sum(a.score), corr(a.score, b.score) FROM scores a JOIN scores b USING (sample_id) JOIN samples s USING (sample_id) WHERE a.pgs_id = 'PGS1' AND b.pgs_id = 'PGS1' AND s.{PERSON}",
        "SELECT count(DISTINCT variant_id), count(DISTINCT pos), mode(variant_id) FROM genotypes WHERE dosage > 0",
        f"WITH w AS (SELECT population AS p, sex FROM samples WHERE {PERSON} AND bmi > 60) SELECT mode(p), count(DISTINCT p), entropy(sex) FROM w",
        "SELECT g.variant_id, any_value(v.pos), min(v.ref), sum(g.dosage) FROM genotypes g JOIN variants v USING (variant_id) WHERE g.dosage > 0 GROUP BY g.variant_id",
    ),
}  # fmt: skip
REFUSED = ("rows_of_a_group_of_one", "windows_and_values_of_the_row")
STATEMENTS = [(kind, text) for kind, texts in ATTACKS.items() for text in texts]


@pytest.mark.parametrize(("kind", "text"), STATEMENTS)
def test_the_secret_of_one_person_shows_nowhere(
    kind: str, text: str, both: tuple[Federation, Federation]
) -> None:
    """Rows, their number and order, statuses, bounds, refusals and envelope are the same in both worlds.

    A group of one has no mean to compare with: such a question is refused, in both worlds alike.
    """
    first, second = (observed(federation, text) for federation in both)
    assert first == second
    assert "failed" not in first, "whether a query fails must not be left to the engine"
    assert "refused" not in first or kind in REFUSED
