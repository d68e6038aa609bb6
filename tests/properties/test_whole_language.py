"""Law 1 over the whole language: every aggregate over every kind of relation, and beneath what stands above.

By default a few hundred queries are asked, the same each time. `pytest -m nightly` compares each aggregate
over each relation at least twenty times, with queries that differ from run to run: more than 10,000.
GOE_WHOLE_LANGUAGE is another number of times, GOE_WHOLE_LANGUAGE_SEED repeats the queries of a run.
"""

from __future__ import annotations

import os
import random

import pytest

from goe_lake.query.aggregates import DECOMPOSITIONS
from goe_lake.query.labels import _MADE as OF_LABELS
from tests.oracle.whole import AGGREGATES, EVERY_SHAPE
from tests.properties.whole_language import K, Told, cover, pairs, run
from tests.properties.worlds import Worlds

LEAST = int(os.environ.get("GOE_WHOLE_LANGUAGE", "20"))
SEED = os.environ.get("GOE_WHOLE_LANGUAGE_SEED") or str(random.SystemRandom().getrandbits(32))


def test_every_aggregate_is_in_the_grammar() -> None:
    """An aggregate that the compiler knows is drawn: one that is new fails here until it is."""
    drawn = {name.removesuffix(" of labels") for name in AGGREGATES if name.endswith(" of labels")}
    assert drawn == set(OF_LABELS)
    assert {name for name in AGGREGATES if not name.endswith(" of labels")} == {*DECOMPOSITIONS}


def test_whole_language_equals_pooled(worlds: Worlds) -> None:
    """A few queries of every kind, without protection."""
    told = Told()
    for name, shape in pairs(0):
        run(worlds, name, shape, told, times=2, places=range(4), k=None)
    told.check(filled=0.55)  # they are too few for the share of all
    assert {name for name, _ in told.covers} >= set(AGGREGATES)
    assert {shape for _, shape in told.covers} >= set(EVERY_SHAPE)


def test_what_is_ok_at_five_persons_is_pooled(worlds: Worlds) -> None:
    """A few queries of every kind at a threshold of five persons."""
    told = Told()
    for name, shape in pairs(5)[::2]:
        run(worlds, name, shape, told, times=1, places=range(3), k=K)
    told.check(filled=0.5)  # they are too few for the share of all
    assert told.marked >= 0.3 * told.compared, told


@pytest.mark.nightly
@pytest.mark.parametrize(("k", "least"), [(None, LEAST), (K, LEAST // 4)])
def test_every_aggregate_over_every_relation(
    worlds: Worlds, k: int | None, least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each aggregate is compared over each relation twenty times and more; at five persons, five times."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201  it takes an hour

    told = Told()
    few = cover(worlds, told, k, least, SEED, tell)
    told.check()
    assert k is None or told.marked >= 0.3 * told.compared, told
    assert not few, few
