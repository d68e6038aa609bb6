"""What the overlap audit keeps: in the ledger's transaction, for every process, through snapshots."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from goe_lake.disclosure.earlier import COUNT, Record
from goe_lake.disclosure.earlier_sites import SiteRecord
from goe_lake.disclosure.overlap import distance, selection_of
from goe_lake.federation.overlap import OverlapStore
from tests.attacks.sequences.worlds import World

WITH, WITHOUT = "birth_year % 4 = 3", "(birth_year - 1940) % 4 = 3"


def connection(path: Path | str = ":memory:") -> sqlite3.Connection:
    """A database of its own, with the tables."""
    opened = sqlite3.connect(path, isolation_level=None)
    OverlapStore().begin(opened)
    return opened


def of(numbers: list[int], codes: list[int] | None = None) -> Record:
    """A number told of some persons."""
    chosen = selection_of(np.array(numbers), np.array(codes or [1] * len(numbers), dtype=np.uint64))
    return Record(COUNT, chosen, len(numbers), f"{numbers[0]}")


def test_numbers_of_persons_outlast_snapshots() -> None:
    """Who is known keeps the number, whoever joins; who leaves keeps it too."""
    opened, store = connection(), OverlapStore()
    first = store.numbers(opened, ["b", "c"])
    then = store.numbers(opened, ["a", "b", "d"])
    assert then[1] == first[0]
    assert len({*first.tolist(), *then.tolist()}) == 4
    assert OverlapStore().numbers(opened, ["c", "b"]).tolist() == [first[1], first[0]]


def test_what_was_told_is_read_as_it_was() -> None:
    """Bitmaps, codes and values of any size, by a store that wrote them and by another."""
    opened, store = connection(), OverlapStore()
    records = [
        of([0, 3, 200]),
        of([1, 2, 3], [5, 7, 5]),
        Record("sum:x", of([4]).selection, -(10**30), "big"),
    ]
    store.record(opened, "p", "anna", records, ())
    for reader in (store, OverlapStore()):
        (memory,) = reader.memories(opened, ["p"])
        for kept, record in zip(memory.records.values(), records, strict=True):
            assert (kept.quantity, kept.value, kept.text) == (record.quantity, record.value, record.text)
            assert distance(kept.selection, record.selection) == 0
    assert store.projects(opened, "q", "anna") == ["p", "q"]
    assert store.projects(opened, "q", "") == ["q"]


def test_a_hundred_thousand_sites_are_one_selection_and_few_bytes() -> None:
    """AC at 100,000 sites keeps a selection once, the sites once, and some bytes a site."""
    opened, store = connection(), OverlapStore()
    chance = np.random.default_rng(1)
    pos = np.cumsum(chance.integers(1, 60, 100_000)).astype(np.uint64)
    sites = (
        (np.uint64(20) << np.uint64(58))
        | (pos << np.uint64(30))
        | chance.integers(0, 12, 100_000).astype(np.uint64)
    )
    everybody = selection_of(np.arange(10_000), np.ones(10_000, dtype=np.uint64))
    for _ in range(2):
        values = chance.integers(0, 20_000, 100_000)
        store.record(opened, "p", "", (), [SiteRecord((0, 1, 2), everybody, sites, values, "t")])
    (selections,), (lists,) = (
        opened.execute(f"SELECT count(*) FROM overlap_{name}").fetchone()
        for name in ("selections", "site_lists")
    )
    assert (selections, lists) == (1, 1)
    (size,) = opened.execute('SELECT sum(length("values")) FROM overlap_site_cells').fetchone()
    assert size < 2 * 300_000
    found = store.site_records(opened, ["p"], [(0, 1, 2)], int(sites[5]), int(sites[5]))
    assert len(found) == 2
    assert (found[0].sites == sites).all()
    assert (found[1].values == values).all()


def test_what_is_rolled_back_was_never_told() -> None:
    """A number that did not leave is no earlier number."""
    opened, store = connection(), OverlapStore()
    opened.execute("BEGIN IMMEDIATE")
    store.numbers(opened, ["a"])
    store.record(opened, "p", "", [of([1, 2])], ())
    opened.execute("ROLLBACK")
    assert not store.memories(opened, ["p"])[0].records
    store.numbers(opened, ["b"])
    store.record(opened, "p", "", [of([3, 4])], ())
    assert [record.text for record in store.memories(opened, ["p"])[0].records.values()] == ["3"]


@pytest.mark.usefixtures("audited")
def test_an_answer_is_remembered_by_the_next_process(tmp_path: Path) -> None:
    """A node that was opened anew tells what it told before."""
    world = World(tmp_path, "3.7", audit=True)
    told = world.open()("sum(ldl)", WITH)
    assert world.open()("sum(ldl)", WITHOUT) == told


@pytest.mark.usefixtures("audited")
def test_projects_that_nobody_approved_are_one(tmp_path: Path) -> None:
    """Whoever names another project for each question gets the same answers."""
    world = World(tmp_path, "3.7", audit=True)
    told = world.open("one")("sum(ldl)", WITH)
    assert world.open("another")("sum(ldl)", WITHOUT) == told
