"""Rows about persons beneath a release: presence, sub-aggregates and weights equal the pooled rows."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

from collections import Counter

import duckdb
import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from goe_lake import QueryRefused
from tests.oracle.by_person import ByPerson, by_person
from tests.oracle.cohort import Shape, shape_of, shapes
from tests.oracle.grammar import count_if_as_count
from tests.properties.comparison import differences, in_order, kind_of_arrow, kind_of_duckdb, rows_of
from tests.properties.test_nothing_small_leaves import calm, problems
from tests.properties.worlds import WatchedWorlds, Worlds, pool_size, protected_shapes

# a sub-aggregate costs a node as much as a release
some = settings(calm, max_examples=max(5, settings.default.max_examples // 6))
RARE = "variant_id = 'chr1-2000-G-T'"
WEIGHTS = "CASE variant_id WHEN 'chr1-1000-A-C' THEN 0.125 WHEN 'chr1-2000-G-T' THEN -1.5 WHEN 'chrX-5000000-C-T' THEN 3 END"
QUERIES = (
    # presence of a row
    "SELECT country, count(*) AS n FROM samples SEMI JOIN scores USING (sample_id) GROUP BY country",
    "SELECT count(*) AS n, avg(bmi) AS m FROM samples s ANTI JOIN scores c ON c.sample_id = s.sample_id AND c.score > 0",
    "SELECT sex, count(*) AS n FROM samples NATURAL ANTI JOIN scores GROUP BY sex",
    "SELECT count(*) AS n FROM samples s WHERE EXISTS (SELECT 1 FROM scores c WHERE c.sample_id = s.sample_id AND c.score > 0)",
    "SELECT sex, count(*) AS n FROM samples s WHERE NOT EXISTS (SELECT * FROM scores WHERE s.sample_id = scores.sample_id AND pgs_id = 'PGS1') GROUP BY sex",
    f"SELECT count(*) AS n, sum(visits) AS v FROM samples WHERE sample_id NOT IN (SELECT sample_id FROM genotypes WHERE {RARE} AND dosage > 0)",
    "SELECT count(*) FILTER (sample_id IN (SELECT sample_id FROM scores WHERE score < 0)) AS n, count(*) AS all_of_them FROM samples",
    "SELECT CASE WHEN sample_id IN (SELECT sample_id FROM genotypes WHERE dosage = 2) THEN 'hom' ELSE 'none' END AS k, count(*) AS n FROM samples GROUP BY k",
    "SELECT pgs_id, avg(score) AS m FROM scores WHERE sample_id IN (SELECT sample_id FROM samples WHERE t2d) GROUP BY pgs_id",
    "WITH w AS (SELECT * FROM samples WHERE sample_id IN (SELECT DISTINCT sample_id FROM scores)) SELECT sex, count(*) AS n FROM w GROUP BY sex",
    "SELECT count(*) AS n FROM samples WHERE sample_id IN (SELECT sample_id FROM scores GROUP BY sample_id HAVING count(*) > 1 OR min(score) < 0)",
    "SELECT count(*) AS n FROM samples WHERE sex = 'F' OR sample_id IN (SELECT sample_id FROM scores WHERE pgs_id = 'PGS2')",
    # outer joins
    "SELECT sex, count(*) AS n, count(c.score) AS scored, count(c.sample_id) AS present, avg(c.score) AS m FROM samples s LEFT JOIN scores c ON c.sample_id = s.sample_id AND c.pgs_id = 'PGS1' GROUP BY sex",
    "SELECT sex, count(*) AS n, avg(score) AS m FROM scores LEFT JOIN samples USING (sample_id) GROUP BY sex",
    "WITH w AS (SELECT sample_id, score * 2 AS twice FROM scores WHERE pgs_id = 'PGS2' AND score > 0) SELECT t2d, count(twice) AS n, sum(twice) AS s FROM w RIGHT JOIN samples USING (sample_id) GROUP BY t2d",
    "SELECT h.n IS NULL AS nothing, count(*) AS n, count(DISTINCT h.sample_id) AS p FROM samples s LEFT JOIN (SELECT sample_id, coalesce(sum(score), 0) AS n FROM scores WHERE score > 1 GROUP BY ALL) h USING (sample_id) GROUP BY 1",
    # sub-aggregates
    "WITH b AS (SELECT sample_id, sum(dosage) AS x FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) WHERE gene = 'ABC1' GROUP BY 1) SELECT least(x, 2) AS k, avg(ldl) AS m, count(*) AS n FROM b JOIN samples USING (sample_id) GROUP BY k",
    "SELECT sex, sum(b.burden) AS s, avg(b.burden) AS m, count(b.burden) AS n FROM (SELECT sample_id, sum(dosage) AS burden FROM genotypes WHERE contig = 'chr1' GROUP BY sample_id) AS b JOIN samples s USING (sample_id) GROUP BY sex",
    "SELECT het, count(*) AS n FROM (SELECT sample_id, count(*) FILTER (WHERE dosage = 1) AS het FROM genotypes GROUP BY sample_id) AS h GROUP BY het",
    "SELECT sex, avg(x) AS m FROM (SELECT sample_id, sum(CASE WHEN dosage = 2 THEN 1 ELSE 0 END) AS x FROM genotypes GROUP BY 1) AS b NATURAL JOIN samples GROUP BY sex",
    "WITH d AS (SELECT sample_id, max(CASE WHEN variant_id = 'chr1-1000-A-C' THEN dosage END) AS a, max(CASE WHEN variant_id = 'chr1-2000-G-T' THEN dosage ELSE 0 END) AS b FROM genotypes GROUP BY sample_id) SELECT a, b, count(*) AS n FROM d GROUP BY a, b",
    "SELECT count(*) AS n, avg(birth_year) AS y FROM samples JOIN (SELECT sample_id, avg(score) AS m, min(score) AS low, max(score) AS high FROM scores GROUP BY 1) AS c USING (sample_id) WHERE m > low AND high > 0",
    "SELECT k, sex, count(*) AS n FROM (SELECT s.sample_id, s.sex, count_if(g.dosage > 0) AS k FROM samples s JOIN genotypes g USING (sample_id) GROUP BY s.sample_id, s.sex) AS x GROUP BY k, sex",
    "SELECT a.k, count(*) AS n FROM (SELECT sample_id, count_if(dosage = 2) AS k FROM genotypes GROUP BY 1) a JOIN (SELECT sample_id, max(score) AS m FROM scores GROUP BY 1) c USING (sample_id) WHERE m > 0 GROUP BY a.k",
    "SELECT has, count(*) AS n FROM (SELECT sample_id, bool_or(dosage > 0) AS has, bool_and(called_alleles = 2) AS full_call FROM genotypes WHERE contig = 'chr1' GROUP BY 1) AS x WHERE full_call GROUP BY has",
    "SELECT pos, sum(dosage) AS ac, count(*) AS n FROM genotypes JOIN (SELECT sample_id, count(*) AS n FROM scores GROUP BY 1) AS c USING (sample_id) WHERE c.n > 1 GROUP BY pos",
    "WITH b AS (SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY 1), c AS (SELECT sample_id, x > 2 AS high FROM b) SELECT high, count(*) AS n, avg(bmi) AS m FROM c JOIN samples USING (sample_id) GROUP BY high",
    # weights
    f"WITH p AS (SELECT sample_id, sum(dosage * {WEIGHTS}) AS pgs FROM genotypes GROUP BY sample_id) SELECT t2d, avg(pgs) AS m, count(pgs) AS n FROM p JOIN samples USING (sample_id) GROUP BY t2d",
    f"SELECT pgs > 0.1 AS high, count(*) AS n FROM (SELECT sample_id, sum({WEIGHTS} * dosage) AS pgs FROM genotypes GROUP BY 1) AS p GROUP BY 1",
    "SELECT sex, sum(x) AS s FROM (SELECT sample_id, sum(CASE WHEN contig = 'chrX' THEN 0.5 * dosage WHEN contig = 'chr1' THEN dosage ELSE 0.25 * dosage END) AS x FROM genotypes GROUP BY 1) AS p JOIN samples USING (sample_id) GROUP BY sex",
    "SELECT sex, sum(h) AS m FROM (SELECT sample_id, sum(2 * score - 1) AS x, sum(score * 0.5) AS h FROM scores GROUP BY 1) AS p JOIN samples USING (sample_id) WHERE x > 0.005 GROUP BY sex",
    # lists of constants
    "SELECT v.label, count(*) AS n, avg(bmi) AS m FROM samples s JOIN (VALUES ('EE', 'north'), ('FI', 'far north'), ('XX', 'none')) AS v(country, label) ON s.country = v.country GROUP BY v.label",
    "SELECT v.x, count(*) AS n FROM samples LEFT JOIN (VALUES ('Alpha', 1.5), ('Beta', 2.25)) AS v(population, x) USING (population) GROUP BY v.x",
    "WITH w(contig, pos, ref, alt, weight) AS (VALUES ('chr1', 1000, 'A', 'C', 0.5), ('chr1', 2000, 'G', 'T', -0.25)), p AS (SELECT sample_id, sum(g.dosage * w.weight) AS pgs, count(*) AS sites FROM genotypes g JOIN w USING (contig, pos, ref, alt) GROUP BY sample_id) SELECT sex, sum(pgs) AS s, avg(sites) AS m FROM p JOIN samples USING (sample_id) GROUP BY sex",
    "SELECT v.name, count(*) AS n FROM samples s JOIN (VALUES (1930, 1949, 'older'), (1950, 1999, 'younger')) AS v(low, high, name) ON s.birth_year BETWEEN v.low AND v.high GROUP BY v.name",
    "SELECT d, count(s.sample_id) AS n, avg(bmi) AS m FROM range(1890, 2010, 10) t(d) LEFT JOIN samples s ON s.birth_year BETWEEN d AND d + 9 GROUP BY d",
    "SELECT v.gene, sum(dosage) AS ac FROM genotypes JOIN variants USING (contig, pos, ref, alt, variant_id) JOIN (VALUES ('ABC1'), ('XYZ')) AS v(gene) ON variants.gene = v.gene GROUP BY v.gene",
)  # fmt: skip


@pytest.mark.parametrize("text", QUERIES)
def test_query_equals_pooled(text: str, worlds: Worlds) -> None:
    """Names, types and rows are DuckDB's on the pooled rows, for persons spread over one to four nodes."""
    for seed in (1, 3):
        world = worlds.world(shape_of(seed, None))
        names, kinds, rows = world.pooled.run(text)
        answer = world.federation.sql(text)
        assert answer.table.column_names == names
        found = [kind_of_arrow(field.type) for field in answer.table.schema]
        assert found == [kind_of_duckdb(kind) for kind in kinds]
        assert not differences(
            sorted(rows_of(answer.table), key=repr), sorted(rows, key=repr), [1e3] * len(names)
        ), text
        assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}


