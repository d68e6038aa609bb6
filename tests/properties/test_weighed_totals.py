"""Sub-aggregates of weights counted in memory have the evidence that DuckDB counts."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from goe_lake.disclosure import Evidence
from goe_lake.engine import evidence as counted
from goe_lake.engine.blueprint import Blueprint
from goe_lake.engine.evidence import gather_many
from goe_lake.engine.few_totals import gather_few
from goe_lake.errors import GoeError
from tests.conftest import with_the_audit
from tests.oracle.cohort import shape_of
from tests.properties.test_by_person import QUERIES
from tests.properties.test_rows_and_classes_agree import compare, of_behind
from tests.properties.worlds import Worlds

Counts = tuple[pa.Table, Evidence]
#: Some with weights, a sub-aggregate in a filter, as key, and beside genotypes.
ASKED = [text for text in QUERIES if "weight" in text or "CASE" in text or "burden" in text or "gene" in text]


def test_few_and_many_totals_agree(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells, evidence, decisions, and who is behind them, with classes looked up by weight and without."""
    seen: list[tuple[Blueprint, Counts, Counts]] = []

    def both(blueprint: Blueprint) -> Counts | None:
        few = gather_few(blueprint)
        if few is not None:
            # what tables hold changes with the next question
            seen.append((blueprint, few, gather_many(blueprint)))
        return few

    monkeypatch.setattr(counted, "gather_few", both)
    weighed: Counter[bool] = Counter()
    with with_the_audit():
        world = worlds.world(shape_of(3, 3))
        for text in ASKED:
            seen.clear()
            try:
                world.federation.sql(text)
            except GoeError:
                continue
            for blueprint, few, many in seen:
                assert few[0].equals(many[0]), text
                compare([many], [few], blueprint.reading.release)
                if few[1].behind is not None:
                    assert of_behind(few[1]) == of_behind(many[1])
                weighed[any(kind.carriers is not None for kind in blueprint.classes)] += 1
    assert weighed[True] > 3
    assert weighed[False] > 3
