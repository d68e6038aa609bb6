"""Prints the persons whom the checks of sample_qc point at, one tab-separated line each.

`python -m dagster_project.quality node.toml` reads the published snapshot. Dagster keeps counts only, so that
nobody's name stays in its history; names are shown here, to whoever may read the lake.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dagster_project.quality.persons import LOWEST_CALL_RATE, Persons, count_persons
from goe_lake.config import read_node
from goe_lake.errors import GoeError
from goe_lake.lake import open_snapshot

HEAD = ("sample_id", "sex", "population", "call_rate", "het_rate", "x_inbreeding", "why")


def lines(persons: Persons) -> Iterator[tuple[str, ...]]:
    """One line for each person who is pointed at, with what the checks look at."""
    found = {
        f"call rate below {LOWEST_CALL_RATE:g}": persons.call_rate < LOWEST_CALL_RATE,
        "chrX of the other sex": persons.other_sex,
        "heterozygosity far from its population": persons.far_out,
    }
    rates = (persons.call_rate, persons.het_rate, persons.x_inbreeding)
    for at, sample in enumerate(persons.sample_ids):
        why = "; ".join(reason for reason, members in found.items() if members[at])
        if why:
            facts = (persons.sex[at] or "", persons.population[at] or "")
            yield (sample, *facts, *(f"{rate[at]:.6g}" for rate in rates), why)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the persons of the lake that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m dagster_project.quality", description=__doc__)
    parser.add_argument("node", type=Path, help="the node.toml of the node")
    chosen = parser.parse_args(arguments)
    try:
        persons = count_persons(open_snapshot(read_node(chosen.node).lake))
    except GoeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for line in (HEAD, *lines(persons)):
        sys.stdout.write("\t".join(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
