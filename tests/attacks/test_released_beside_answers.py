"""Attacks on released frequencies and answers together: what was released is an earlier number for everyone.

Two worlds differ in what the one who joins has. Each attack tells it where answers are not held to
released tables, and says the same in both worlds where they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.federation import Federation, node
from goe_lake.federation.ledger import Ledger
from goe_lake.lake.purge import purge
from tests.attacks.released import SITE, World, planted
from tests.conftest import with_the_audit

BASE = [*planted(0, 60, "0/1"), *planted(100, 60, "1/1"), *planted(200, 80), *planted(300, 60, sex="M")]
BASE += [*planted(400, 40, "0/1", population="B"), *planted(500, 40, population="B")]
TARGETS = [planted(90_000, 1, "0/1"), planted(90_000, 1, "0/0")]
FROM = "FROM samples JOIN genotypes USING (sample_id) WHERE country = 'EE' AND contig = 'chr20' AND pos = 100"
HET, HOM = (f"count(*) FILTER (WHERE dosage = {copies})" for copies in (1, 2))


def ask(world: World, select: str, more: str = "") -> list[dict[str, Any]]:
    """What a stranger of another project is told."""
    return opened(world).sql(f"SELECT {select} {FROM} {more}").table.to_pylist()


def by_allele_count(world: World) -> int | None:
    """AC of all, less the released one."""
    (row,) = ask(world, "sum(dosage) AS x")
    return less(row["x"], world.ac(0))


def by_population(world: World) -> int | None:
    """The same of one group of a table."""
    rows = ask(world, "population, sum(dosage) AS x", "GROUP BY population")
    return less({row["population"]: row["x"] for row in rows}.get("A"), world.ac(0, ("A", "all")))


def by_population_and_sex(world: World) -> int | None:
    """The same of women of one population."""
    (row,) = ask(world, "sum(dosage) AS x", "AND sex = 'F' AND population = 'A'")
    return less(row["x"], world.ac(0, ("A", "F")))


def by_class(world: World) -> int | None:
    """Heterozygous persons, less those that were released."""
    (row,) = ask(world, f"{HET} AS x")
    return less(row["x"], world.seen[0][SITE, ("all", "all")]["n_het"])


def by_mean(world: World) -> int | None:
    """The mean dosage times the public number of called persons."""
    (row,) = ask(world, "avg(dosage) AS x, sum(called_alleles) / 2 AS n")
    return None if row["x"] is None else less(round(row["x"] * row["n"]), world.ac(0))


def less(one: int | None, other: int | None) -> int | None:
    """*one* less *other*; None where one of them is not told."""
    return None if one is None or other is None else int(one) - int(other)


pytestmark = pytest.mark.usefixtures("audited")
ATTACKS = (by_allele_count, by_population, by_population_and_sex, by_class, by_mean)


def found(attack: Callable[[World], int | None], worlds: Sequence[World], folder: Path) -> list[int | None]:
    """What *attack* finds in a copy of each of *worlds*."""
    return [attack(copied(world, folder / str(place))) for place, world in enumerate(worlds)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_who_joined_since_the_release(
    attack: Callable[[World], int | None],
    joined: Sequence[World],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next snapshot less the released row tells the carrier; nothing where rows are earlier numbers."""
    one, other = found(attack, joined, tmp_path / "held")
    assert one == other
    monkeypatch.setattr(node, "hold_to", lambda *_: None)
    for world in joined:
        forget(world)
    assert found(attack, joined, tmp_path / "apart") == [1, 0]


@pytest.fixture
def joined(next_snapshots: Sequence[World], tmp_path: Path) -> list[World]:
    """Copies of the two worlds."""
    return [copied(world, tmp_path / f"world{place}") for place, world in enumerate(next_snapshots)]


@pytest.fixture(scope="module")
def next_snapshots(tmp_path_factory: pytest.TempPathFactory) -> list[World]:
    """A node that made a release, and has one person more since: of either kind."""
    worlds = []
    with with_the_audit():
        for place, target in enumerate(TARGETS):
            world = World(tmp_path_factory.mktemp(f"world{place}"))
            world.releases(BASE)
            world.built(BASE, target)
            worlds.append(world)
    return worlds


def copied(world: World, folder: Path) -> World:
    """A copy of *world*."""
    shutil.copytree(world.folder, folder)
    return World(folder, seen=world.seen)


def test_a_repeated_row_is_marked_and_enough_who_join_are_not_held_back(tmp_path: Path) -> None:
    """One more person is the released value, `≈`; twenty carriers and twenty others are a new one."""
    world = World(tmp_path)
    world.releases(BASE)
    released = world.ac(0)
    world.built(BASE, TARGETS[0])
    assert told(world, "sum(dosage)") == (released, "approx")
    group = "FROM samples WHERE country = 'EE' AND population = 'A'"
    assert told(world, "count(*)", group) == (world.seen[0][SITE, ("A", "all")]["n_persons"], "approx")
    world.built(BASE, [*planted(91_000, 20, "0/1"), *planted(92_000, 20)])
    assert told(world, "sum(dosage)") == (released + 20, "ok")