def test_any_sub_aggregate_equals_pooled(worlds: Worlds) -> None:
    """Drawn at random: joined, outer joined, asked for presence, as key, as condition and as value."""
    asked: Counter[bool] = Counter()

    @some
    @given(shape=shapes(st.none(), pool_size()), queries=st.tuples(by_person(), by_person(), by_person()))
    def law(shape: Shape, queries: tuple[ByPerson, ...]) -> None:
        world = worlds.world(shape)
        for query in queries:
            note(query.text)
            try:
                names, _, rows = world.pooled.run(count_if_as_count(query.text))
            except duckdb.Error:
                continue
            try:
                answer = world.federation.sql(query.text)
            except QueryRefused as error:
                asked[False] += 1
                event(f"refused: {error}")
                continue
            asked[True] += 1
            ours = in_order(rows_of(answer.table), query.keys)
            found = differences(ours, in_order(rows, query.keys), [1e5] * len(names))
            assert not found, "\n".join([query.text, *found[:8]])

    law()
    assert asked[True] >= 0.8 * asked.total()


def test_nothing_small_leaves_a_node(worlds: Worlds) -> None:
    """Each number that leaves a node rests on enough persons, by itself and together with its neighbours."""
    watched = WatchedWorlds(worlds)
    numbers = 0

    @some
    @given(shape=protected_shapes(), queries=st.tuples(by_person(), by_person(), by_person()))
    def law(shape: Shape, queries: tuple[ByPerson, ...]) -> None:
        nonlocal numbers
        world, nodes = watched.world(shape)
        for query in queries:
            note(query.text)
            assert shape.k is not None
            found, values = problems(world, nodes, query.text, shape.k)
            numbers += values
            assert not found, "\n".join([f"k = {shape.k}: {query.text}", *found[:8]])

    law()
    assert numbers > 0
