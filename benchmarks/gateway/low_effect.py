"""What the low-effect rule costs where nothing is left out: processor time with it over that without it.

    python -m benchmarks.gateway.low_effect --folder FOLDER

Conditions that keep about half of the persons are asked of one country in turns, by two engines over one
lake: one as it is, and one that tries no part of a condition.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Final
from unittest import mock

from benchmarks.gateway.__main__ import built
from goe_lake.config import read_node
from goe_lake.disclosure import Policy
from goe_lake.engine import node as engine_node
from goe_lake.engine.node import NodeEngine
from goe_lake.engine.sites import unite
from goe_lake.lake import open_snapshot
from goe_lake.query import prepare

BY_SEX: Final = "SELECT sex, count(*) AS n, avg(ldl) AS m FROM samples {} GROUP BY sex"
BY_SITE: Final = (
    "SELECT variant_id, {} FROM genotypes JOIN samples USING (sample_id) "
    "WHERE birth_year > 1970 GROUP BY variant_id"
)
QUESTIONS: Final = {
    "no condition": BY_SEX.format(""),
    "one condition": BY_SEX.format("WHERE birth_year > 1970"),
    "four conditions": BY_SEX.format("WHERE (birth_year > 1970 OR bmi > 27) AND (ldl < 3.5 OR bmi < 27)"),
    "three filters": "SELECT count(*) FILTER (sex = 'F') AS f, count(*) FILTER (birth_year > 1970) AS y, "
    "avg(ldl) FILTER (bmi > 27) AS m FROM samples",
    "alleles by site, one condition": BY_SITE.format("sum(dosage) AS ac, sum(called_alleles) AS an"),
    "heterozygotes by site, a condition and a filter": BY_SITE.format("count(*) FILTER (dosage = 1) AS het"),
}


def main() -> None:
    """Build what is missing, and time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the countries are made, and kept")
    parser.add_argument("--persons", type=int, default=1000, help="persons a country (default: 1000)")
    parser.add_argument("--repeats", type=int, default=15, help="runs of each, in turn (default: 15)")
    options = parser.parse_args()
    toml = built(options.folder / f"persons{options.persons}", options.persons)[0]
    engine = NodeEngine("BENCH", open_snapshot(read_node(toml).lake), Policy())
    engine.lay(unite([engine.offer_sites()]))
    print("| question | without the rule, ms | with it, ms | ratio |\n|---|---:|---:|---:|")
    for name, text in QUESTIONS.items():
        off, on = in_turn(engine, text, options.repeats)
        print(f"| {name} | {off:.1f} | {on:.1f} | {on / off:.2f} |")


def in_turn(engine: NodeEngine, text: str, repeats: int) -> tuple[float, float]:
    """Median processor milliseconds of the release of *text*, without the rule and with it."""
    (release,) = prepare(text, engine.snapshot.catalog).releases
    times: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(repeats + 1):
        for rule in (False, True):
            began = time.process_time()
            if rule:
                engine.draft(release, "demo", "bench")
            else:
                with mock.patch.object(engine_node, "least_effect", return_value=0):
                    engine.draft(release, "demo", "bench")
            if turn:  # the first of each opens files
                times[rule].append(1000 * (time.process_time() - began))
    return statistics.median(times[False]), statistics.median(times[True])


if __name__ == "__main__":
    main()
