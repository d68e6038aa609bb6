"""AC, AN and hom-alt counts of a union of strata at every site: the lake against plink2.

One command makes the cohort, ingests it, checks that both count the same, and times them in turn:

    python benchmarks/frequencies/run.py --persons 2500 --folder FOLDER
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from cohort import CONTIG, Cohort, make_cohort

import goe_lake
from goe_lake.config import read_node
from goe_lake.disclosure import Policy
from goe_lake.engine.evidence import gather
from goe_lake.engine.node import NodeEngine, parts_by_rows
from goe_lake.engine.relation import Reading
from goe_lake.engine.select import select_sites
from goe_lake.engine.session import open_session
from goe_lake.engine.sites import unite
from goe_lake.lake import open_snapshot
from goe_lake.query.pipeline import prepare

STRATA = (("FIN", "F"), ("FIN", "M"), ("GBR", "F"), ("GBR", "M"), ("IBS", "F"))
BY_STRATA = "population IN ('FIN', 'GBR') OR (population = 'IBS' AND sex = 'F')"
BY_PHENOTYPE = "bmi > 27"
FREQUENCIES = """
SELECT contig, pos, ref, alt, sum(dosage) AS ac, sum(called_alleles) AS an,
       count(*) FILTER (dosage = 2) AS hom
FROM genotypes JOIN samples USING (sample_id)
WHERE {where}
GROUP BY contig, pos, ref, alt
"""


@dataclass(frozen=True)
class Cost:
    """Wall and processor seconds of one run."""

    wall: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--persons", type=int, default=2_500, help="a multiple of 5 (default: 2500)")
    parser.add_argument("--sites", type=int, default=100_000, help="the most sites (default: 100000)")
    parser.add_argument("--folder", type=Path, required=True, help="where files are made, and kept")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each, in turn (default: 9)")
    parser.add_argument("--with-vcf", action="store_true", help="time plink2 from the VCF as well, once")
    parser.add_argument("--with-rows", action="store_true", help="time one row a site and person, once")
    arguments = parser.parse_args()
    folder = arguments.folder / f"persons{arguments.persons}"
    cohort = make_cohort(folder, arguments.persons, arguments.sites)
    prepare_files(cohort)
    bench = Bench(cohort)
    bench.check()
    costs: dict[str, list[Cost]] = {name: [] for name in bench.runs}
    for _ in range(arguments.repeats):
        for name, run in bench.runs.items():
            costs[name].append(cost(run))
    once = {"opening a federation and its first session": bench.opened}
    if arguments.with_vcf:
        once["plink2 --vcf"] = cost(lambda: plink(cohort, "strata", "--vcf", str(cohort.vcf)))
    if arguments.with_rows:
        once["NodeEngine, a row a site and person, listed sites"] = cost(bench.by_rows)
    report(bench, costs, once)


def cost(run: Callable[[], object]) -> Cost:
    """What *run* takes; processes that it starts included."""
    wall, cpu = time.perf_counter(), processor_seconds()
    run()
    return Cost(time.perf_counter() - wall, processor_seconds() - cpu)


def processor_seconds() -> float:
    """Processor seconds of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def prepare_files(cohort: Cohort) -> None:
    """The lake, plink2's own files, and the lists of persons that it keeps."""
    if not (cohort.folder / "lake" / "CURRENT").is_file():
        subprocess.run(["goe", "ingest", str(cohort.toml)], check=True)
    if not (cohort.folder / "cohort.pgen").is_file():
        made = ["--make-pgen", "--out", str(cohort.folder / "cohort")]
        subprocess.run(["plink2", "--vcf", str(cohort.vcf), *made], check=True, stdout=subprocess.DEVNULL)
    kept = [name for name, population, sex in cohort.strata() if (population, sex) in STRATA]
    rows = (line.split("\t") for line in (cohort.folder / "samples.tsv").read_text().splitlines()[1:])
    heavy = [row[0] for row in rows if float(row[3]) > 27]
    for name, samples in (("strata", kept), ("phenotype", heavy)):
        (cohort.folder / f"{name}.txt").write_text("#IID\n" + "\n".join(samples) + "\n")


def plink(cohort: Cohort, kept: str, *source: str) -> None:
    """Allele and genotype counts of the kept persons by plink2, as a process of its own."""
    command = ["plink2", *source, "--keep", str(cohort.folder / f"{kept}.txt"), "--threads", "2"]
    out = ["--freq", "counts", "--geno-counts", "--out", str(cohort.folder / kept)]
    subprocess.run([*command, *out], check=True, stdout=subprocess.DEVNULL)


def plink_counts(cohort: Cohort, kept: str) -> list[tuple[int, int, int]]:
    """What plink2 counted at each site, in order: AC, AN and hom-alt."""
    lines = (cohort.folder / f"{kept}.gcount").read_text().splitlines()[1:]
    counts = [tuple(int(value) for value in line.split("\t")[4:7]) for line in lines]
    return [(het + 2 * alt, 2 * (ref + het + alt), alt) for ref, het, alt in counts]


