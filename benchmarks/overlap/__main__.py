"""What the overlap audit costs an answer, in milliseconds of the processor and bytes of the ledger.

    python -m benchmarks.overlap [--earlier 10000] [--persons 10000]

A project was told so many numbers, each of another selection of persons; then answers of 1 to 1,000
cells are held to them and written down. *naive* compares with every earlier bitmap, one after the other.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np

from goe_lake.disclosure.earlier import COUNT, Claim, Record
from goe_lake.disclosure.earlier_sites import SiteClaim
from goe_lake.disclosure.overlap import Selection, distance, selection_of
from goe_lake.federation.overlap import OverlapAudit, OverlapStore

K = 10
KINDS = {"sizes differ": False, "all of one size": True}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--earlier", type=int, default=10_000)
    parser.add_argument("--persons", type=int, default=10_000)
    options = parser.parse_args()
    print(f"{options.earlier:,} earlier selections of {options.persons:,} persons, k = {K}")
    print(f"{'selections':<18}{'cells':>8}{'audit ms':>12}{'naive ms':>12}{'ledger bytes':>14}")
    for kind, alike in KINDS.items():
        for cells in (1, 10, 100, 1_000):
            milliseconds, naive, size = answer(options.earlier, options.persons, cells, alike=alike)
            told = f"{naive:>12.1f}" if naive is not None else f"{'':>12}"
            print(f"{kind:<18}{cells:>8,}{milliseconds:>12.1f}{told}{size:>14,}")
    for sites in (1_000, 100_000):
        milliseconds, size = at_sites(options.persons, sites)
        print(f"{'at sites':<18}{sites:>8,}{milliseconds:>12.1f}{'':>12}{size:>14,}")


def answer(earlier: int, persons: int, cells: int, *, alike: bool) -> tuple[float, float | None, int]:
    """Milliseconds of one answer, those of comparing with every earlier selection, and bytes written."""
    chance = np.random.default_rng(0)
    store = OverlapStore()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        connection = sqlite3.connect(file, isolation_level=None)
        audit = OverlapAudit(store, connection, "bench", "", K)
        connection.execute("BEGIN")
        audit.numbers([f"P{number}" for number in range(persons)])
        selections = [some_of(persons, chance, alike=alike) for _ in range(earlier)]
        told = [Record(COUNT, one, one.persons, f"{n}") for n, one in enumerate(selections)]
        store.record(connection, "bench", "", told, ())
        connection.execute("COMMIT")
        before = size_of(connection)
        # who is told something by one key: persons in one cell only
        edges = np.sort(chance.choice(persons, cells - 1, replace=False)) if cells > 1 else np.empty(0)
        key = np.searchsorted(edges, chance.permutation(persons))
        claims = [claim(np.flatnonzero(key == number), number) for number in range(cells)]
        if cells == 1:
            claims = [claim(np.flatnonzero(chance.random(persons) < 0.5), 0)]
        everybody = Record(
            COUNT, selection_of(np.arange(persons), np.ones(persons, np.uint64)), persons, "all"
        )
        # an answer before warms what a running node has in memory
        audit.judge(claims[:1], (), everybody, no_scan)
        start = time.process_time()
        connection.execute("BEGIN")
        audit.judge(claims, (), everybody, no_scan)
        connection.execute("COMMIT")
        spent = (time.process_time() - start) * 1000
        return spent, naive_of(claims, selections) if cells <= 10 else None, size_of(connection) - before


def some_of(persons: int, chance: np.random.Generator, *, alike: bool) -> Selection:
    """A selection of about a half, or of just a half."""
    if alike:
        numbers = np.sort(chance.permutation(persons)[: persons // 2])
    else:
        numbers = np.flatnonzero(chance.random(persons) < chance.uniform(0.05, 0.95))
    return selection_of(numbers, np.ones(len(numbers), np.uint64))


def claim(numbers: np.ndarray, place: int) -> Claim:
    """One cell."""
    chosen = selection_of(numbers, np.ones(len(numbers), np.uint64))
    return Claim(COUNT, chosen, len(numbers), f"new {place}", family=0, keys=(place,))


def naive_of(claims: list[Claim], selections: list[Selection]) -> float:
    """Milliseconds of comparing each with every earlier selection."""
    start = time.process_time()
    for one in claims:
        for other in selections:
            distance(one.selection, other)
    return (time.process_time() - start) * 1000


def at_sites(persons: int, sites: int) -> tuple[float, int]:
    """Milliseconds and bytes of an answer at so many sites to which nothing was told before."""
    chance = np.random.default_rng(0)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    audit = OverlapAudit(OverlapStore(), connection, "bench", "", K)
    audit.numbers([f"P{number}" for number in range(persons)])
    everybody = selection_of(np.arange(persons), np.ones(persons, np.uint64))
    before = size_of(connection)
    position = np.cumsum(chance.integers(1, 60, sites)).astype(np.uint64)
    alleles = chance.integers(0, 12, sites).astype(np.uint64) * np.uint64(89_478_485)
    keys = (np.uint64(20) << np.uint64(58)) | (position << np.uint64(30)) | alleles
    values = chance.integers(K, 2 * persons, sites)
    asked = [SiteClaim((0, 0, 0, 1, 2, 1), everybody, keys, values, "ac")]
    start = time.process_time()
    audit.judge((), asked, Record(COUNT, everybody, persons, "all"), no_scan)
    return (time.process_time() - start) * 1000, size_of(connection) - before


def size_of(connection: sqlite3.Connection) -> int:
    """How many bytes the database has."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (each,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages * each)


def no_scan(*_: object) -> np.ndarray:
    """There are no calls here."""
    raise NotImplementedError


if __name__ == "__main__":
    main()
