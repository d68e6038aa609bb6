"""Attacks by variances, correlations and regressions: two worlds that differ in one person look the same."""

from __future__ import annotations

import pytest

from goe_lake.federation import Federation
from tests.attacks.worlds import SECRETS, observed, open_world

# The target is the only person born before 1940, and in one world the only carrier at chr1:5000.
ALONE = "birth_year < 1910"
ATTACKS = {
    "slope_on_one_person": f"SELECT regr_slope(bmi, ({ALONE})::INT) AS beta FROM samples",
    "slope_on_all_but_one": f"SELECT regr_slope(ldl, (NOT {ALONE})::INT) AS beta FROM samples",
    "correlation_with_one_person": f"SELECT corr(ldl, CASE WHEN {ALONE} THEN 1 ELSE 0 END) AS r FROM samples",
    "covariance_with_one_person": f"SELECT covar_pop(t2d::INT, ({ALONE})::INT) AS c FROM samples",
    "intercept_and_mean": f"SELECT regr_intercept(bmi, ({ALONE})::INT) - avg(bmi) AS d FROM samples",
    "mean_of_the_pair": f"SELECT regr_avgy(bmi, CASE WHEN {ALONE} THEN ldl END) AS y FROM samples",
    "variance_of_one": f"SELECT var_pop(bmi) FILTER (WHERE {ALONE}) AS v FROM samples",
    "variance_without_one": f"SELECT var_pop(bmi) - var_pop(bmi) "
    f"FILTER (WHERE NOT {ALONE}) AS v FROM samples",
    "squares_without_one": f"SELECT sum(bmi * bmi) - sum(bmi * bmi) "
    f"FILTER (WHERE NOT {ALONE}) AS v FROM samples",
    "product_without_one": f"SELECT sum(bmi * ldl) - sum(bmi * ldl) "
    f"FILTER (WHERE NOT {ALONE}) AS v FROM samples",
    "product_by_an_indicator": f"SELECT sum(bmi * CASE WHEN {ALONE} THEN 1 ELSE 0 END) AS v FROM samples",
    "groups_of_one": "SELECT birth_year, stddev(bmi) AS s, corr(bmi, ldl) AS r FROM samples "
    "WHERE birth_year < 1940 GROUP BY birth_year",
    "all_but_one": f"SELECT bool_and(NOT {ALONE} OR t2d) AS v FROM samples",
    "any_of_one": f"SELECT bool_or({ALONE} AND t2d) AS v FROM samples",
    "rare_dosage_slope": "SELECT regr_slope(s.bmi, g.dosage) AS b "
    "FROM genotypes g JOIN samples s USING (sample_id) "
    "WHERE g.pos = 5000",
    "rare_dosage_variance": "SELECT var_pop(dosage) AS v, stddev(dosage) AS s "
    "FROM genotypes WHERE pos = 5000",
    "rare_dosage_correlation": "SELECT corr(g.dosage, s.t2d::INT) AS r FROM genotypes g "
    "JOIN samples s USING (sample_id) WHERE g.pos = 5000",
    "rare_dosage_product": "SELECT sum(g.dosage * s.ldl) AS v "
    "FROM genotypes g JOIN samples s USING (sample_id) "
    "WHERE g.pos = 5000",
    "two_filters_and_their_union": f"SELECT sum(bmi ^ 2) FILTER (WHERE cohort = 'C1' OR {ALONE}) "
    f"+ sum(bmi ^ 2) FILTER (WHERE cohort = 'C2' OR {ALONE}) - sum(bmi ^ 2) AS v FROM samples",
    "sums_of_powers_of_one": f"SELECT skewness(bmi) "
    f"FILTER (WHERE {ALONE} OR birth_year = 1950) AS s FROM samples",
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Federation, Federation]:
    """The two worlds."""
    folder = tmp_path_factory.mktemp("worlds")
    one, other = (open_world(folder / str(place), secret) for place, secret in enumerate(SECRETS))
    return one, other


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_worlds_look_the_same(worlds: tuple[Federation, Federation], attack: str) -> None:
    """What is asked rests on the target, so that nothing of it is told."""
    one, other = (observed(world, ATTACKS[attack]) for world in worlds)
    assert one == other
    assert "refused" not in one, one


def test_moments_of_everybody_are_told(worlds: tuple[Federation, Federation]) -> None:
    """The rules leave ordinary questions alone."""
    text = (
        "SELECT stddev(bmi), corr(bmi, ldl), regr_slope(ldl, bmi), skewness(ldl), var_pop(t2d::INT) "
        "FROM samples"
    )
    told = observed(worlds[1], text)
    assert all(status == "ok" for status in told["status"][0].values()), told
