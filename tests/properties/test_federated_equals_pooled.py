"""Law 1: the answer to a query equals the same query on the pooled rows, however persons are spread."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, event, example, given, note, settings
from hypothesis import strategies as st

from goe_lake import QueryRefused
from tests.oracle.cohort import Shape, shape_of, shapes
from tests.oracle.grammar import SHAPES, Limits, Query, count_if_as_count, queries
from tests.oracle.low_effect import Reduced
from tests.properties.comparison import (
    Row,
    differences,
    in_order,
    kind_of_arrow,
    kind_of_duckdb,
    rows_of,
    same,
)
from tests.properties.worlds import Watched, WatchedWorlds, World, Worlds, pool_size, protected_shapes

AGGREGATES = (
    "count(*)",
    "count(x)",
    "count(DISTINCT)",
    "count_if",
    "sum",
    "avg",
    "moment",
    "moment of two",
    "bool",
    "FILTER",
)
# Queries of the grammar that are turned down all the same: a word of the refusal, and the reason
REFUSALS: dict[str, str] = {}
# enough persons that every node tells a value
MANY = (Shape(0, 2, 160, 3), Shape(1, 3, 160, 3), Shape(2, 5, 160, 2))
calm = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
)


def pooled_answer(world: World, text: str) -> tuple[list[str], list[str], list[tuple[object, ...]]] | None:
    """What DuckDB says of *text* on the pooled rows; None where it raises.

    count_if of no row is 0 here; `test_count_if_of_no_row_is_null` holds what DuckDB says of it.
    """
    try:
        names, kinds, rows = world.pooled.run(text)
        spelt = count_if_as_count(text)
        return names, kinds, world.pooled.run(spelt)[2] if spelt != text else rows
    except duckdb.Error as error:
        note(f"DuckDB raises on the pooled rows: {error}")
        return None


def check_refusal(query: Query, error: QueryRefused, *, binds: bool) -> None:
    """A refusal is one that is known, or of a query that DuckDB does not read either."""
    event(f"refused: {error.code}")
    assert not binds or any(word in str(error) for word in REFUSALS), f"{query.text}\n{error}"


def check_equal(world: World, query: Query) -> bool:
    """Ask both; whether there was an answer to compare."""
    note(query.text)
    expected = pooled_answer(world, query.text)
    try:
        answer = world.federation.sql(query.text)
    except QueryRefused as error:
        check_refusal(query, error, binds=expected is not None)
        return False
    if expected is None:
        return False
    names, kinds, rows = expected
    ours = rows_of(answer.table)
    assert answer.table.column_names == names, query.text
    types = [kind_of_arrow(field.type) for field in answer.table.schema]
    assert types == [kind_of_duckdb(kind) for kind in kinds], f"{query.text}\n{types} {kinds}"
    assert [column.type for column in answer.envelope.columns] == kinds, query.text
    if not query.ordered:
        ours, rows = in_order(ours, query.keys), in_order(rows, query.keys)
    found = differences(ours, rows, query.scales)
    assert not found, "\n".join([query.text, *found[:8]])
    assert {word for row in rows_of(answer.status) for word in row} <= {"ok"}, query.text
    return True


def check_coverage(compared: Counter[tuple[str, str]], total: int) -> None:
    """Every aggregate was compared over every relation, as far as so many queries can."""
    pairs = [(name, shape) for name in AGGREGATES for shape in SHAPES]
    reached = [pair for pair in pairs if compared[pair]]
    wanted = len(pairs) if total >= 500 else min(len(pairs) * 3 // 4, total // 2)
    assert len(reached) >= wanted, sorted(set(pairs) - set(reached))


def some_queries(limits: Limits | None = None) -> st.SearchStrategy[list[Query]]:
    """A query over each of four relations in turn, so that a few examples reach them all."""
    names = tuple(SHAPES)
    starts = st.integers(0, len(names) - 1)
    return starts.flatmap(
        lambda start: st.tuples(
            *(queries(names[(start + 2 * step) % len(names)], limits) for step in range(4))
        )
    )


def test_federated_equals_pooled(worlds: Worlds) -> None:
    """Without protection every answer is the pooled one: names, types, rows, integers, floats to 1e-9."""
    compared: Counter[tuple[str, str]] = Counter()
    asked: Counter[bool] = Counter()

    @calm
    @given(shape=shapes(st.none(), pool_size()), asks=some_queries())
    def law(shape: Shape, asks: list[Query]) -> None:
        world = worlds.world(shape)
        for query in asks:
            done = check_equal(world, query)
            asked[done] += 1
            compared.update(query.covers if done else ())

    law()
    assert asked[True] >= 0.8 * asked.total()  # of the others DuckDB itself raises
    check_coverage(compared, asked[True])


class LeftOut:
    """A query of one plain aggregate, pooled from what nodes answer without conditions of low effect."""

    def __init__(self, world: World, nodes: Sequence[Watched], query: Query, k: int) -> None:
        release, _ = nodes[0].left[0]
        self.plain, self.measures = query.plain, release["measures"]
        self.names = [key["name"] for key in release["keys"]]
        self.told = [node.left[0][1].cells.to_pylist() for node in nodes]
        connection = world.pooled.connection
        self.nodes = [Reduced(connection, place, release, k) for place in range(len(nodes))]

    @classmethod
    def of(cls, world: World, nodes: Sequence[Watched], query: Query, k: int) -> LeftOut | None:
        """None where *query* is not plain."""
        if not query.plain or any(len(node.left) != 1 for node in nodes):
            return None
        found = cls(world, nodes, query, k)
        plain = len(found.names) == query.keys and len(found.measures) == 1 + (query.plain == "avg")
        return found if plain else None

    def value(self, key: Row) -> Any:
        """The pooled value of a cell, over the nodes that name it; NULL of no row."""
        parts = {measure["function"]: self.total(key, place) for place, measure in enumerate(self.measures)}
        match self.plain:
            case "avg":
                return parts["sum"] / parts["rows"] if parts["rows"] else None
            case "sum":
                return parts["sum"]
        (count,) = parts.values()
        return int(count)

    def total(self, key: Row, place: int) -> Decimal:
        """The sum of measure number *place* over the nodes."""
        measure = self.measures[place]
        steps = sum(
            node.value(key, place)
            for node, cells in zip(self.nodes, self.told, strict=True)
            if any(tuple(cell[name] for name in self.names) == key for cell in cells)
        )
        return steps * (Decimal(measure["resolution"]) if measure["function"] == "sum" else 1)


def check_shown(world: World, query: Query, nodes: Sequence[Watched], k: int) -> Counter[str]:
    """Ask under protection: what is shown is the pooled value, and what is bounded lies in between.

    What is marked ≈ left a condition out at some node.
    """
    note(query.text)
    expected = pooled_answer(world, query.text)
    for node in nodes:
        node.left.clear()
    try:
        answer = world.federation.sql(query.text)
    except QueryRefused as error:
        check_refusal(query, error, binds=expected is not None)
        return Counter()
    whole, held = pooled_answer(world, query.whole), pooled_answer(world, query.filtered)
    if expected is None or whole is None or held is None:
        return Counter()
    without = LeftOut.of(world, nodes, query, k)
    groups = {row[: query.keys]: row for row in whole[2]}
    kept = {row[: query.keys] for row in held[2]}
    bounds = {(bound.row, bound.column): bound for bound in answer.envelope.bounds}
    ours, words = rows_of(answer.table), rows_of(answer.status)
    assert answer.table.column_names == expected[0], query.text
    assert query.keys or query.having or query.limited or len(ours) == 1, query.text
    assert [column.type for column in answer.envelope.columns] == expected[1], query.text
    found: Counter[str] = Counter()
    told_of_marks = any("≈" in notice for notice in answer.envelope.notices)
    for place, (row, status) in enumerate(zip(ours, words, strict=True)):
        key = row[: query.keys]
        marked = told_of_marks
        # a condition that was left out may have kept the whole group away
        marked |= "ok" not in status[query.keys :]
        assert marked or key in groups, f"{query.text}\nthere is no group {key}"
        assert marked or key in kept, f"{query.text}\nHAVING does not hold for {key}"
        assert set(status[: query.keys]) <= {"ok"}, query.text
        for column in range(query.keys, len(row)):
            if status[column] == "approx":
                found["approx"] += 1
                assert told_of_marks, query.text
                if without is not None:
                    found["approx, compared"] += 1
                    pooled = without.value(key)
                    told = (
                        f"{query.text}\n{key} ≈ {row[column]!r}, without conditions of low effect {pooled!r}"
                    )
                    assert same(row[column], pooled, query.scales[column]), told
                continue
            if key not in groups and status[column] == "withheld":
                assert row[column] is None, query.text  # of a group that is there without what was left out
                continue
            pooled = groups[key][column]
            told = f"{query.text}\n{key} column {column}: {row[column]!r} {status[column]}, pooled {pooled!r}"
            found[status[column]] += 1
            if status[column] == "ok":
                assert without is None or same(row[column], without.value(key), query.scales[column]), told
                assert same(row[column], groups[key][column], query.scales[column]), told
                continue
            assert row[column] is None, told
            assert status[column] in ("withheld", "bounded"), told
            bound = bounds.get((place, answer.table.column_names[column]))
            assert (bound is not None) == (status[column] == "bounded"), told
            if bound is not None:
                assert int(bound.lower) <= groups[key][column], told
                assert bound.upper is None or groups[key][column] <= int(bound.upper), told
    if query.ordered and answer.envelope.rows == "ok":
        shown = [row[: query.keys] for row in ours]
        order = [row[: query.keys] for row in world.pooled.run(count_if_as_count(query.sorted))[2]]
        if any("approx" in status for status in words):
            return found  # the order is that of marked values
        assert shown == [key for key in order if key in set(shown)], query.text
    return found


def test_what_is_shown_is_the_pooled_value(worlds: Worlds) -> None:
    """Under protection a value called ok is the pooled value of its group, and bounds hold that value."""
    found: Counter[str] = Counter()
    watched = WatchedWorlds(worlds)

    @calm
    @given(shape=protected_shapes(), asks=some_queries(Limits(keys_shown=True)))
    def law(shape: Shape, asks: list[Query]) -> None:
        world, nodes = watched.world(shape)
        assert shape.k is not None
        for query in asks:
            found.update(check_shown(world, query, nodes, shape.k))

    law()
    assert found["ok"] >= 0.05 * found.total()
    assert min(found["ok"], found["withheld"], found["bounded"]) > 0 or found.total() < 100, found


def rarely_of_effect() -> Iterator[Query]:
    """Plain queries under conditions that few persons of a cohort do not fulfil."""
    for told, plain in (("count(*)", "count"), ("sum(bmi)", "sum"), ("avg(visits)", "avg")):
        for rare in ("birth_year > 1901", "NOT (bmi > 60 AND t2d)", "sex = 'M' OR ldl > 11", "crp <> 0.5"):
            for text in (f"{told} FROM samples WHERE {rare}", f"{told} FILTER ({rare}) FROM samples"):
                yield Query(*[f"SELECT {text}"] * 4, 0, True, False, False, (1e4,), plain)


def test_what_is_marked_is_pooled_without_conditions_of_low_effect(worlds: Worlds) -> None:
    """A value called ≈ is the pooled one where each node leaves out, cell by cell, what changes few."""
    found: Counter[str] = Counter()
    watched = WatchedWorlds(worlds)
    limits = Limits(keys_shown=True, plain=True)
    some = st.sampled_from(("samples", "samples", "scores", "scores+samples", "genotypes+samples"))

    @calm
    @given(shape=st.sampled_from(MANY), query=some.flatmap(lambda name: queries(name, limits)))
    def law(shape: Shape, query: Query) -> None:
        world, nodes = watched.world(shape)
        assert shape.k is not None
        found.update(check_shown(world, query, nodes, shape.k))

    for query in rarely_of_effect():
        law = example(shape=MANY[1], query=query)(law)
    law()
    assert found["approx, compared"] >= 8, found


@pytest.mark.xfail(
    strict=True, reason="count_if is a count at the nodes: 0 of no value, where DuckDB 2.0 says NULL"
)
def test_count_if_of_no_row_is_null(worlds: Worlds) -> None:
    """DuckDB's count_if sums truths, so that no truth at all gives NULL and not 0."""
    world = worlds.world(shape_of(0, None))
    text = "SELECT count_if(crp > 1) AS n, count_if(bmi > 20) FILTER (crp > 1) AS m FROM samples"
    assert rows_of(world.federation.sql(text).table) == world.pooled.run(text)[2]


def test_the_oracle_shares_no_code_with_the_lake() -> None:
    """What answers should be is computed without a line of goe_lake."""
    folder = Path(__file__).resolve().parent.parent / "oracle"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "goe_lake"], path
