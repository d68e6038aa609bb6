"""Attacks of one statement each: two worlds that differ in one person's secrets must look the same.

Classes that need several statements (differencing between answers, repeated questions, linear systems)
belong to the overlap audit and are not tried here.
"""

from __future__ import annotations

import pytest

from goe_lake.federation import Federation
from goe_lake.federation.workspace import Limits, Workspaces
from tests.attacks.worlds import observed

# The target is the only person born before 1940: `birth_year < 1910` is she alone, `ldl > 9` and
# `bmi > 60` are she alone in one world and nobody in the other.
REFUSED = {
    "row_export": (
        "SELECT bmi, t2d FROM samples WHERE birth_year = 1903",
        "FROM samples",
        "SELECT s.ldl FROM samples s JOIN genotypes g USING (sample_id) WHERE g.dosage > 0 AND g.pos = 5000",
        "SELECT DISTINCT bmi FROM samples",
        "SELECT CASE WHEN t2d THEN bmi END FROM samples ORDER BY birth_year LIMIT 1",
    ),
    "identity_aggregate": (
        "SELECT max(ldl) FROM samples",
        "SELECT first(bmi ORDER BY birth_year) FROM samples",
        "SELECT list(score) FROM scores",
        "SELECT string_agg(population, ',') FROM samples WHERE birth_year < 1910",
        "SELECT min_by(bmi, birth_year), mode(bmi), any_value(ldl) FROM samples",
        "SELECT histogram(ldl), bit_xor(birth_year), product(ldl) FROM samples",
    ),
    "singleton_group": (
        "SELECT sample_id, avg(bmi) FROM samples GROUP BY ALL",
        "SELECT upper(sample_id), count(*) FROM samples GROUP BY 1",
        "SELECT count(*) FROM samples GROUP BY rowid",
    ),
    "sample_id_filter": (
        "SELECT count(*) FROM samples WHERE sample_id = 'N0P00' AND t2d",
        "SELECT avg(bmi) FILTER (WHERE sample_id LIKE 'N0P00') FROM samples",
        "SELECT sum(CASE sample_id WHEN 'N0P00' THEN ldl ELSE 0 END) FROM samples",
        "SELECT count(*) FROM samples HAVING count_if(sample_id < 'N0P01') > 0",
        "SELECT count(*) FROM samples ORDER BY count_if(sample_id IN ('N0P00'))",
    ),
    "row_inflation": (
        "SELECT avg(bmi), count(*) FROM samples, range(20) WHERE birth_year = 1903",
        "SELECT count(*) FROM samples a JOIN samples b ON a.cohort = b.cohort WHERE a.birth_year = 1903",
        "SELECT count(*) FROM samples CROSS JOIN (VALUES (1), (2)) t(i)",
        "SELECT avg(s.bmi) FROM samples s JOIN genotypes g ON s.sample_id <> g.sample_id",
        "SELECT avg(bmi) FROM samples, unnest([1, 2, 3]) WHERE birth_year = 1903",
    ),
    "window_function": (
        "SELECT lag(bmi) OVER (ORDER BY birth_year) FROM samples",
        "SELECT count(*) FROM samples QUALIFY row_number() OVER (ORDER BY birth_year) = 1",
        "SELECT sex, rank() OVER w FROM samples WINDOW w AS (ORDER BY ldl DESC)",
    ),
    "subquery_lateral": (
        "SELECT avg(bmi) FROM samples WHERE birth_year = (SELECT min(birth_year) FROM samples)",
        "SELECT count(*) FROM (SELECT * FROM samples ORDER BY birth_year LIMIT 1)",
    ),
    "set_operation": (
        "SELECT bmi FROM samples UNION SELECT ldl FROM samples",
        "SELECT bmi FROM samples INTERSECT SELECT 61.37",
    ),
    "file_function": (
        "SELECT count(*) FROM read_csv('samples.tsv')",
        "SELECT count(*) FROM glob('*')",
        "FROM 'calls.vcf' SELECT count(*)",
        "SELECT count(*) FROM samples, read_text('node.toml')",
    ),
    "admin_statement": (
        "COPY samples TO 'out.csv'",
        "CREATE TABLE t AS SELECT * FROM samples",
        "PRAGMA version",
        "EXPLAIN ANALYZE SELECT count(*) FROM samples",
        "SELECT count(*) FROM samples; SELECT 1",
        "ATTACH 'x.db'",
    ),
    "catalog_leak": (
        "SELECT count(*) FROM information_schema.tables",
        "SELECT count(*) FROM duckdb_columns()",
        "SUMMARIZE samples",
        "SELECT stats(ldl) FROM samples",
        "DESCRIBE samples",
    ),
    "dynamic_sql": (
        "FROM query_table('samples')",
        "SELECT count(*) FROM query('SELECT * FROM samples')",
        "EXECUTE stolen",
        "SELECT getvariable('x'), count(*) FROM samples",
    ),
    "structural_bypass": (
        "SELECT max(COLUMNS('bmi')) FROM samples",
        "SELECT avg(COLUMNS(*)) FROM samples",
        "PIVOT samples ON sex USING max(bmi)",
        "UNPIVOT samples ON bmi, ldl INTO NAME n VALUE v",
    ),
    "sampling_random": (
        "SELECT avg(bmi) FROM samples TABLESAMPLE reservoir(3 ROWS)",
        "SELECT count(*) FROM samples WHERE random() < 0.5",
        "SELECT avg(ldl) FROM samples USING SAMPLE 1%",
        "SELECT count(*) FROM samples WHERE uuid() > 'a'",
    ),
    "resource_exhaustion": (
        "SELECT count(*) FROM genotypes, genotypes g2, scores",
        "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM samples WHERE repeat(cohort, 1000000000) = ''",
        "SELECT count(*) FROM samples WHERE " + "(" * 200 + "true" + ")" * 200,
    ),
    "parser_differential": (
        "SELECT v.bmi FROM samples AS v",
        "WITH genes AS (FROM samples) SELECT * FROM genes",
        'SELECT "count(*)" FROM samples',
        'SELECT count(*) FROM "samples" "variants" WHERE variants.sample_id = \'N0P00\'',
        "SELECT samples FROM samples",
    ),
    "identifier_structure": (
        "SELECT substring(sample_id, 1, 4), count(*) FROM samples GROUP BY 1",
        "SELECT count(*) FROM samples WHERE hash(sample_id) % 2 = 0",
        "SELECT length(sample_id), count(*) FROM samples GROUP BY ALL",
        "SELECT count(DISTINCT sample_id || bmi) FROM samples",
    ),
    "error_channel": (
        "SELECT count(error(bmi::VARCHAR)) FROM samples",
        "SELECT sum(make_date(birth_year, 13, 1)::INT) FROM samples",
        "SELECT avg(json_extract(population, '$.x')) FROM samples",
    ),
}
HIDDEN = {
    "subquery_lateral": (
        "SELECT count(*) FROM samples s, LATERAL (SELECT s.bmi) x",
        "WITH one AS (SELECT * FROM samples WHERE birth_year = 1903) SELECT count(*), avg(ldl) FROM one",
        "SELECT coalesce((SELECT count(*) FROM samples WHERE ldl > 9), 0) AS n",
        "SELECT country, count(*) FROM samples GROUP BY country HAVING EXISTS (SELECT 1 FROM (SELECT "
        "ldl > 9 AS high, count(*) AS n FROM samples GROUP BY 1) AS x WHERE high)",
        "SELECT count(*) FROM (SELECT birth_year, count(*) AS n FROM samples GROUP BY 1) AS x "
        "WHERE birth_year < 1910",
        "SELECT sum(n) FROM (SELECT sex, t2d, count(*) AS n FROM samples WHERE ldl > 9 GROUP BY ALL) AS x",
    ),
    "set_operation": (
        "SELECT count(*) FROM samples EXCEPT SELECT count(*) FROM samples WHERE t2d",
        "SELECT count(*) FROM samples WHERE ldl > 9 UNION SELECT 0",
    ),
    "window_function": (
        "SELECT country, rank() OVER (ORDER BY count_if(ldl > 9) DESC) AS r FROM samples GROUP BY country",
        "SELECT birth_year, sum(count(*)) OVER () - sum(count(*)) OVER (PARTITION BY birth_year) "
        "FROM samples WHERE birth_year < 1945 GROUP BY birth_year",
    ),
    "singleton_group": (
        "SELECT ldl, count(*), avg(bmi) FROM samples GROUP BY ldl HAVING ldl > 8",
        "SELECT birth_year, t2d, count(*) FROM samples WHERE birth_year < 1910 GROUP BY ALL",
        "SELECT floor(bmi), count(*) FROM samples WHERE bmi > 50 GROUP BY 1",
    ),
    "small_cell": (
        "SELECT t2d, count(*) FROM samples WHERE birth_year < 1930 GROUP BY t2d",
        "SELECT avg(ldl), count(*), sum(bmi) FROM samples WHERE ldl > 9",
        "SELECT sum(dosage), count(*) FROM genotypes WHERE pos = 5000",
        "SELECT avg(score) FROM scores JOIN samples USING (sample_id) WHERE birth_year = 1903",
    ),
    "filter_case_isolation": (
        "SELECT count(*), avg(bmi) FILTER (WHERE birth_year = 1903) FROM samples",
        "SELECT sum(CASE WHEN birth_year < 1910 THEN ldl ELSE 0 END) FROM samples",
        "SELECT avg((birth_year = 1903 AND t2d)::INT), count(*) FROM samples",
        "SELECT count(CASE WHEN ldl > 9 THEN 1 END) FROM samples",
        "SELECT count(nullif(ldl > 9, false)), count(*) FROM samples",
        "SELECT sum(if(birth_year = 1903, bmi, NULL)) FROM samples",
    ),
    "differencing": (
        "SELECT count(*) - count(*) FILTER (WHERE birth_year <> 1903 OR NOT t2d) FROM samples",
        "SELECT count(*), count(*) FILTER (WHERE ldl <= 9) FROM samples",
        "SELECT count_if(bmi < 60), count(bmi) FROM samples",
        "SELECT count(*) FILTER (WHERE cohort = 'C1'), count_if(cohort = 'C1' AND NOT (ldl > 9)) FROM "
        "samples",
    ),
    "tracker": (
        "SELECT count_if(sex = 'M' OR ldl > 9), count_if(sex <> 'M' OR ldl > 9), count(*) FROM samples",
        "SELECT count_if(cohort = 'C1' OR bmi > 60) + count_if(cohort = 'C2' OR bmi > 60) - count(*) "
        "FROM samples",
        "SELECT count(*) FILTER (WHERE population = 'Alpha' AND bmi < 60), count(*) FILTER (WHERE "
        "population = 'Alpha') FROM samples",
    ),
    "value_packing": (
        "SELECT sum(CASE WHEN birth_year = 1903 THEN bmi * 1000000 ELSE ldl END) FROM samples",
        "SELECT sum(CASE WHEN ldl > 9 THEN 1000 ELSE 1 END) FROM samples",
        "SELECT sum((birth_year = 1903)::INT * 4096 + t2d::INT) FROM samples",
        "SELECT avg(pow(ldl, 60)) FROM samples",
    ),
    "oracle_having_order_limit": (
        "SELECT count(*) FROM samples HAVING count_if(ldl > 9) > 0",
        "SELECT cohort, count(*) FROM samples GROUP BY cohort ORDER BY count_if(bmi > 60) DESC, cohort "
        "LIMIT 1",
        "SELECT country, count(*) FROM samples GROUP BY country HAVING sum(CASE WHEN birth_year = 1903 "
        "THEN bmi ELSE 0 END) > 30",
        "SELECT CASE WHEN count_if(birth_year = 1903 AND t2d) > 0 THEN 'yes' ELSE 'no' END FROM samples",
        "SELECT sex FROM samples GROUP BY sex ORDER BY avg(bmi) FILTER (WHERE ldl > 9) NULLS FIRST, sex",
        "SELECT coalesce(sum(bmi) FILTER (WHERE bmi > 60), 0) > 0 AS there FROM samples",
    ),
    "error_channel": (
        "SELECT count_if((CASE WHEN ldl > 9 THEN population END)::INT = 1) FROM samples",
        "SELECT count(*) FROM samples WHERE CASE WHEN t2d AND birth_year = 1903 THEN population::INT > "
        "0 ELSE true END",
        "SELECT count(1 // CASE WHEN ldl > 9 THEN 0 ELSE 1 END) FROM samples",
        "SELECT count(birth_year::TINYINT) FROM samples WHERE ldl > 9",
    ),
    "threshold_evasion": (
        "SELECT birth_year, avg(ldl) FROM samples WHERE birth_year < 1910 GROUP BY 1 HAVING count(*) >= 1",
        "SELECT count(*) >= 1 FROM samples WHERE ldl > 9",
        "SELECT round(avg(bmi)) FROM samples WHERE bmi > 60",
        "SELECT sum(g.dosage) FROM genotypes g JOIN samples s USING (sample_id) WHERE s.birth_year = 1903",
        "SELECT avg(bmi) FROM samples JOIN genotypes USING (sample_id) WHERE birth_year = 1903",
    ),
    "complementary_disclosure": (
        "SELECT birth_year < 1910 AS old, count(*) FROM samples GROUP BY old",
        "SELECT ldl > 9 AS high, country, count(*) FROM samples GROUP BY ALL",
        "SELECT CASE WHEN bmi > 60 THEN 'x' WHEN sex = 'M' THEN 'm' ELSE 'f' END AS c, count(*) FROM "
        "samples GROUP BY c",
        "SELECT count(*) FROM samples GROUP BY CUBE (birth_year, bmi)",
    ),
    "null_group": (
        "SELECT nullif(ldl > 9, true) IS NULL AS n, count(*) FROM samples GROUP BY n",
        "SELECT nullif(birth_year, 1903) IS NULL AS n, count(bmi) FROM samples GROUP BY n",
        "SELECT CASE WHEN ldl <= 9 THEN 1 END AS n, count(*) FROM samples GROUP BY n",
        "SELECT count(*) FROM samples WHERE nullif(ldl > 9, true) IS NOT NULL",
    ),
    "membership_inference": (
        "SELECT count(*) > 0 FROM genotypes WHERE contig = 'chr1' AND pos = 5000 AND dosage > 0",
        "SELECT pos, count(*) FROM genotypes WHERE contig = 'chr1' GROUP BY pos ORDER BY pos DESC LIMIT 1",
        "SELECT variant_id, count(DISTINCT sample_id) FROM genotypes WHERE ref = 'G' GROUP BY 1",
        "SELECT count(DISTINCT sample_id) FROM genotypes JOIN variants USING (contig, pos, ref, alt) "
        "WHERE variants.pos = 5000",
        "SELECT count(*), count(DISTINCT sample_id) FROM genotypes WHERE contig = 'chr1'",
        "SELECT sum(called_alleles), avg(dosage) FROM genotypes WHERE contig = 'chr1'",
        "SELECT contig, count(*) FROM genotypes GROUP BY contig",
        "SELECT count(*) FILTER (pos < 4000), count(dosage) FROM genotypes WHERE pos BETWEEN 900 AND 5500",
        "SELECT count(*) FROM genotypes JOIN scores USING (sample_id) WHERE contig = 'chr1'",
        "SELECT sex, called_alleles, count(*) FROM genotypes JOIN samples USING (sample_id) WHERE "
        "ref IN ('A', 'G') GROUP BY ALL",
    ),
    "genotype_classes": (
        "SELECT count_if(dosage = 2) FROM genotypes JOIN samples USING (sample_id) WHERE pos = 6000000 "
        "AND birth_year = 1903",
        "SELECT dosage, count(*) FROM genotypes JOIN samples USING (sample_id) WHERE pos = 6000000 AND "
        "birth_year < 1910 GROUP BY 1",
        "SELECT sum(dosage * 1000) FILTER (WHERE pos = 5000) FROM genotypes",
    ),
    "federation_specific": (
        "SELECT country, count_if(ldl > 9) FROM samples GROUP BY country",
        "SELECT count(*) FROM samples WHERE country <> 'FI' AND country <> 'LV' AND birth_year < 1910",
        "SELECT country, avg(bmi) FILTER (WHERE birth_year < 1910) FROM samples GROUP BY country ORDER BY 2",
    ),
}
CASES = [
    *((name, text, True) for name, texts in REFUSED.items() for text in texts),
    *((name, text, False) for name, texts in HIDDEN.items() for text in texts),
]


@pytest.mark.parametrize(
    ("name", "text", "must_refuse"), [pytest.param(*case, id=f"{case[0]}-{case[1][:50]}") for case in CASES]
)
def test_the_secret_of_one_person_shows_nowhere(
    name: str,
    text: str,
    must_refuse: bool,
    both: tuple[Federation, Federation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows, their number and order, statuses, bounds, refusals and envelope are the same in both worlds."""
    if name == "resource_exhaustion":
        for federation in both:
            monkeypatch.setattr(federation, "workspaces", Workspaces(Limits(seconds=2)))
    first, second = (observed(federation, text) for federation in both)
    assert first == second
    assert "failed" not in first, "whether a query fails must not be left to the engine"
    assert not must_refuse or "refused" in first


def test_the_worlds_differ(both: tuple[Federation, Federation]) -> None:
    """The secret is in the data: a mean over everybody shows the difference, as it may."""
    first, second = (observed(federation, "SELECT avg(bmi) FROM samples") for federation in both)
    assert first != second


def test_every_class_has_three_mechanisms() -> None:
    """No class of attacks is held by one example."""
    names = [name for name, _, _ in CASES]
    assert min(names.count(name) for name in names) >= 3
