"""Law 1 over the whole language: every aggregate over every kind of relation, and beneath what stands above.

By default a few hundred queries are asked; `pytest -m nightly` asks each aggregate over each relation at
least twenty times, and GOE_WHOLE_LANGUAGE says how often.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import duckdb
import pytest
from hypothesis import Phase, given, note, seed, settings
from hypothesis import strategies as st

from goe_lake import QueryRefused
from goe_lake.federation import Answer
from goe_lake.query.aggregates import DECOMPOSITIONS
from goe_lake.query.labels import _MADE as OF_LABELS
from tests.oracle.cohort import Shape, shape_of
from tests.oracle.grammar import Query
from tests.oracle.whole import AGGREGATES, EVERY_SHAPE, as_answered, is_offered, whole_query
from tests.properties.comparison import differences, in_order, kind_of_arrow, kind_of_duckdb, rows_of, same
from tests.properties.test_federated_equals_pooled import calm
from tests.properties.worlds import World, Worlds

#: Names, types and rows of an answer.
Rows = tuple[list[str], list[str], list[tuple[object, ...]]]
# Queries of the grammar that are turned down: the code, a part of the sentence, and why that is right
REFUSALS = {
    ("G403", "more columns than are multiplied"): "conditions, a product and a covariance together",
    ("G403", "too large to be summed"): "fourth powers of numbers with wide bounds",
    ("G504", ""): "persons are compared with a value that was withheld",
}
ROUNDS = int(os.environ.get("GOE_WHOLE_LANGUAGE", "24"))
LEAST = ROUNDS * 20 // 24
K = 5
AS_DRAWN = (Phase.generate,)


class Built(Protocol):
    """Worlds that are there to be asked."""

    def world(self, shape: Shape) -> World:
        """The world of *shape*."""


@dataclass
class Told:
    """What became of the queries that were asked."""

    asked: int = 0
    compared: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    filled: int = 0
    marked: int = 0
    covers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def check_shares(self) -> None:
        """Most queries are answered, and most answers say something."""
        assert sum(self.refused.values()) <= 0.06 * self.asked, self
        assert self.unread <= 0.06 * self.asked, self  # DuckDB itself does not read them
        assert self.filled >= 0.6 * self.compared, self


def sites_of(world: World) -> list[str]:
    """The variant ids of a world."""
    found = world.pooled.connection.cursor().execute("SELECT variant_id FROM variants ORDER BY 1").fetchall()
    return [name for (name,) in found]


def pooled(world: World, query: Query) -> Rows | None:
    """What DuckDB says of the pooled rows; None where it raises."""
    try:
        names, kinds, _ = world.pooled.run(query.text)
        return names, kinds, world.pooled.run(as_answered(query.text))[2]
    except duckdb.Error as error:
        note(f"DuckDB raises: {error}")
        return None


def check_refusal(query: Query, error: QueryRefused, told: Told) -> None:
    """A refusal is one of those that are stated."""
    told.refused[error.code] += 1
    stated = any(code == error.code and part in str(error) for code, part in REFUSALS)
    assert stated, f"{query.text}\n{error}"


def answered(world: World, query: Query, told: Told) -> tuple[Rows, Answer] | None:
    """What DuckDB says of the pooled rows and what the federation answers; None where one does not."""
    note(query.text)
    told.asked += 1
    expected = pooled(world, query)
    if expected is None:
        told.unread += 1
        return None
    try:
        return expected, world.federation.sql(query.text)
    except QueryRefused as error:
        check_refusal(query, error, told)
        return None


def ask(world: World, query: Query, told: Told) -> None:
    """The answer to *query* is the pooled one: names, types, rows, every value ok."""
    found = answered(world, query, told)
    if found is None:
        return
    expected, answer = found
    names, kinds, rows = expected
    ours = rows_of(answer.table)
    assert answer.table.column_names == names, query.text
    assert [column.type for column in answer.envelope.columns] == kinds, query.text
    types = [kind_of_arrow(part.type) for part in answer.table.schema]
    assert types == [kind_of_duckdb(kind) for kind in kinds], query.text
    if not query.ordered:
        ours, rows = in_order(ours, query.keys), in_order(rows, query.keys)
    apart = differences(ours, rows, query.scales)
    assert not apart, "\n".join([query.text, *apart[:8]])
    assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}, query.text
    told.compared += 1
    told.filled += any(value is not None for row in rows for value in row[query.keys :] or row)
    told.covers.update(query.covers)


def ask_protected(world: World, query: Query, told: Told) -> None:
    """What is called ok is the pooled value of its row, and what is not told has no value."""
    found = answered(world, query, told)
    if found is None:
        return
    expected, answer = found
    assert answer.table.column_names == expected[0], query.text
    ours, words = rows_of(answer.table), rows_of(answer.status)
    groups: dict[object, list[tuple[object, ...]]] = defaultdict(list)
    for row in expected[2]:
        groups[row[: query.keys]].append(row)
    for row, status in zip(ours, words, strict=True):
        told_of = [column for column, word in enumerate(status) if word == "ok"]
        shown = f"{query.text}\n{row} {status}, pooled {groups[row[: query.keys]]}"
        # where no key tells rows apart, one of them has all these values
        assert (
            ("approx" in status and not query.keys)
            or not told_of[query.keys :]
            or any(
                all(same(row[column], theirs[column], query.scales[column]) for column in told_of)
                for theirs in groups[row[: query.keys]]
            )
        ), shown
        hidden = [value for value, word in zip(row, status, strict=True) if word not in ("ok", "approx")]
        assert not any(value is not None for value in hidden), shown
    told.compared += 1
    told.filled += any(value is not None for row in expected[2] for value in row[query.keys :] or row)
    told.marked += any(set(status) - {"ok", "approx"} for status in words) or len(ours) < len(expected[2])
    told.covers.update(query.covers)


def pairs(step: int) -> list[tuple[str, str]]:
    """Each aggregate with one of the shapes, so that each shape has its turn; others for another *step*."""
    turns = itertools.cycle(EVERY_SHAPE[step % len(EVERY_SHAPE) :] + EVERY_SHAPE[: step % len(EVERY_SHAPE)])
    return [(name, next(shape for shape in turns if is_offered(name, shape))) for name in AGGREGATES]


def run(
    worlds: Built, name: str, shape: str, told: Told, times: int, places: Sequence[int], k: int | None
) -> None:
    """Ask *times* queries with the aggregate *name* over *shape*, of cohorts *places* at threshold *k*."""

    @seed(f"{name} {shape} {k}")
    @settings(calm, max_examples=times, deadline=None, derandomize=False, database=None, phases=AS_DRAWN)
    @given(place=st.sampled_from(places), data=st.data())
    def law(place: int, data: st.DataObject) -> None:
        world = worlds.world(shape_of(place, k))
        query = data.draw(whole_query(sites_of(world), shape, name, keys_shown=k is not None))
        (ask if k is None else ask_protected)(world, query, told)

    law()


def test_every_aggregate_is_in_the_grammar() -> None:
    """An aggregate that the compiler knows is drawn: one that is new fails here until it is."""
    drawn = {name.removesuffix(" of labels") for name in AGGREGATES if name.endswith(" of labels")}
    assert drawn == set(OF_LABELS)
    assert {name for name in AGGREGATES if not name.endswith(" of labels")} == set(DECOMPOSITIONS)


def test_whole_language_equals_pooled(worlds: Worlds) -> None:
    """A few queries of every kind, without protection."""
    told = Told()
    for name, shape in pairs(0):
        run(worlds, name, shape, told, times=2, places=range(4), k=None)
    told.check_shares()
    assert {name for name, _ in told.covers} >= set(AGGREGATES)
    assert {shape for _, shape in told.covers} >= set(EVERY_SHAPE)


def test_what_is_ok_at_five_persons_is_pooled(worlds: Worlds) -> None:
    """A few queries of every kind at a threshold of five persons."""
    told = Told()
    for name, shape in pairs(5)[::2]:
        run(worlds, name, shape, told, times=2, places=range(3), k=K)
    told.check_shares()
    assert told.marked >= 0.3 * told.compared, told


@pytest.mark.nightly
@pytest.mark.parametrize("k", [None, K])
@pytest.mark.parametrize("shape", EVERY_SHAPE)
def test_every_aggregate_over_every_relation(worlds: Worlds, shape: str, k: int | None) -> None:
    """Each aggregate is compared over each relation twenty times and more."""
    told = Told()
    offered = [name for name in AGGREGATES if is_offered(name, shape)]
    for name in offered:
        run(worlds, name, shape, told, ROUNDS, places=range(12), k=k)
    print(f"{shape}, k = {k}: {told.compared} compared of {told.asked}; refused {dict(told.refused)}")  # noqa: T201  -s shows how many
    told.check_shares()
    assert k is None or told.marked >= 0.3 * told.compared, told
    few = {name: told.covers[name, shape] for name in offered if told.covers[name, shape] < LEAST}
    assert not few, few
