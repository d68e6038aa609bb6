"""Attacks through what is aggregated by person first: presence, burdens, weights, and who is left out."""

# ruff: noqa: E501 - a statement stands on one line

from __future__ import annotations

import pytest

from goe_lake.federation import Federation
from tests.attacks.worlds import assert_answered_alike, observed

RARE = "variant_id = 'chr1-5000-G-T'"
DIGITS = "CASE WHEN variant_id = 'chr1-1000-A-C' THEN 1 WHEN variant_id = 'chr1-5000-G-T' THEN 1000 WHEN contig = 'chrX' THEN 0.001 END"
SITES = "variant_id IN ('chr1-1000-A-C', 'chr1-5000-G-T')"
PERSON_TOTALS = f"(SELECT sample_id, sum(dosage * {DIGITS}) AS x FROM genotypes GROUP BY sample_id)"
ATTACKS = {
    "presence": (
        "SELECT count(*) FROM samples s WHERE EXISTS (SELECT 1 FROM scores c WHERE c.sample_id = s.sample_id AND score > 4)",
        "SELECT count(*) FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM scores WHERE score > 4)",
        "SELECT count(*), sum(bmi) FROM samples ANTI JOIN (SELECT sample_id FROM scores WHERE score > 4) c USING (sample_id)",
        f"SELECT count(*) FROM samples WHERE sample_id IN (SELECT sample_id FROM genotypes WHERE {RARE})",
        f"SELECT count(*) FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM genotypes WHERE {RARE})",
        f"SELECT count(*), avg(ldl) FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM genotypes WHERE {RARE} AND dosage > 0)",
        "SELECT count(*) FILTER (sample_id IN (SELECT sample_id FROM samples WHERE ldl > 9)), count(*) FROM samples",
        "SELECT sample_id IN (SELECT sample_id FROM samples WHERE ldl > 9) AS k, count(*) FROM samples GROUP BY k",
        "SELECT count(*) FROM samples WHERE sample_id IN (SELECT sample_id FROM samples WHERE birth_year = 1903) AND t2d",
        "SELECT avg(score) FROM scores WHERE sample_id NOT IN (SELECT sample_id FROM samples WHERE birth_year <> 1903)",
        "SELECT country, count(*) FROM samples SEMI JOIN (SELECT sample_id FROM scores GROUP BY 1 HAVING max(score) > 4) c USING (sample_id) GROUP BY country",
    ),
    "null_by_choice": (
        "SELECT count(x), count(*) FROM samples JOIN (SELECT sample_id, max(CASE WHEN ldl <= 9 THEN ldl END) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT sum(x) FROM samples LEFT JOIN (SELECT sample_id, sum(bmi) FILTER (birth_year <> 1903) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT sum(s.bmi) - sum(s.bmi) FILTER (x IS NOT NULL) FROM samples s LEFT JOIN (SELECT sample_id, max(bmi) AS x FROM samples WHERE birth_year <> 1903 GROUP BY 1) b USING (sample_id)",
        "SELECT x IS NULL AS k, count(*), avg(s.ldl) FROM samples s LEFT JOIN (SELECT sample_id, min(score) AS x FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id) GROUP BY k",
        "SELECT count(*) FROM samples s LEFT JOIN (SELECT sample_id, min(score) AS x FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id) WHERE x < 9",
        "SELECT count(b.sample_id), count(*) FROM samples s LEFT JOIN (SELECT sample_id FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id)",
    ),
    "one_person_is_not_zero": (
        "SELECT sum(x) FROM (SELECT sample_id, sum(bmi) FILTER (birth_year = 1903) AS x FROM samples GROUP BY 1) b",
        "SELECT avg(x), count(*) FROM (SELECT sample_id, count(*) FILTER (ldl > 9) AS x FROM samples GROUP BY 1) b",
        f"SELECT sum(x) FROM (SELECT sample_id, sum(dosage) AS x FROM genotypes WHERE {RARE} GROUP BY 1) b",
        f"SELECT sum(x) FROM (SELECT sample_id, count_if(dosage > 0) AS x FROM genotypes WHERE {RARE} GROUP BY 1) b",
        f"SELECT x, count(*) FROM (SELECT sample_id, max(CASE WHEN {RARE} THEN dosage ELSE 0 END) AS x FROM genotypes GROUP BY 1) b GROUP BY x",
        "SELECT x, count(*) FROM (SELECT sample_id, max(score) AS x FROM scores GROUP BY 1) b GROUP BY x",
        "SELECT sum(x) FROM (SELECT sample_id, sum(score) AS x FROM scores GROUP BY 1 HAVING sum(score) > 4) b",
    ),
    "digits": (
        f"SELECT sum(x) FROM {PERSON_TOTALS} b",
        f"SELECT x, count(*) FROM {PERSON_TOTALS} b GROUP BY x",
        f"SELECT floor(x / 1000) AS k, count(*) FROM {PERSON_TOTALS} b GROUP BY k",
        f"SELECT count(*) FROM {PERSON_TOTALS} b WHERE x >= 1000",
        f"SELECT count(*) FILTER (x < 1000), count(*) FROM {PERSON_TOTALS} b",
        f"SELECT sex, sum(x), avg(x) FROM {PERSON_TOTALS} b JOIN samples USING (sample_id) GROUP BY sex",
    ),
    "lists": (
        "SELECT v.k, count(*), count(ldl) FROM samples s JOIN (VALUES (1900, 1910, 'x'), (1911, 2000, 'y')) AS v(low, high, k) ON s.birth_year BETWEEN v.low AND v.high GROUP BY v.k",
        "SELECT d, count(s.sample_id), count(s.ldl) FROM range(1900, 1960, 10) t(d) LEFT JOIN samples s ON s.birth_year BETWEEN d AND d + 9 AND s.ldl < 9 GROUP BY d",
        "SELECT sum(x) FROM (SELECT sample_id, sum(g.dosage * v.w) AS x FROM genotypes g JOIN (VALUES ('chr1-5000-G-T', 1), ('chr1-1000-A-C', 1000)) AS v(variant_id, w) USING (variant_id) GROUP BY 1) b",
        "SELECT v.w, sum(dosage) FROM genotypes g JOIN (VALUES ('chr1-5000-G-T', 1), ('chr1-1000-A-C', 1000)) AS v(variant_id, w) USING (variant_id) GROUP BY v.w",
        "SELECT v.k, count(*), count(ldl) FROM samples s JOIN (VALUES (1900, 1904, 'x'), (1904, 2000, 'y')) AS v(low, high, k) ON s.birth_year >= v.low AND s.birth_year < v.high GROUP BY v.k",
        "PIVOT samples ON t2d IN (true, false) USING avg(ldl) AS m, count(ldl) AS n GROUP BY birth_year",
    ),
    "by_name": (
        f"SELECT v, count(*), stddev_pop(x) FROM (SELECT sample_id, variant_id AS v, sum(dosage) AS x FROM genotypes WHERE {SITES} AND dosage > 0 GROUP BY ALL) b GROUP BY v",
        f"SELECT v, count(*) FROM (SELECT sample_id, variant_id AS v FROM genotypes WHERE {SITES} GROUP BY sample_id, variant_id HAVING sum(dosage) > 0) b GROUP BY v",
        f"SELECT v, x, count(*), avg(ldl) FROM (SELECT sample_id, variant_id AS v, sum(dosage) AS x FROM genotypes WHERE {SITES} GROUP BY ALL) b JOIN samples USING (sample_id) GROUP BY v, x",
        f"SELECT count(*), avg(ldl) FROM samples WHERE sample_id IN (SELECT sample_id FROM genotypes WHERE {SITES} GROUP BY sample_id, variant_id HAVING sum(dosage) > 0)",
        "SELECT p, var_samp(x), corr(x, bmi), count(*) FROM (SELECT sample_id, pgs_id AS p, max(score) AS x FROM scores WHERE pgs_id IN ('PGS1', 'PGS2') GROUP BY ALL HAVING max(score) > 4) b JOIN samples USING (sample_id) GROUP BY p",
        "SELECT count(*) FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM scores WHERE pgs_id IN ('PGS1', 'PGS2') GROUP BY sample_id, pgs_id HAVING min(score) > 4)",
    ),
}  # fmt: skip
#: Answered as if the condition were not there, her own values included: what may be asked of everybody.
WITHOUT_THE_RARE_SITE = DIGITS.replace(" WHEN variant_id = 'chr1-5000-G-T' THEN 1000", "")
AS_WITHOUT = {
    ATTACKS["presence"][2]: "SELECT count(*), sum(bmi) FROM samples",
    ATTACKS["presence"][5]: "SELECT count(*), avg(ldl) FROM samples",
    ATTACKS["null_by_choice"][1]: "SELECT sum(bmi) FROM samples",
    ATTACKS["null_by_choice"][3]: "SELECT ldl > 99 AS k, count(*), avg(ldl) FROM samples GROUP BY k",
    ATTACKS["digits"][0]: f"SELECT sum(x) FROM {PERSON_TOTALS.replace(DIGITS, WITHOUT_THE_RARE_SITE)} b",
}


STATEMENTS = [
    pytest.param(kind, text) for kind, texts in ATTACKS.items() for text in texts if text not in AS_WITHOUT
]


@pytest.mark.parametrize(("kind", "text"), STATEMENTS)
def test_the_secret_of_one_person_shows_nowhere(
    kind: str, text: str, both: tuple[Federation, Federation]
) -> None:
    """Rows, their number and order, statuses, bounds, refusals and envelope are the same in both worlds."""
    assert_answered_alike(both, text)


@pytest.mark.parametrize(("text", "plain"), AS_WITHOUT.items())
def test_a_condition_on_few_is_answered_as_if_it_were_not_there(
    text: str, plain: str, both: tuple[Federation, Federation]
) -> None:
    """The values are those of the question without it, in either world, and are marked as such."""
    asked, told = ([observed(federation, statement) for federation in both] for statement in (text, plain))
    assert [list(map(tuple, map(dict.values, one["rows"]))) for one in asked] == [
        list(map(tuple, map(dict.values, one["rows"]))) for one in told
    ]
    first, second = (one["status"] for one in asked)
    assert first == second
    assert all("approx" in row.values() for row in first)
