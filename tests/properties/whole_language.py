"""Queries of the whole language, asked of a federation and of one database, and what became of them."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import duckdb
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider

from goe_lake import QueryRefused
from goe_lake.federation import Answer
from tests.oracle.cohort import Shape, shape_of
from tests.oracle.grammar import Query
from tests.oracle.whole import (
    AGGREGATES,
    EVERY_SHAPE,
    FRAMES,
    OF_A_FUNCTION,
    RELATIONS,
    as_answered,
    is_offered,
    whole_query,
)
from tests.properties.comparison import differences, in_order, kind_of_arrow, kind_of_duckdb, rows_of, same
from tests.properties.test_federated_equals_pooled import calm
from tests.properties.worlds import World

#: Names, types and rows of an answer.
Rows = tuple[list[str], list[str], list[tuple[object, ...]]]
# Queries of the grammar that are turned down: the code, a part of the sentence, and why that is right
REFUSALS = {
    ("G403", "more columns than are multiplied"): "conditions, a product and a covariance together",
    ("G403", "too large to be summed"): "fourth powers of numbers with wide bounds",
    ("G504", ""): "persons are compared with a value that was withheld",
}
K = 5
PLACES = 16  # cohorts, of one node to four
TURNS = 12  # how often more is asked of a pair where queries were refused


class Afresh(HypothesisProvider):
    """Draws every query by itself: Hypothesis would mostly draw variations of the last one."""


AVAILABLE_PROVIDERS["afresh"] = Afresh
drawn = settings(
    calm, phases=(Phase.generate,), backend="afresh", deadline=None, derandomize=False, database=None
)


class Built(Protocol):
    """Worlds that are there to be asked."""

    def world(self, shape: Shape) -> World:
        """The world of *shape*."""


@dataclass(frozen=True)
class Apart:
    """A query that is not answered as one database answers it; *kind* says in what."""

    kind: str
    text: str
    told: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}\n{self.told}"


class Differs(Exception):
    """An answer is another than the pooled one."""

    def __init__(self, kind: str, *lines: str) -> None:
        super().__init__("\n".join(lines[:8]))
        self.kind = kind


def equal(kind: str, ours: object, theirs: object) -> None:
    """Both are the same."""
    if ours != theirs:
        raise Differs(kind, f"{ours!r} and not {theirs!r}")


@dataclass
class Told:
    """What became of the queries that were asked, each once; *apart* are those with an answer of its own."""

    asked: int = 0
    compared: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    filled: int = 0
    marked: int = 0
    covers: Counter[tuple[str, str]] = field(default_factory=Counter)
    apart: list[Apart] = field(default_factory=list)
    texts: set[tuple[Shape, str]] = field(default_factory=set)

    def check(self, filled: float = 0.6) -> None:
        """No answer is apart, most queries are answered, and a share of *filled* of them says something."""
        assert not self.apart, "\n\n".join([f"{len(self.apart)} are apart", *map(str, self.apart[:20])])
        # a constant that is withheld is what a threshold does, and not what the language lacks
        refused = sum(number for code, number in self.refused.items() if code != "G504")
        assert refused <= 0.06 * self.asked, self
        assert self.unread <= 0.06 * self.asked, self  # DuckDB itself does not read them
        assert self.filled >= filled * self.compared, self

    def __str__(self) -> str:
        return (
            f"{self.compared} compared of {self.asked}, {self.filled} with values, "
            f"{self.marked} with some withheld, {self.unread} not read by DuckDB, "
            f"refused {dict(self.refused)}, {len(self.apart)} apart"
        )


def sites_of(world: World) -> list[str]:
    """The variant ids of a world."""
    found = world.pooled.connection.cursor().execute("SELECT variant_id FROM variants ORDER BY 1").fetchall()
    return [name for (name,) in found]


def pooled(world: World, query: Query) -> Rows | None:
    """What DuckDB says of the pooled rows; None where it raises."""
    try:
        names, kinds, _ = world.pooled.run(query.text)
        return names, kinds, world.pooled.run(as_answered(query.text))[2]
    except duckdb.Error:
        return None


def check_refusal(error: QueryRefused, told: Told) -> None:
    """A refusal is one of those that are stated."""
    told.refused[error.code] += 1
    if not any(code == error.code and part in str(error) for code, part in REFUSALS):
        raise Differs("refusal", str(error))


def answered(world: World, query: Query, told: Told) -> tuple[Rows, Answer] | None:
    """What DuckDB says of the pooled rows and what the federation answers; None where one does not."""
    told.asked += 1
    expected = pooled(world, query)
    if expected is None:
        told.unread += 1
        return None
    try:
        return expected, world.federation.sql(query.text)
    except QueryRefused as error:
        check_refusal(error, told)
        return None


def ask(world: World, query: Query, told: Told) -> None:
    """The answer to *query* is the pooled one: names, types, rows, every value ok."""
    found = answered(world, query, told)
    if found is None:
        return
    expected, answer = found
    names, kinds, rows = expected
    ours = rows_of(answer.table)
    equal("names", answer.table.column_names, names)
    equal("types", [column.type for column in answer.envelope.columns], kinds)
    types = [kind_of_arrow(part.type) for part in answer.table.schema]
    equal("types", types, [kind_of_duckdb(kind) for kind in kinds])
    if not query.ordered:
        ours, rows = in_order(ours, query.keys), in_order(rows, query.keys)
    apart = differences(ours, rows, query.scales)
    if apart:
        raise Differs("value", *apart)
    # a function of columns is rounded for each person: test_functions.py holds it to its error
    known = {"ok", "approx"} if any(name == OF_A_FUNCTION for name, _ in query.covers) else {"ok"}
    equal("status", {word for row in rows_of(answer.status) for word in row} - known, set())
    told.compared += 1
    told.filled += any(value is not None for row in rows for value in row[query.keys :] or row)
    told.covers.update(query.covers)


def ask_protected(world: World, query: Query, told: Told) -> None:
    """What is called ok is the pooled value of its row, and what is not told has no value."""
    found = answered(world, query, told)
    if found is None:
        return
    expected, answer = found
    equal("names", answer.table.column_names, expected[0])
    ours, words = rows_of(answer.table), rows_of(answer.status)
    groups: dict[object, list[tuple[object, ...]]] = defaultdict(list)
    # where the answer says that others may belong in the place of those that LIMIT left, these may be any
    cut = query.limited and answer.envelope.rows != "ok"
    for row in world.pooled.run(as_answered(query.sorted))[2] if cut else expected[2]:
        groups[row[: query.keys]].append(row)
    for row, status in zip(ours, words, strict=True):
        told_of = [column for column, word in enumerate(status) if word == "ok"]
        shown = f"{row} {status}, pooled {groups[row[: query.keys]]}"
        # where no key tells rows apart, one of them has all these values
        pooled = (
            ("approx" in status and not query.keys)
            or not told_of[query.keys :]
            or any(
                all(same(row[column], theirs[column], query.scales[column]) for column in told_of)
                for theirs in groups[row[: query.keys]]
            )
        )
        if not pooled:
            raise Differs("value", shown)
        hidden = [value for value, word in zip(row, status, strict=True) if word not in ("ok", "approx")]
        if any(value is not None for value in hidden):
            raise Differs("value", shown)
    told.compared += 1
    told.filled += any(value is not None for row in expected[2] for value in row[query.keys :] or row)
    told.marked += any(set(status) - {"ok", "approx"} for status in words) or len(ours) < len(expected[2])
    told.covers.update(query.covers)


def pairs(step: int) -> list[tuple[str, str]]:
    """Each aggregate with one of the shapes, so that each shape has its turn; others for another *step*."""
    turns = itertools.cycle(EVERY_SHAPE[step % len(EVERY_SHAPE) :] + EVERY_SHAPE[: step % len(EVERY_SHAPE)])
    return [(name, next(shape for shape in turns if is_offered(name, shape))) for name in AGGREGATES]


def run(
    worlds: Built,
    name: str,
    shape: str,
    told: Told,
    times: int,
    places: Sequence[int],
    k: int | None,
    start: str = "",
) -> None:
    """Ask *times* queries with the aggregate *name* over *shape*, of cohorts *places* at threshold *k*.

    Another *start* gives other queries.
    """

    first = iter((True,))

    @seed(f"{name} {shape} {k}{start}")
    @settings(drawn, max_examples=times + 1)
    @given(place=st.sampled_from(places), data=st.data())
    def law(place: int, data: st.DataObject) -> None:
        simplest = next(first, False)  # with which Hypothesis begins
        world = worlds.world(shape_of(place, k))
        query = data.draw(whole_query(sites_of(world), shape, name, keys_shown=k is not None))
        if simplest or (shape_of(place, k), query.text) in told.texts:
            return
        told.texts.add((shape_of(place, k), query.text))
        try:
            (ask if k is None else ask_protected)(world, query, told)
        except Exception as error:  # of every query it is told, and the others are asked all the same
            kind = error.kind if isinstance(error, Differs) else type(error).__name__
            told.apart.append(Apart(kind, query.text, f"{error}\nof cohort {place} at {k}"))

    law()


def cover(
    worlds: Built, told: Told, k: int | None, least: int, start: str, tell: Callable[[str], object]
) -> list[tuple[str, str]]:
    """Ask until each aggregate was compared *least* times over each relation; those that were not.

    How far it is, and each answer that is apart, is told. Another *start* gives other queries.
    """
    # what stands above the groups of a relation is asked first: it is a query over that relation too
    wanted = [
        (name, shape) for shape in (*FRAMES, *RELATIONS) for name in AGGREGATES if is_offered(name, shape)
    ]
    for place, (name, shape) in enumerate(wanted, 1):
        for turn in range(TURNS):
            lacking, known = least - told.covers[name, shape], len(told.apart)
            if lacking > 0:
                run(worlds, name, shape, told, lacking, range(PLACES), k, start=f" {start} {turn}")
            for apart in told.apart[known:]:
                tell(f"{name} over {shape} is apart. {apart}")
        if place % 20 == 0 or place == len(wanted):
            tell(f"k = {k}, seed {start}, {place} of {len(wanted)} kinds: {told}")
    return [pair for pair in wanted if told.covers[pair] < least]
