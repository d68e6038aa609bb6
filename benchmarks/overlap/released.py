"""What a release of frequencies costs a node, and the answers that are held to it from then on.

    python -m benchmarks.overlap.released [--persons 1000]

One country of the demo's cohort is asked for AC at all of its listed sites, by a stranger each time:
before its release of frequencies, when nothing was told, and after it.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.overlap.__main__ import size_of
from benchmarks.overlap.day import cohort
from goe_lake import open_federation
from goe_lake.config import read_node
from goe_lake.federation.ledger.store import FILE

QUERIES = {
    "AC of all": "SELECT contig, pos, ref, alt, sum(dosage) AS ac {} GROUP BY ALL",
    "AC by population": "SELECT contig, pos, ref, alt, population, sum(dosage) AS ac {} GROUP BY ALL",
    "AC at one site": "SELECT sum(dosage) AS ac {} AND contig = '{contig}' AND pos = {pos}",
}
FROM = "FROM samples JOIN genotypes USING (sample_id) WHERE country = 'EE'"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--persons", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        node = cohort(Path(home) / "cohort", options.persons)[0].parent
        federation = open_federation([node / "node.toml"], project="demo")
        sites = federation.sql("SELECT contig, pos FROM variants").table
        site = sites.slice(0, 1).to_pylist()[0]
        queries = {name: text.format(FROM, **site) for name, text in QUERIES.items()}
        before = {name: asked(node, text) for name, text in queries.items()}
        size = size_of_ledger(node)
        making = spent(federation.release_frequencies)
        grown = size_of_ledger(node) - size
        after = {name: asked(node, text) for name, text in queries.items()}
        print(f"{options.persons:,} persons, {sites.num_rows:,} sites")
        print(f"the release: {making:,.0f} ms, {grown:,} bytes of the ledger")
        for name, milliseconds in before.items():
            print(f"{name:<20}{milliseconds:>10,.0f} ms before{after[name]:>10,.0f} ms after")


def asked(node: Path, text: str) -> float:
    """Milliseconds of the answer to *text* by an open copy of *node* that was asked nothing of sites."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(node, Path(folder) / "node"))
        federation = open_federation([copy / "node.toml"], project="demo")
        federation.sql("SELECT count(*) AS n FROM samples")
        return spent(lambda: federation.sql(text))


def spent(work: Callable[[], object]) -> float:
    """Milliseconds of the processor that *work* takes."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


def size_of_ledger(node: Path) -> int:
    """How many bytes the ledger has, without what waits to be written into its file."""
    file = read_node(node / "node.toml").ledger / FILE
    if not file.is_file():
        return 0
    connection = sqlite3.connect(file)
    try:
        return size_of(connection)
    finally:
        connection.close()


if __name__ == "__main__":
    main()
