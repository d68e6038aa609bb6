"""Quantiles: the pooled value without protection, and within the stated bounds under it."""

# ruff: noqa: E501 - a query stands on one line

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake.errors import QueryRefused
from goe_lake.federation.quantiles import Counted
from goe_lake.query.quantiles import QuantileKind
from tests.oracle.cohort import shape_of
from tests.properties.comparison import differences, rows_of
from tests.properties.worlds import Worlds

WEIGHTS = "CASE variant_id WHEN 'chr1-1000-A-C' THEN 0.125 WHEN 'chrX-5000000-C-T' THEN -3 ELSE 0.5 END"
EXACT = (
    "SELECT median(bmi) AS m, count(*) AS n, avg(bmi) AS a FROM samples",
    "SELECT country, median(ldl) AS l, quantile_cont(bmi, 0.3) FILTER (WHERE sex = 'F') AS q FROM samples GROUP BY country ORDER BY country",
    "SELECT sex, quantile_disc(birth_year, 0.25) AS q, quantile_cont(birth_year, [0.0, 0.5, 1.0]) AS r, quantile(bmi, 0.7) AS d FROM samples WHERE t2d GROUP BY sex ORDER BY sex",
    "SELECT pgs_id, median(score) AS m, quantile_disc(score, 0.9) AS d FROM scores JOIN samples USING (sample_id) WHERE sex IS NOT NULL GROUP BY pgs_id ORDER BY pgs_id",
    "SELECT country, mad(bmi) AS m, mad(birth_year) FILTER (WHERE t2d) AS y FROM samples GROUP BY country ORDER BY country",
    "SELECT median(visits) AS v, median(crp) AS c FROM samples WHERE bmi > (SELECT median(bmi) FROM samples)",
    "SELECT population, median(bmi) - (SELECT median(bmi) FROM samples) AS d FROM samples GROUP BY population HAVING median(bmi) > 15 ORDER BY population",
    # of what was aggregated by person
    "SELECT sex, median(x) AS m, quantile_disc(x, 0.25) AS q, mad(x) AS d FROM samples JOIN (SELECT sample_id, sum(dosage) AS x FROM genotypes GROUP BY 1) AS b USING (sample_id) GROUP BY sex ORDER BY sex",
    "SELECT median(n) AS m, quantile_cont(n, [0.1, 0.9]) AS r FROM (SELECT sample_id, count_if(dosage = 1) AS n FROM genotypes GROUP BY 1) AS b",
    f"SELECT quantile_disc(x, 0.5) AS m, quantile_disc(x, 0.9) FILTER (WHERE sex = 'F') AS q FROM samples JOIN (SELECT sample_id, sum(dosage * {WEIGHTS}) AS x FROM genotypes GROUP BY 1) AS b USING (sample_id)",
    "SELECT population, median(x) AS m, quantile_disc(x, 0.8) AS q FROM samples JOIN (SELECT sample_id, sum(score) AS x, min(score) AS y FROM scores GROUP BY 1) AS b USING (sample_id) WHERE y > -9 GROUP BY population ORDER BY population",
    "SELECT count(*) AS n, avg(x) AS m FROM (SELECT sample_id, count(*) AS x FROM scores GROUP BY 1) AS b WHERE x >= (SELECT median(x) FROM (SELECT sample_id, count(*) AS x FROM scores GROUP BY 1) AS c)",
)  # fmt: skip
BOUNDED = (
    "SELECT median(bmi) AS m, quantile_cont(ldl, 0.25) AS q, quantile_disc(birth_year, 0.8) AS y FROM samples",
    "SELECT country, median(bmi) AS m FROM samples GROUP BY country ORDER BY country",
    "SELECT population, median(bmi) AS m, quantile_cont(birth_year, 0.5) AS y FROM samples GROUP BY population ORDER BY population",
    "SELECT mad(bmi) AS m, mad(birth_year) AS y FROM samples",
    "SELECT sex, mad(ldl) AS d, median(ldl) AS m FROM samples WHERE birth_year > 1940 GROUP BY sex ORDER BY sex",
    "SELECT pgs_id, median(score) AS m FROM scores GROUP BY pgs_id ORDER BY pgs_id",
    "SELECT median(x) AS m, quantile_cont(x, 0.3) AS q FROM (SELECT sample_id, sum(dosage) AS x FROM genotypes WHERE contig = 'chr1' GROUP BY 1) AS b",
    f"SELECT sex, median(x) AS m FROM samples JOIN (SELECT sample_id, sum(dosage * {WEIGHTS}) AS x FROM genotypes GROUP BY 1) AS b USING (sample_id) GROUP BY sex ORDER BY sex",
    "SELECT population, median(x) AS m, quantile_disc(x, 0.7) AS q FROM samples JOIN (SELECT sample_id, sum(score) AS x FROM scores GROUP BY 1) AS b USING (sample_id) GROUP BY population ORDER BY population",
)  # fmt: skip


