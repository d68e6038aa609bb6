"""Aggregates of labels: equal to the pooled ones, and marked where a label is withheld."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.cohort import shape_of
from tests.oracle.grammar import Query
from tests.properties.comparison import rows_of, same
from tests.properties.test_federated_equals_pooled import check_equal
from tests.properties.worlds import Worlds

# The commonest label is compared where there is one, by its number
TEXTS = (
    "SELECT sex, count(DISTINCT population) AS p, avg(bmi) AS m FROM samples GROUP BY sex",
    "SELECT country, count(DISTINCT cohort) AS c, entropy(population) AS e FROM samples GROUP BY country",
    "SELECT count(DISTINCT sex) AS s, count(DISTINCT country) FILTER (WHERE bmi > 25) AS c FROM samples",
    "SELECT cohort, entropy(t2d) AS e, count(*) AS n FROM samples WHERE ldl > 2 GROUP BY cohort "
    "HAVING count(DISTINCT sex) > 1",
    "SELECT country, count(DISTINCT sex) AS s, sum(count(*)) OVER w AS so_far FROM samples GROUP BY country "
    "WINDOW w AS (ORDER BY count(*) DESC, country)",
    "SELECT pgs_id, count(DISTINCT s.population) AS p FROM scores JOIN samples s USING (sample_id) "
    "GROUP BY pgs_id",
)  # fmt: skip
some = settings(max_examples=10, suppress_health_check=list(HealthCheck))


@some
@given(text=st.sampled_from(TEXTS), seed=st.integers(0, 3))
def test_labels_equal_pooled(worlds: Worlds, text: str, seed: int) -> None:
    """Without protection every aggregate is that of one database."""
    world = worlds.world(shape_of(seed, None))
    width = len(world.pooled.run(text)[0])
    query = Query(text, text, text, text, 0, False, False, False, (1.0,) * width)
    assert check_equal(world, query)


@some
@given(text=st.sampled_from(TEXTS[:3]), seed=st.integers(0, 3), k=st.integers(2, 6))
def test_what_read_a_withheld_label_is_marked(worlds: Worlds, text: str, seed: int, k: int) -> None:
    """Under protection, what is called ok is the pooled value."""
    world = worlds.world(shape_of(seed, k))
    keyed = "GROUP BY" in text
    pooled = {row[0] if keyed else None: row for row in world.pooled.run(text)[2]}
    answer = world.federation.sql(text)
    for row, status in zip(rows_of(answer.table), rows_of(answer.status), strict=True):
        for ours, word, theirs in zip(row, status, pooled[row[0] if keyed else None], strict=True):
            assert word != "ok" or same(ours, theirs, 100.0), (text, row, status)


def test_the_commonest_label_and_the_histogram(worlds: Worlds) -> None:
    """They are made of the numbers by label."""
    world = worlds.world(shape_of(1, None))
    counts = dict(world.pooled.run("SELECT sex, count(*) FROM samples WHERE sex IS NOT NULL GROUP BY sex")[2])
    answer = world.federation.sql("SELECT mode(sex) AS m, histogram(sex) AS h FROM samples")
    (row,) = answer.table.to_pylist()
    assert counts[row["m"]] == max(counts.values())
    assert dict(row["h"]) == counts
