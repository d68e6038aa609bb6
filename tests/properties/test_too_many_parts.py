"""What nodes would turn down for its size is refused before any of them is asked."""

from __future__ import annotations

import pytest

import goe_lake
from goe_lake.engine.filters import MOST_LEAVES
from goe_lake.engine.relation import MOST_MEASURES
from tests.oracle.cohort import shape_of
from tests.properties.worlds import WatchedWorlds, Worlds


def _years(count: int) -> str:
    return ", ".join(str(1000 + place) for place in range(count))


def _pairs(count: int) -> str:
    return " OR ".join(f"(birth_year > {1000 + place} AND NOT visits > {place})" for place in range(count))


@pytest.fixture(scope="module")
def watched(worlds: Worlds) -> WatchedWorlds:
    """Worlds whose nodes note what leaves them."""
    return WatchedWorlds(worlds)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (f"SELECT count(*) AS n FROM samples WHERE birth_year IN ({_years(MOST_LEAVES + 1)})", 41),
        (f"SELECT count(*) AS n FROM samples WHERE {_pairs(MOST_LEAVES // 2 + 1)}", 42),
        (f"SELECT count(*) FILTER (WHERE NOT (t2d AND ({_pairs(130)}))) AS n FROM samples", 36),
        (
            "SELECT count(*) AS n FROM samples JOIN scores ON samples.sample_id = scores.sample_id "
            f"AND birth_year NOT IN ({_years(300)}) WHERE pgs_id = 'x'",
            40,
        ),
    ],
)
def test_long_conditions_are_refused_before_a_node_is_asked(
    text: str, column: int, watched: WatchedWorlds
) -> None:
    """The refusal points at the clause, says how many parts are too many, and what to write instead."""
    world, nodes = watched.world(shape_of(1, 5))
    asked = [len(node.left) for node in nodes]
    with pytest.raises(goe_lake.QueryRefused, match=f"beyond {MOST_LEAVES}") as refused:
        world.federation.sql(text)
    assert (refused.value.code, refused.value.line) == ("G601", 1)
    assert refused.value.column == column
    assert "BETWEEN" in refused.value.hint
    assert [len(node.left) for node in nodes] == asked


def test_more_numbers_than_a_release_has_are_refused(watched: WatchedWorlds) -> None:
    """Without protection as well."""
    world, _ = watched.world(shape_of(1, None))
    listed = ", ".join(
        f"count(*) FILTER (WHERE birth_year > {1900 + place})" for place in range(MOST_MEASURES + 1)
    )
    with pytest.raises(goe_lake.QueryRefused, match=f"beyond 20 or {MOST_MEASURES}") as refused:
        world.federation.sql(f"SELECT {listed} FROM samples")
    assert refused.value.code == "G601"


@pytest.mark.parametrize(
    ("condition", "k"),
    [
        (f"birth_year NOT IN ({_years(MOST_LEAVES)})", 5),
        (_pairs(MOST_LEAVES // 3), 5),
        (_pairs(MOST_LEAVES), None),
    ],
)
def test_as_many_parts_as_a_node_looks_at_are_answered(condition: str, k: int | None, worlds: Worlds) -> None:
    """A choice of values has as many parts as values; where no protection tries them, none are counted."""
    world = worlds.world(shape_of(1, k))
    text = f"SELECT count(*) AS n FROM samples WHERE {condition}"
    answer = world.federation.sql(text)
    told = answer.table.column("n").to_pylist()[0]
    assert told in (None, *(row[0] for row in world.pooled.run(text)[2]))


def test_sites_are_no_parts(worlds: Worlds) -> None:
    """Conditions on public columns choose no persons, however many there are."""
    world = worlds.world(shape_of(1, 5))
    text = f"SELECT count(*) AS n FROM genotypes WHERE dosage > 0 AND pos IN ({_years(400)})"
    assert world.federation.sql(text).table.num_rows == 1