@pytest.mark.parametrize("text", EXACT)
def test_quantile_without_protection_is_the_pooled_one(text: str, worlds: Worlds) -> None:
    """Single values are intervals then, so that the quantile is that of DuckDB on the pooled rows."""
    for seed in (1, 3):
        world = worlds.world(shape_of(seed, None))
        names, _, rows = world.pooled_or_skip(text)
        answer = world.federation.sql(text)
        assert answer.table.column_names == names
        ours = [
            [part for value in row for part in (value if isinstance(value, list) else [value])]
            for row in rows_of(answer.table)
        ]
        theirs = [
            [part for value in row for part in (value if isinstance(value, list) else [value])]
            for row in rows
        ]
        assert not differences(ours, theirs, [1e3] * 99 if not ours else [1e3 for _ in ours[0]]), text
        assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}


def test_quantile_under_protection_lies_within_its_bounds(worlds: Worlds) -> None:
    """The pooled quantile lies between the bounds that come with an approximate one, and is an exact one."""
    found: Counter[str] = Counter()
    for seed in (0, 2, 3, 5):
        world = worlds.world(shape_of(seed, 2))
        for text in BOUNDED:
            try:
                pooled = {row[0]: row for row in world.pooled.run(text)[2]}
                answer = world.federation.sql(text)
            except (duckdb.Error, QueryRefused):
                continue
            bounds = {(bound.row, bound.column): bound for bound in answer.envelope.bounds}
            rows, words = rows_of(answer.table), rows_of(answer.status)
            grouped = "GROUP BY" in text
            for place, (row, status) in enumerate(zip(rows, words, strict=True)):
                theirs = pooled[row[0]] if grouped else next(iter(pooled.values()))
                for column in range(int(grouped), len(row)):
                    found[status[column]] += 1
                    bound = bounds.get((place, answer.table.column_names[column]))
                    if status[column] == "ok":
                        assert row[column] == pytest.approx(theirs[column]), text
                    elif status[column] == "approx" and bound is None:
                        # left out where it changes few, as are sites of few carriers: then there is no bound
                        assert "WHERE" in text or "dosage" in text
                    elif status[column] == "approx":
                        assert bound is not None
                        assert bound.upper is not None
                        assert float(bound.lower) - 1e-9 <= theirs[column] <= float(bound.upper) + 1e-9, text
                    else:
                        assert row[column] is None
    assert found["approx"] > 10, found


@given(
    values=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    cuts=st.sets(st.integers(1, 40), max_size=8),
    hidden=st.lists(st.integers(0, 40), max_size=5),
    percent=st.integers(0, 100),
    kind=st.sampled_from(QuantileKind),
)
def test_bounds_hold_the_quantile_of_all_persons(
    values: list[int], cuts: set[int], hidden: list[int], percent: int, kind: QuantileKind
) -> None:
    """Whatever the values within the intervals and of hidden persons are, the quantile lies in its bounds."""
    edges = sorted({0, 41} | cuts)
    first = np.array([max(edge for edge in edges if edge <= value) for value in values])
    last = np.array([min(edge for edge in edges if edge > value) - 1 for value in values])
    counted = Counted(first, last, np.ones(len(values), dtype=np.int64), len(hidden) + 1, 40)
    percent = 50 if kind is QuantileKind.DEVIATION else percent
    found = counted.quantile(kind, Fraction(percent, 100))
    assert found is not None
    value, low, high = found
    everybody = np.array([*values, *hidden])
    if kind is QuantileKind.DEVIATION:
        everybody = np.abs(everybody - np.median(everybody))
    method = "inverted_cdf" if kind is QuantileKind.DISCRETE else "linear"
    true = float(np.percentile(everybody, percent, method=method))
    assert low - 1e-9 <= true <= high + 1e-9
    assert low <= value <= high
