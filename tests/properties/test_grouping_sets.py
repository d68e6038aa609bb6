"""Law 1 over margins: ROLLUP, CUBE and GROUPING SETS over persons equal the same on the pooled rows."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.cohort import shape_of
from tests.oracle.grammar import Query
from tests.properties.test_federated_equals_pooled import check_equal
from tests.properties.worlds import Worlds

TEXTS = (
    "SELECT country, sex, count(*) AS n, avg(bmi) AS m FROM samples GROUP BY ROLLUP (country, sex)",
    "SELECT sex, t2d, grouping(sex, t2d) AS level, stddev(ldl) AS s, count(ldl) AS n FROM samples "
    "GROUP BY CUBE (sex, t2d) HAVING count(*) > 2",
    "SELECT floor(bmi / 5) AS b, cohort, grouping_id(cohort) AS g, corr(bmi, ldl) AS r FROM samples s "
    "GROUP BY GROUPING SETS ((b, cohort), (cohort), (b), ())",
    "SELECT country, pgs_id, sum(score) AS s FROM scores JOIN samples USING (sample_id) "
    "GROUP BY country, ROLLUP (pgs_id)",
    "SELECT population, dosage, count(*) AS n FROM genotypes JOIN samples USING (sample_id) "
    "GROUP BY CUBE (population, dosage)",
    "SELECT sex, t2d, count(*) AS n FROM (SELECT sex, t2d, bmi FROM samples WHERE bmi > 22) "
    "GROUP BY ROLLUP (sex, t2d)",
    "SELECT consent IS NULL AS unknown, consent, coalesce(consent, '?') AS told, count(*) AS n FROM samples "
    "GROUP BY unknown, CUBE (consent, told)",
    "SELECT sex, bmi > (SELECT avg(bmi) FROM samples) AS high, count(*) AS n, sum(visits) AS v FROM samples "
    "WHERE cohort IN (SELECT cohort FROM samples GROUP BY cohort) GROUP BY CUBE (sex, high)",
    "SELECT s.sex, s.cohort, count(*) AS n, count(DISTINCT s.cohort) AS c, entropy(s.cohort) AS e "
    "FROM samples s CROSS JOIN (SELECT avg(bmi) AS middle FROM samples) AS m "
    "WHERE s.bmi < m.middle OR s.bmi IS NULL GROUP BY ROLLUP (s.sex, s.cohort)",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=3, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 3))
def test_margins_equal_pooled(worlds: Worlds, text: str, seed: int) -> None:
    """Each margin is a release of its own, and their union is what one database says."""
    world = worlds.world(shape_of(seed, None))
    width = len(world.pooled.run(text)[0])
    query = Query(text, text, text, text, 0, False, False, False, (1000.0,) * width)
    assert check_equal(world, query)
