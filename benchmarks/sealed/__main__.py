"""Sealed against open cells: the share of alleles that are told, by frequency, and what sealing costs.

One command simulates a cohort (`benchmarks/frequencies/cohort.py`), spreads its persons over nodes at
random, builds their lakes, and asks both ways in turn:

    python -m benchmarks.sealed --folder FOLDER
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

import goe_lake
from goe_lake.config import read_node
from goe_lake.federation import Federation
from goe_lake.lake import ingest

sys.path.insert(0, str(Path(__file__).parents[1] / "frequencies"))
from cohort import POPULATIONS, Cohort, make_cohort

CODES = [
    "AT",
    "BE",
    "BG",
    "CY",
    "CZ",
    "DE",
    "DK",
    "EE",
    "ES",
    "FI",
    "FR",
    "GR",
    "HR",
    "HU",
    "IE",
    "IS",
    "IT",
    "LT",
    "LU",
    "LV",
    "MT",
    "NL",
    "NO",
    "PL",
    "PT",
    "RO",
    "SE",
    "SI",
    "SK",
]
BY_SITE = "SELECT variant_id, sum(dosage) AS ac, sum(called_alleles) AS an FROM genotypes GROUP BY variant_id"
BY_POPULATION = (
    "SELECT g.variant_id, s.population, sum(g.dosage) AS ac, sum(g.called_alleles) AS an FROM genotypes g "
    "JOIN samples s ON g.sample_id = s.sample_id GROUP BY g.variant_id, s.population"
)
EDGES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)
# the benchmark asks more than a project may in a day
BUDGET = (
    "[budget]\nqueries_per_day = 1000000\ncells_per_day = 1000000000000\nrare_sites_per_day = 1000000000\n"
)
NODE = """[node]
country = "{code}"
policy = "{policy}"
lake = "lake"
[[genotypes]]
files = ["calls.vcf.gz"]
absent_sites = "hom_ref"
format_fields = []
[samples]
file = "samples.tsv"
[samples.columns.population]
values = [{labels}]
nullable = false
"""


@dataclass(frozen=True)
class Cost:
    """Wall and processor seconds of one question."""

    wall: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where files are made, and kept")
    parser.add_argument("--persons", type=int, default=2_500, help="a multiple of 5 (default: 2500)")
    parser.add_argument("--sites", type=int, default=100_000, help="the most sites (default: 100000)")
    parser.add_argument("--nodes", type=int, default=5, help="3 to 29 (default: 5)")
    parser.add_argument("--repeats", type=int, default=5, help="questions of each kind, in turn (default: 5)")
    parser.add_argument("--plot", type=Path, help="write the shares as an SVG chart")
    chosen = parser.parse_args()
    cohort = make_cohort(chosen.folder / f"persons{chosen.persons}", chosen.persons, chosen.sites)
    folder = chosen.folder / f"persons{chosen.persons}-nodes{chosen.nodes}"
    tomls = make_nodes(folder, cohort, CODES[: chosen.nodes])
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()}"
    )
    print(f"{chosen.persons:,} persons over {chosen.nodes} nodes, up to {chosen.sites:,} sites, k = 10\n")
    listed = goe_lake.open_federation([toml.with_name("open.toml") for toml in tomls]).site_list.sites
    for toml in tomls:
        shutil.rmtree(toml.parent / "lake" / "listed", ignore_errors=True)  # of an earlier run
    shares = {
        "open": share_told(opened(tomls, sealed=False), tomls),
        "sealed": share_told(opened(tomls), tomls),
        "sealed, all sites listed": share_told(opened(tomls, listed), tomls),
        "sealed, after a round": share_told(after_a_round(tomls), tomls),
    }
    report_shares(shares)
    if chosen.plot:
        plot(shares, chosen.plot)
    report_costs(opened(tomls, listed), opened(tomls, listed, sealed=False), chosen.repeats)


def opened(tomls: list[Path], listed: object = None, *, sealed: bool = True) -> Federation:
    federation = goe_lake.open_federation(tomls, sealed=sealed)
    if listed is not None:
        federation.keep_listed(listed)
    return federation


def after_a_round(tomls: list[Path]) -> Federation:
    federation = opened(tomls)
    before, cost = federation.site_list.sites.num_rows, Cost(time.perf_counter(), time.process_time())
    found = federation.list_sites()
    wall, cpu = time.perf_counter() - cost.wall, time.process_time() - cost.cpu
    print(
        f"a round finds {found.sites.num_rows:,} sites beside {before:,} listed ones in {wall:.1f} s, "
        f"{cpu:.1f} s of processor\n"
    )
    return federation


def make_nodes(folder: Path, cohort: Cohort, codes: list[str]) -> list[Path]:
    """A lake for each of *codes*, with an open.toml beside it whose protection is off."""
    place = np.random.default_rng(3).integers(0, len(codes), cohort.persons)
    tomls = []
    labels = ", ".join(f'"{population}"' for population in POPULATIONS)
    for number, code in enumerate(codes):
        node = folder / code.lower()
        tomls.append(node / "node.toml")
        if (node / "lake" / "CURRENT").is_file():
            continue
        node.mkdir(parents=True, exist_ok=True)
        mine = [row for row, at in zip(cohort.strata(), place, strict=True) if at == number]
        (node / "names.txt").write_text("\n".join(name for name, _, _ in mine) + "\n")
        rows = ["sample_id\tpopulation\tsex", *("\t".join(row) for row in mine)]
        (node / "samples.tsv").write_text("\n".join(rows) + "\n")
        command = ["bcftools", "view", "-I", "-S", "names.txt", "-Oz", "-o", "calls.vcf.gz", str(cohort.vcf)]
        subprocess.run(command, cwd=node, check=True)
        (node / "policy.toml").write_text(f"version = 1\n{BUDGET}")
        (node / "off.toml").write_text('version = 1\nprotection = "off"\n')
        for name, policy in (("node.toml", "policy.toml"), ("open.toml", "off.toml")):
            (node / name).write_text(NODE.format(code=code, policy=policy, labels=labels))
        ingest(read_node(node / "node.toml"), min_label_persons=1)
        print(f"built {node}", file=sys.stderr, flush=True)
    return tomls


def share_told(
    federation: Federation, tomls: list[Path]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How many alleles there are in each bin of frequency, and of how many AC is told."""
    truth = goe_lake.open_federation([toml.with_name("open.toml") for toml in tomls]).sql(BY_SITE).table
    found = federation.sql(BY_SITE).table
    told = {
        name for name, ac in zip(*(found.column(c).to_pylist() for c in ("variant_id", "ac")), strict=True)
        if ac is not None
    }  # fmt: skip
    names = truth.column("variant_id").to_pylist()
    frequency = truth.column("ac").to_numpy().astype(float) / truth.column("an").to_numpy().astype(float)
    known = np.array([name in told for name in names])
    edges = np.array(EDGES) + 1e-12
    return np.histogram(frequency, edges)[0], np.histogram(frequency[known], edges)[0]


