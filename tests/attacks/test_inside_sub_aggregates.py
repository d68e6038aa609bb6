"""Conditions hidden inside per-person sub-aggregates: whether they concern nobody or one person shows nowhere.

Two worlds differ in the secrets of one person, the only one born before 1940. What is counted and summed
here is no secret (birth years, sex, cohorts), so that answers must be the same.
"""

# ruff: noqa: E501 - a statement stands on one line

from __future__ import annotations

import pytest

from goe_lake.engine import sub_aggregate_effects
from goe_lake.federation import Federation
from tests.attacks.worlds import assert_answered_alike, observed

HERS = "birth_year = 1903 AND t2d"
RARE = "variant_id = 'chr1-5000-G-T'"
LEFT = "samples s LEFT JOIN"
ATTACKS = {
    "beside the same outside": (
        f"SELECT count_if(sample_id IN (SELECT sample_id FROM samples WHERE sex = 'M' OR ({HERS}))), count_if(sex = 'M') FROM samples",
        f"SELECT count_if(sample_id IN (SELECT sample_id FROM samples WHERE cohort = 'C1' AND NOT ({HERS}))), count_if(cohort = 'C1') FROM samples",
        f"SELECT cohort, count_if(sample_id IN (SELECT sample_id FROM samples WHERE sex = 'M' OR ({HERS}))), count_if(sex = 'M') FROM samples GROUP BY cohort",
        f"SELECT count(b.sample_id), count_if(sex = 'M') FROM {LEFT} (SELECT sample_id FROM samples WHERE sex = 'M' OR ldl > 9 GROUP BY 1) b USING (sample_id)",
        "SELECT count_if(sample_id IN (SELECT sample_id FROM scores WHERE score BETWEEN 0.2 AND 1 OR score > 4)), count_if(sample_id IN (SELECT sample_id FROM scores WHERE score BETWEEN 0.2 AND 1)) FROM samples",
        f"SELECT count(*), sum(birth_year) FROM samples s WHERE EXISTS (SELECT 1 FROM samples c WHERE c.sample_id = s.sample_id AND NOT ({HERS.replace('birth', 'c.birth')}))",
    ),
    "filter": (
        "SELECT count_if(x = 1), count_if(sex = 'M') FROM samples JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT sum(x), count_if(sex = 'M') FROM samples JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT sum(x), sum(birth_year) FROM samples JOIN (SELECT sample_id, max(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT sum(x), avg(x), count(x) FROM (SELECT sample_id, max(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b",
        "SELECT sum(x), count(x), count(*) FROM (SELECT sample_id, sum(birth_year) FILTER (NOT t2d OR birth_year > 1903) AS x FROM samples GROUP BY 1) b",
        "SELECT sex, sum(x), count(x) FROM samples JOIN (SELECT sample_id, min(CASE WHEN ldl <= 9 THEN birth_year END) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY sex",
    ),
    "having": (
        "SELECT sex, count(*) FROM samples JOIN (SELECT sample_id FROM scores GROUP BY 1 HAVING count_if(score > 4) = 0) c USING (sample_id) GROUP BY sex",
        "SELECT count(*), count_if(sex = 'M') FROM samples JOIN (SELECT sample_id FROM samples GROUP BY 1 HAVING NOT bool_or(ldl > 9)) c USING (sample_id)",
        f"SELECT count(*), sum(birth_year) FROM samples SEMI JOIN (SELECT sample_id FROM genotypes WHERE {RARE} OR contig = 'chrX' GROUP BY 1 HAVING count_if(dosage > 0 AND {RARE}) = 0) c USING (sample_id)",
    ),
    "whether there is a row": (
        "SELECT count(*) FILTER (x IS NOT NULL), count(*) FROM samples s LEFT JOIN (SELECT sample_id, max(score) AS x FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id)",
        f"SELECT count(DISTINCT s.sample_id), count(DISTINCT b.sample_id) FROM {LEFT} (SELECT sample_id FROM samples WHERE ldl <= 9 GROUP BY 1) b USING (sample_id)",
        f"SELECT x IS NULL AS k, count(*), sum(s.birth_year) FROM {LEFT} (SELECT sample_id, min(score) AS x FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id) GROUP BY k",
        f"SELECT count(*), sum(s.birth_year) FROM {LEFT} (SELECT sample_id, max(score) AS x FROM scores WHERE score > 4 GROUP BY 1) b USING (sample_id) WHERE x IS NULL",
        f"SELECT coalesce(x, 0) AS k, count(*) FROM {LEFT} (SELECT sample_id, count(*) AS x FROM samples WHERE ldl <= 9 GROUP BY 1) b USING (sample_id) GROUP BY k",
        f"SELECT CASE WHEN x IS NULL THEN 'none' ELSE sex END AS k, count(*) FROM {LEFT} (SELECT sample_id, count(*) AS x FROM samples WHERE ldl <= 9 GROUP BY 1) b USING (sample_id) GROUP BY k",
        f"SELECT sum(CASE WHEN x IS NULL THEN birth_year ELSE 0 END), sum(birth_year) FROM {LEFT} (SELECT sample_id, count(*) AS x FROM scores WHERE score > 4 GROUP BY 1) b USING (sample_id)",
        f"SELECT sex, count(*), sum(s.birth_year) FROM {LEFT} (SELECT sample_id FROM samples WHERE ldl > 9) b USING (sample_id) WHERE b.sample_id IS NULL GROUP BY sex",
        f"SELECT CASE WHEN b.sample_id IS NOT NULL THEN sex ELSE 'none' END AS k, count(*), sum(s.birth_year) FROM {LEFT} (SELECT sample_id FROM samples WHERE ldl <= 9) b USING (sample_id) GROUP BY k",
        f"SELECT count_if(b.sample_id IS NULL), sum(CASE WHEN b.sample_id IS NULL THEN birth_year END) FROM {LEFT} (SELECT DISTINCT sample_id FROM scores WHERE score > 4) b USING (sample_id)",
        f"SELECT sex, count(*) FROM {LEFT} (SELECT sample_id FROM genotypes WHERE {RARE} AND dosage > 0) b USING (sample_id) WHERE b.sample_id IS NULL OR cohort = 'C1' GROUP BY sex",
        f"SELECT sex, count(*), sum(birth_year) FROM samples s WHERE NOT EXISTS (SELECT 1 FROM genotypes g WHERE g.sample_id = s.sample_id AND g.{RARE} AND g.dosage > 0) GROUP BY sex",
    ),
    "key": (
        "SELECT x, count(*) FROM (SELECT sample_id, count(*) FILTER (ldl > 9) AS x FROM samples GROUP BY 1) b GROUP BY x",
        "SELECT x, sex, count(*), sum(birth_year) FROM samples JOIN (SELECT sample_id, count(*) FILTER (ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY x, sex",
        f"SELECT x, count(*) FROM (SELECT sample_id, max(sex) FILTER (NOT ({HERS})) AS x FROM samples GROUP BY 1) b GROUP BY x",
        "SELECT x, count(*), sum(birth_year) FROM samples JOIN (SELECT sample_id, max(cohort) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY x",
        "SELECT x, count(*) FROM (SELECT sample_id, bool_or(score > 4) AS x FROM scores GROUP BY 1) b GROUP BY x",
        f"SELECT x, count(*) FROM (SELECT sample_id, bool_or(dosage > 0) AS x FROM genotypes WHERE {RARE} GROUP BY 1) b GROUP BY x",
    ),
    "several columns": (
        "SELECT a * 10 + b AS k, count(*) FROM (SELECT sample_id, count(*) FILTER (sex = 'M') AS a, count(*) FILTER (ldl > 9) AS b FROM samples GROUP BY 1) x GROUP BY k",
        "SELECT count_if(a * 10 + b IN (0, 1)), count_if(a = 0) FROM (SELECT sample_id, count(*) FILTER (sex = 'M') AS a, count(*) FILTER (ldl > 9) AS b FROM samples GROUP BY 1) x",
        "SELECT count_if(a + b = 1), count_if(a = 1) FROM (SELECT sample_id, count(*) FILTER (sex = 'M') AS a, count(*) FILTER (ldl > 9 AND sex <> 'M') AS b FROM samples GROUP BY 1) x",
        "SELECT a.x = b.x AS k, count(*) FROM (SELECT sample_id, count(*) AS x FROM samples GROUP BY 1) a JOIN (SELECT sample_id, count(*) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY k",
        "SELECT sum(a.x), sum(b.x) FROM (SELECT sample_id, max(birth_year) AS x FROM samples GROUP BY 1) a JOIN (SELECT sample_id, max(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        f"SELECT a + 10 * b AS k, count(*) FROM (SELECT sample_id, count(*) FILTER (sex = 'M') AS a FROM samples GROUP BY 1) p JOIN (SELECT sample_id, count_if(dosage > 0) AS b FROM genotypes WHERE {RARE} OR contig = 'chrX' AND dosage > 9 GROUP BY 1) q USING (sample_id) GROUP BY k",
    ),
    "the person twice": (
        "SELECT count(*), sum(a.birth_year) FROM samples a JOIN (SELECT sample_id FROM samples WHERE ldl <= 9) b USING (sample_id)",
        f"SELECT a.sex, count(*) FROM samples a JOIN samples b ON a.sample_id = b.sample_id AND NOT ({HERS.replace('birth', 'b.birth').replace('t2d', 'b.t2d')}) GROUP BY a.sex",
        "SELECT b.odd, count(*), sum(a.birth_year) FROM samples a, (SELECT sample_id, ldl > 9 AS odd FROM samples) b WHERE a.sample_id = b.sample_id GROUP BY b.odd",
    ),
    "labels that are listed": (
        "SELECT string_agg(DISTINCT sex, ',' ORDER BY sex) FILTER (WHERE ldl > 9), count(*) FROM samples",
        "SELECT cohort, list(DISTINCT sex ORDER BY sex) FROM samples WHERE ldl > 9 OR sex = 'M' GROUP BY cohort",
        f"SELECT array_agg(DISTINCT population ORDER BY population) FROM samples WHERE {HERS}",
    ),
    "margins": (
        "SELECT sex, count(*), count_if(sample_id IN (SELECT sample_id FROM samples WHERE cohort = 'C1' OR (birth_year = 1903 AND t2d))), count_if(cohort = 'C1') FROM samples GROUP BY ROLLUP (sex)",
        "SELECT x, sex, count(*) FROM samples JOIN (SELECT sample_id, count(*) FILTER (ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY CUBE (x, sex)",
        "SELECT sex, cohort, sum(x), count(x) FROM samples JOIN (SELECT sample_id, max(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY GROUPING SETS ((sex), (cohort))",
    ),
    "beside scores and genotypes": (
        "SELECT pgs_id, count(*), count_if(b.x = 1) FROM scores JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY pgs_id",
        "SELECT count_if(b.x = 1), count_if(sex = 'M') FROM scores JOIN samples USING (sample_id) JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT count_if(b.x = 1), count_if(sex = 'M') FROM genotypes JOIN samples USING (sample_id) JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id) WHERE variant_id = 'chr1-1000-A-C'",
        "SELECT b.x, count(*), sum(dosage) FROM genotypes JOIN (SELECT sample_id, count(*) FILTER (ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id) WHERE variant_id = 'chr1-1000-A-C' GROUP BY x",
        "SELECT count(*), sum(dosage) FROM genotypes SEMI JOIN (SELECT sample_id FROM samples WHERE ldl <= 9) b USING (sample_id) WHERE variant_id = 'chr1-1000-A-C'",
        "SELECT variant_id, count(*) FROM genotypes SEMI JOIN (SELECT sample_id FROM samples WHERE cohort = 'C1' OR ldl > 9) b USING (sample_id) WHERE contig = 'chr1' GROUP BY variant_id",
    ),
    "products": (
        "SELECT corr(x, birth_year), avg(x) FROM samples JOIN (SELECT sample_id, max(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT sum(x * birth_year), sum(birth_year * birth_year) FROM samples JOIN (SELECT sample_id, max(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT var_pop(x) FROM (SELECT sample_id, max(birth_year) FILTER (NOT t2d OR birth_year > 1903) AS x FROM samples GROUP BY 1) b",
        "SELECT regr_slope(birth_year, x), regr_count(birth_year, x) FROM samples JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT sum(x - y), sum(x), count_if(x <> y) FROM (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x, count(*) FILTER (sex = 'M') AS y FROM samples GROUP BY 1) b",
    ),
    "several together": (
        "SELECT count_if(x = 1), count_if(sex = 'M'), count_if(cohort = 'C1'), count_if(x = 1 AND cohort = 'C1'), count_if(sex = 'M' AND cohort = 'C1') FROM samples JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT count_if(x = 1 AND y = 0), count_if(y = 1), count(*) FROM (SELECT sample_id, count(*) FILTER (sex = 'M' OR ldl > 9) AS x, count(*) FILTER (cohort = 'C1') AS y FROM samples GROUP BY 1) b",
        "SELECT sex, count(*), sum(birth_year) FROM samples SEMI JOIN (SELECT sample_id FROM samples WHERE ldl <= 9) a USING (sample_id) ANTI JOIN (SELECT sample_id FROM scores WHERE score > 4) b USING (sample_id) GROUP BY sex",
        "SELECT count(*), sum(birth_year) FROM samples WHERE sample_id IN (SELECT sample_id FROM samples WHERE ldl > 9) OR sex = 'M'",
        "SELECT count(*), count_if(sex = 'M') FROM samples WHERE (sample_id IN (SELECT sample_id FROM samples WHERE ldl > 9)) = (sex = 'M')",
        "SELECT count(*) FROM samples WHERE CASE WHEN sample_id IN (SELECT sample_id FROM samples WHERE ldl > 9) THEN false ELSE sex = 'M' END",
    ),
    "hidden in a value": (
        "SELECT count_if(x > 1949), count_if(birth_year > 1949) FROM samples JOIN (SELECT sample_id, sum(CASE WHEN ldl > 9 THEN 3000 ELSE birth_year END) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT count_if(least(x, y) < 1), count_if(y < 1) FROM (SELECT sample_id, count(*) FILTER (ldl <= 9) AS x, count(*) FILTER (sex = 'M') AS y FROM samples GROUP BY 1) b",
        "SELECT round(x / 10) AS k, count(*) FROM (SELECT sample_id, count(*) + count(*) FILTER (ldl > 9) * 100 AS x FROM samples GROUP BY 1) b GROUP BY k",
        "SELECT country, count(*) - count(x) FROM samples LEFT JOIN (SELECT sample_id, max(score) AS x FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id) GROUP BY country ORDER BY 1",
        "SELECT x IS NOT DISTINCT FROM NULL AS k, count(*) FROM samples LEFT JOIN (SELECT sample_id, max(score) AS x FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id) GROUP BY k",
        "SELECT count(*) FROM samples LEFT JOIN (SELECT sample_id, max(score) AS x FROM scores WHERE score < 4 GROUP BY 1) b USING (sample_id) WHERE nullif(x IS NULL, true) IS NOT NULL",
    ),
    "sites that are not listed": (
        "SELECT x, count(*) FROM (SELECT sample_id, count_if(dosage > 0) AS x FROM genotypes WHERE contig = 'chr1' GROUP BY 1) b GROUP BY x",
        "SELECT x, count(*) FROM (SELECT sample_id, count(*) AS x FROM genotypes WHERE contig = 'chr1' GROUP BY 1) b GROUP BY x",
        "SELECT count(*), sum(x) FROM (SELECT sample_id, count(*) AS x FROM genotypes WHERE contig = 'chr1' GROUP BY 1) b",
        "SELECT sex, count(*) FROM genotypes JOIN samples USING (sample_id) WHERE contig = 'chr1' GROUP BY ROLLUP (sex)",
        "SELECT sex, cohort, count(*) FROM genotypes JOIN samples USING (sample_id) WHERE contig = 'chr1' GROUP BY CUBE (sex, cohort)",
        "SELECT count_if(dosage > 0), count(*) FROM genotypes WHERE contig = 'chr1'",
        "SELECT a.dosage, b.dosage, count(*) FROM genotypes a JOIN genotypes b USING (sample_id) WHERE a.variant_id = 'chr1-1000-A-C' AND b.variant_id = 'chr1-5000-G-T' GROUP BY ALL",
        "SELECT count_if(x IN (1, 2)), count_if(y IN (1, 2)) FROM (SELECT sample_id, sum(dosage * CASE WHEN variant_id = 'chr1-1000-A-C' THEN 1 WHEN variant_id = 'chr1-5000-G-T' THEN 1000 END) AS x, sum(dosage) FILTER (variant_id = 'chr1-1000-A-C') AS y FROM genotypes GROUP BY 1) b",
    ),
    "ratios": (
        "SELECT count(x / y), avg(birth_year) FROM samples JOIN (SELECT sample_id, sum(birth_year) FILTER (ldl <= 9) AS x, count(*) AS y FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT avg(x / y), sum(birth_year) FROM samples JOIN (SELECT sample_id, sum(birth_year) FILTER (ldl <= 9) AS x, count(*) AS y FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT median(x / y) FROM (SELECT sample_id, sum(birth_year) AS x, count(*) FILTER (ldl <= 9) AS y FROM samples GROUP BY 1) b",
        "SELECT sex, sum(x / y), count(*) FROM samples JOIN (SELECT sample_id, sum(birth_year) AS x, count(*) FILTER (sex = 'M' OR ldl > 9) AS y FROM samples GROUP BY 1) b USING (sample_id) GROUP BY sex",
        f"SELECT sum((x - y) / z) FROM (SELECT sample_id, sum(birth_year) AS x, sum(birth_year) FILTER (NOT ({HERS})) AS y, count(*) AS z FROM samples GROUP BY 1) b",
        "WITH b AS (SELECT sample_id, sum(birth_year) AS x, count(*) FILTER (ldl <= 9) AS y FROM samples GROUP BY 1) SELECT floor(x / nullif(y, 0) / 10) AS k, count(*) FROM b GROUP BY k",
    ),
    "quantiles": (
        "SELECT median(x), quantile_disc(x, 0.1) FROM (SELECT sample_id, sum(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1) b",
        "SELECT sex, median(x), count(*) FROM samples JOIN (SELECT sample_id, max(birth_year) FILTER (NOT t2d OR birth_year > 1903) AS x FROM samples GROUP BY 1) b USING (sample_id) GROUP BY sex",
        f"SELECT median(birth_year), median(x) FROM samples JOIN (SELECT sample_id, count(*) FILTER (sex = 'M' OR ({HERS})) AS x FROM samples GROUP BY 1) b USING (sample_id)",
        "SELECT cohort, quantile_cont(x, [0.05, 0.95]) FROM samples LEFT JOIN (SELECT sample_id, max(birth_year) AS x FROM samples WHERE ldl <= 9 GROUP BY 1) b USING (sample_id) GROUP BY cohort",
        f"SELECT quantile_cont(x, 0.99) FROM (SELECT sample_id, sum(dosage * CASE WHEN {RARE} THEN 100 ELSE 0 END) AS x FROM genotypes WHERE contig = 'chr1' GROUP BY 1) b",
        "WITH b AS (SELECT sample_id, sum(birth_year) FILTER (ldl <= 9) AS x FROM samples GROUP BY 1), q AS (SELECT sample_id, ntile(3) OVER (ORDER BY x) AS k FROM b) SELECT k, count(*), sum(birth_year) FROM q JOIN samples USING (sample_id) GROUP BY k",
    ),
}  # fmt: skip
#: Kinds that the others hold as well, in other words.
FURTHER = ("products", "several together", "hidden in a value")
STATEMENTS = [
    pytest.param(kind, text, marks=[pytest.mark.nightly] if kind in FURTHER else [])
    for kind, texts in ATTACKS.items()
    for text in texts
]


@pytest.mark.parametrize(("kind", "text"), STATEMENTS)
def test_the_secret_of_one_person_shows_nowhere(
    kind: str, text: str, both: tuple[Federation, Federation]
) -> None:
    """Rows, their number and order, statuses, bounds and envelope are the same in both worlds."""
    assert_answered_alike(both, text)


@pytest.mark.nightly
def test_without_the_rule_most_of_them_tell(
    both: tuple[Federation, Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attacks are such: at least one of each kind succeeds where nothing inside is left out."""

    def asked_as_it_is(asked: sub_aggregate_effects.Reading, _: int) -> list[sub_aggregate_effects.Variant]:
        marks = (False,) * len(asked.release.measures)
        return [sub_aggregate_effects.Variant(asked.release, None, marks)]

    monkeypatch.setattr("goe_lake.engine.node.variants", asked_as_it_is)
    for kind in ("filter", "whether there is a row", "key", "several columns", "sites that are not listed"):
        apart = [one for one in ATTACKS[kind] if observed(both[0], one) != observed(both[1], one)]
        assert apart, kind
