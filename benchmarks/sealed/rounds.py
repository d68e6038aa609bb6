"""What a round that lists sites costs: nodes in one process, each with so many rare sites, drawn at random.

python -m benchmarks.sealed.rounds --nodes 5 --tokens 1000000
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console

from goe_lake.engine.unlisted import UNLISTED
from goe_lake.federation.listing.search import search
from goe_lake.federation.listing.seat import ListingSeat
from goe_lake.federation.listing.standing import Surroundings
from goe_lake.federation.sealed_sums import Circle, Seat
from goe_lake.federation.sealing import KeyOf, key_pairs
from goe_lake.lake_console import IngestProgress

K = 10
BASES = "ACGT"
#: Carriers of an unlisted site in all nodes: most are of one person, as among genomes.
SPECTRUM = {1: 0.55, 2: 0.16, 3: 0.08, 4: 0.05, 6: 0.06, 9: 0.05, 14: 0.03, 25: 0.02}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, default=5, help="3 to 29 (default: 5)")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="sites of all nodes together")
    chosen = parser.parse_args()
    names = [f"NODE-{number:02}" for number in range(chosen.nodes)]
    tables, truth = make_tables(chosen.nodes, chosen.tokens)
    seats = seated(names, tables)
    held = sum(table.num_rows for table in tables)
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()}")
    print(f"{chosen.tokens:,} sites over {chosen.nodes} nodes ({held:,} held), k = {K}, all in one process")
    wall, cpu = time.perf_counter(), time.process_time()
    with IngestProgress(Console(stderr=True)) as progress:
        found = search(seats, CIRCLE[0], "", progress)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert found.sites.num_rows == truth, (found.sites.num_rows, truth)
    sent = sorted(found.sent.values())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"found {found.sites.num_rows:,} of {truth:,}; "
        f"tables of {', '.join(f'{places:,}' for places in found.tables)} places"
    )
    print(
        f"{wall:.1f} s, {cpu:.1f} s of processor, {cpu / chosen.nodes:.1f} s a node, {memory:.1f} GiB in all"
    )
    print(
        f"handed in: {sent[0] / 2**20:.1f} to {sent[-1] / 2**20:.1f} MiB a node, "
        f"{sum(sent) / 2**20:.1f} MiB in all"
    )


CIRCLE: list[Circle] = []


def seated(names: list[str], tables: list[pa.Table]) -> dict[str, Node]:
    sealers, keys = key_pairs(names), tuple(KeyOf(name, "in-memory") for name in names)
    CIRCLE[:] = [Circle("0" * 64, lambda _: keys)]
    return {
        name: Node(Seat(CIRCLE[0], sealers[name]), table) for name, table in zip(names, tables, strict=True)
    }


class Node:
    """A seat over a table of sites, with nothing else of a node."""

    def __init__(self, seat: Seat, table: pa.Table) -> None:
        here = Surroundings("1", "", K, lambda: table, lambda: None, lambda _: None, lambda _: "")
        self.list_sites = ListingSeat(seat, here).take


def make_tables(nodes: int, sites: int) -> tuple[list[pa.Table], int]:
    """The sites of each node, below k carriers everywhere; and how many reach k in all nodes."""
    random = np.random.default_rng(1)
    total = random.choice(list(SPECTRUM), p=list(SPECTRUM.values()), size=sites)
    counts = random.multinomial(total, np.full(nodes, 1 / nodes))
    counts = np.minimum(counts, K - 1)
    positions = 1 + np.arange(sites)
    ref = random.integers(0, 4, sites)
    alt = (ref + random.integers(1, 4, sites)) % 4
    tables = [table_of(positions, ref, alt, counts[:, node]) for node in range(nodes)]
    return tables, int((counts.sum(axis=1) >= K).sum())


def table_of(
    positions: npt.NDArray[np.int64],
    ref: npt.NDArray[np.int64],
    alt: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> pa.Table:
    here = np.flatnonzero(counts)
    refs, alts = (np.array(list(BASES))[part[here]] for part in (ref, alt))
    names = [f"chr1-{pos}-{r}-{a}" for pos, r, a in zip(positions[here], refs, alts, strict=True)]
    columns = [
        np.zeros(len(here), np.uint64), positions[here].astype(np.uint64), refs, alts, names,
        [sha256(name.encode()).digest() for name in names], counts[here].astype(np.uint16),
    ]  # fmt: skip
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, UNLISTED, strict=True)], UNLISTED)


if __name__ == "__main__":
    main()