@pytest.mark.parametrize("group", ["", "population", "sex"])
@pytest.mark.parametrize(
    "measures", ["sum(dosage) AS x, count(*) AS n, avg(dosage) AS m", f"{HET} AS x, {HOM} AS y"]
)
def test_the_same_persons_in_the_same_words_stay_as_they_are(
    world: World, silent: World, measures: str, group: str
) -> None:
    """A release of what is asked changes neither a value nor a mark."""
    keys, by = (f"{group}, ", f"GROUP BY {group} ORDER BY {group}") if group else ("", "")
    answers = [opened(one).sql(f"SELECT {keys}{measures} {FROM} {by}") for one in (world, silent)]
    values, statuses = ([getattr(one, name).to_pylist() for one in answers] for name in ("table", "status"))
    assert values[0] == values[1]
    assert statuses[0] == statuses[1]
    assert "ok" in {row["x"] for row in statuses[0]}


def test_other_words_for_the_same_persons_are_marked(world: World) -> None:
    """Whether nobody or few differ must not be seen."""
    assert told(world, "sum(dosage)", f"{FROM} AND (sex = 'F' OR sex = 'M')") == (world.ac(0), "approx")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A node that made one release."""
    world = World(tmp_path_factory.mktemp("released"))
    with with_the_audit():
        world.releases(BASE)
    return world


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same node, which made no release."""
    world = World(tmp_path_factory.mktemp("built"))
    world.built(BASE)
    return world


@pytest.fixture
def silent(built: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copied(built, tmp_path / "silent")


@pytest.fixture
def world(released: World, tmp_path: Path) -> World:
    """A copy of it."""
    return copied(released, tmp_path / "node")


def told(world: World, select: str, source: str = FROM) -> tuple[Any, str]:
    """One number and its status."""
    answer = opened(world).sql(f"SELECT {select} AS x {source}")
    (value,), (status,) = (table.column("x").to_pylist() for table in (answer.table, answer.status))
    return value, status


def opened(world: World) -> Federation:
    """The node, for a stranger of another project."""
    return open_federation([world.folder / "node.toml"], project="other", analyst="stranger")


def test_a_release_of_before_is_compared_as_soon_as_somebody_asks(tmp_path: Path) -> None:
    """A ledger that knows nothing of the release learns it from the snapshot of the release."""
    world = World(tmp_path)
    world.releases(BASE)
    forget(world)
    world.built(BASE, TARGETS[0])
    assert told(world, "sum(dosage)") == (world.ac(0), "approx")


def test_a_release_whose_snapshot_is_gone_is_named_in_the_log(tmp_path: Path) -> None:
    """Nobody knows any more who is behind it: the log says so once, and answers are as they were without."""
    world = World(tmp_path)
    world.releases(BASE)
    forget(world)
    config = world.built(BASE, TARGETS[0])
    assert purge(config).ended
    for _ in range(2):
        assert told(world, "sum(dosage)") == (221, "ok")
    ledger = open_ledger(world)
    bodies = [json.loads(entry.body) for entry in ledger.entries("kind = ?", ("frequencies",))]
    ledger.close()
    assert [body["number"] for body in bodies if body.get("is_compared") is False] == [1]


def test_what_a_later_release_repeats_is_of_the_persons_it_was_computed_of(tmp_path: Path) -> None:
    """Few join, again and again: the row stands, in releases and answers, until enough joined."""
    world = World(tmp_path)
    world.releases(BASE)
    for joined in (3, 6):
        world.releases(BASE, planted(90_000, joined, "0/1"))
        assert told(world, "sum(dosage)") == (world.ac(0), "approx")
        assert world.ac(-1) == world.ac(0)
    world.releases(BASE, [*planted(90_000, 12, "0/1"), *planted(91_000, 12)])
    assert world.ac(-1) == world.ac(0) + 12
    assert told(world, "sum(dosage)") == (world.ac(-1), "ok")


def forget(world: World) -> None:
    """Make the ledger one that was written before released tables were compared."""
    ledger = open_ledger(world)
    with ledger.transaction() as transaction:
        for table in ("site_cells", "cells"):
            transaction.connection.execute(f"DELETE FROM overlap_{table}")
        for table in ("releases", "sealed"):
            transaction.connection.execute(f"DROP TABLE overlap_{table}")
    ledger.close()


def open_ledger(world: World) -> Ledger:
    """The node's ledger."""
    config = read_node(world.folder / "node.toml")
    return Ledger.open(config.ledger, config.lake, config.node_id)
