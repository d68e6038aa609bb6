"""Law 1 under the overlap audit: whatever was asked before, a value called ok is the pooled value."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goe_lake import QueryRefused
from tests.oracle.cohort import Shape
from tests.oracle.grammar import Limits, queries
from tests.properties.comparison import rows_of, same
from tests.properties.test_federated_equals_pooled import calm, pooled_answer
from tests.properties.worlds import Worlds

COHORT = Shape(1, 3, 160, 3)
TABLES = ("samples", "samples", "scores", "scores+samples", "genotypes", "genotypes+samples")


@pytest.mark.usefixtures("audited")
def test_what_is_ok_is_pooled_whatever_was_asked_before(tmp_path: Path) -> None:
    """Random queries in one project, each after all others: ok values are exact, others are marked."""
    world = Worlds(tmp_path).world(COHORT)
    found: Counter[str] = Counter()
    limits = Limits(keys_shown=True, plain=True)

    @calm
    @given(query=st.sampled_from(TABLES).flatmap(lambda name: queries(name, limits)))
    def law(query) -> None:  # type: ignore[no-untyped-def]
        expected = pooled_answer(world, query.text)
        try:
            answer = world.federation.sql(query.text)
        except QueryRefused:
            return
        if expected is None:
            return
        groups = {tuple(row[: query.keys]): row for row in expected[2]}
        for row, status in zip(rows_of(answer.table), rows_of(answer.status), strict=True):
            for column in range(query.keys, len(row)):
                found[str(status[column])] += 1
                if status[column] == "ok":
                    pooled = groups[tuple(row[: query.keys])][column]
                    assert same(row[column], pooled, query.scales[column]), query.text

    law()
    assert found["ok"] > 0
    assert found["approx"] > 0