class Bench:
    """The ways to the same counts, each ready to run."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self.snapshot = open_snapshot(read_node(cohort.toml).lake)
        self.opened = cost(self._open)
        self.protected, self.open = self._engine(Policy()), self._engine(Policy(protection="off"))
        self.releases = {
            where: prepare(FREQUENCIES.format(where=where), self.snapshot.catalog).releases[0]
            for where in (BY_STRATA, BY_PHENOTYPE)
        }
        self.connection = duckdb.connect()
        federation = "embedded federation, strata, listed sites"
        self.runs: dict[str, Callable[[], object]] = {
            "plink2 --pfile": lambda: self.plink("strata"),
            "strata files as bare SQL, every site": self.bare_sql,
            "NodeEngine, strata, every site": lambda: self.ask(self.open, BY_STRATA),
            "NodeEngine, strata, listed sites": lambda: self.ask(self.protected, BY_STRATA),
            "NodeEngine, bmi > 27, every site": lambda: self.ask(self.open, BY_PHENOTYPE),
            "NodeEngine, bmi > 27, listed sites": lambda: self.ask(self.protected, BY_PHENOTYPE),
            federation: lambda: self.federation.sql(FREQUENCIES.format(where=BY_STRATA)),
        }

    def _open(self) -> None:
        self.federation = goe_lake.open_federation([self.cohort.toml], project="benchmark")
        self.federation.sql("SELECT count(*) AS n FROM samples")

    def _engine(self, policy: Policy) -> NodeEngine:
        engine = NodeEngine("NODE", self.snapshot, policy)
        engine.lay(unite([engine.offer_sites()]))
        return engine

    def plink(self, kept: str) -> None:
        """plink2 from its own files."""
        plink(self.cohort, kept, "--pfile", str(self.cohort.folder / "cohort"))

    def ask(self, engine: NodeEngine, where: str) -> pa.Table:
        """The controlled cells at one node."""
        return engine.answer(self.releases[where], "benchmark", "query").cells

    def by_rows(self) -> None:
        """The same from one row a site and person, as for questions that classes cannot answer."""
        session = open_session(self.snapshot, unite([self.protected.offer_sites()]), None)
        reading = Reading(self.releases[BY_STRATA], session)
        for _ in parts_by_rows(reading, select_sites(reading, Policy().min_persons), Policy(), gather):
            pass

    def bare_sql(self) -> pa.Table:
        """The strata files summed by DuckDB: no site list, no control, nothing else."""
        (file,) = self.snapshot.files("strata", CONTIG)
        return self.connection.sql(
            "SELECT pos, ref, alt, sum(het + 2 * hom_alt + hemi) AS ac, sum(an) AS an, sum(hom_alt) AS hom "
            f"FROM read_parquet('{file}') WHERE {BY_STRATA} GROUP BY pos, ref, alt"
        ).to_arrow_table()

    def check(self) -> None:
        """plink2 and the node count the same: at every site, and wherever the node tells a number."""
        for where, kept in ((BY_STRATA, "strata"), (BY_PHENOTYPE, "phenotype")):
            self.plink(kept)
            expected = plink_counts(self.cohort, kept)
            places = {int(pos): place for place, pos in enumerate(self._positions())}
            for engine, every in ((self.open, True), (self.protected, False)):
                cells = self.ask(engine, where)
                found = zip(
                    *(cells.column(name).to_pylist() for name in ("k1", "m0", "m1", "m2")), strict=True
                )
                for pos, *values in found:
                    pairs = zip(values, expected[places[pos]], strict=True)
                    if any(value is not None and int(value) != count for value, count in pairs):
                        sys.exit(
                            f"{where}: position {pos} has {values}, and {expected[places[pos]]} by plink2"
                        )
                if every and len(cells) != len(expected):
                    sys.exit(f"{len(cells)} cells for {len(expected)} sites")
                print(f"{where}: {len(cells)} cells agree with plink2")

    def _positions(self) -> list[str]:
        lines = (self.cohort.folder / "cohort.pvar").read_text().splitlines()
        return [line.split("\t")[1] for line in lines if not line.startswith("#")]


def report(bench: Bench, costs: dict[str, list[Cost]], once: dict[str, Cost]) -> None:
    """Print medians and their ratios to plink2."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GB, load {os.getloadavg()[0]:.1f}")
    medians = {
        name: Cost(statistics.median(c.wall for c in some), statistics.median(c.cpu for c in some))
        for name, some in costs.items()
    }
    reference = medians["plink2 --pfile"]
    print(f"{'':50}  {'wall ms':>9} {'ratio':>7}  {'cpu ms':>9} {'ratio':>7}")
    for name, found in {**medians, **{f"{name} (once)": value for name, value in once.items()}}.items():
        wall, cpu = found.wall / reference.wall, found.cpu / reference.cpu
        print(f"{name:50}  {found.wall * 1e3:9.1f} {wall:7.3f}  {found.cpu * 1e3:9.1f} {cpu:7.3f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {peak:.2f} GB")


def processor() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