def bins() -> list[str]:
    return [f"{low:.1%} to {high:.1%}" for low, high in pairwise(EDGES)]


def report_shares(shares: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]) -> None:
    print(f"| allele frequency | alleles | {' | '.join(shares)} |")
    print(f"|---|---:|{'---:|' * len(shares)}")
    everything = next(iter(shares.values()))[0]
    for place, name in enumerate(bins()):
        told = " | ".join(f"{part[place] / max(1, whole[place]):.1%}" for whole, part in shares.values())
        print(f"| {name} | {everything[place]:,} | {told} |")
    print()


def plot(shares: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from goe_lake.products.plots import COLOURS, STYLE

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        axes = figure.subplots()
        at = np.arange(len(EDGES) - 1)
        for number, (name, (whole, part)) in enumerate(shares.items()):
            heights = 100 * part / np.maximum(1, whole)
            width = 0.84 / len(shares)
            place = at + width * (number - (len(shares) - 1) / 2)
            axes.bar(place, heights, 0.94 * width, label=name, color=COLOURS[number])
        axes.set_xticks(at, bins(), rotation=20)
        axes.set_ylabel("alleles whose count is told (%)")
        axes.set_xlabel("allele frequency in all nodes")
        axes.legend(frameon=False, ncols=len(shares), loc="lower center", bbox_to_anchor=(0.5, 1.0))
        figure.savefig(path, metadata={"Date": None})


def report_costs(sealed: Federation, in_the_open: Federation, repeats: int) -> None:
    """Both in turn, so that both have the machine as it is; each was asked once before."""
    print("| question | sealed, s | open, s | wall, ratio | processor, ratio |")
    print("|---|---:|---:|---:|---:|")
    for name, text in (("by site", BY_SITE), ("by site and population", BY_POPULATION)):
        costs: dict[str, list[Cost]] = {"sealed": [], "open": []}
        for turn in range(repeats + 1):
            for kind, federation in (("sealed", sealed), ("open", in_the_open)):
                cost = cost_of(federation, text)
                if turn:
                    costs[kind].append(cost)
        wall = {kind: statistics.median(cost.wall for cost in found) for kind, found in costs.items()}
        cpu = {kind: statistics.median(cost.cpu for cost in found) for kind, found in costs.items()}
        ratios = f"{wall['sealed'] / wall['open']:.2f} | {cpu['sealed'] / cpu['open']:.2f}"
        print(f"| {name} | {wall['sealed']:.2f} | {wall['open']:.2f} | {ratios} |")


def cost_of(federation: Federation, text: str) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    federation.sql(text)
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


if __name__ == "__main__":
    main()
