"""AC, AN and hom-alt counts of a union of strata at every site: the lake against plink2.

One command makes the cohort, ingests it, checks that both count the same, and times them in turn:

    python benchmarks/frequencies/run.py --persons 2500 --folder /tmp/frequencies
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from cohort import CONTIG, Cohort, make_cohort

import goe_lake
from goe_lake.config import read_node
from goe_lake.disclosure import Policy
from goe_lake.engine.node import NodeEngine, parts_by_rows
from goe_lake.engine.relation import Reading
from goe_lake.engine.select import select_sites
from goe_lake.engine.session import open_session
from goe_lake.engine.sites import unite
from goe_lake.lake import open_snapshot
from goe_lake.query.pipeline import prepare

CHOSEN = (("FIN", "F"), ("FIN", "M"), ("GBR", "F"), ("GBR", "M"), ("IBS", "F"))
WHERE = "population IN ('FIN', 'GBR') OR (population = 'IBS' AND sex = 'F')"
FREQUENCIES = """
SELECT contig, pos, ref, alt, sum(dosage) AS ac, sum(called_alleles) AS an,
       count(*) FILTER (dosage = 2) AS hom
FROM genotypes JOIN samples USING (sample_id)
WHERE {where}
GROUP BY contig, pos, ref, alt
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--persons", type=int, default=2_500, help="a multiple of 5 (default: 2500)")
    parser.add_argument("--sites", type=int, default=100_000, help="the most sites (default: 100000)")
    parser.add_argument("--folder", type=Path, required=True, help="where files are made, and kept")
    parser.add_argument("--repeats", type=int, default=9, help="runs of each, in turn (default: 9)")
    parser.add_argument("--with-vcf", action="store_true", help="time plink2 from the VCF as well, once")
    parser.add_argument("--with-rows", action="store_true", help="time one row a site and person, once")
    arguments = parser.parse_args()
    cohort = make_cohort(arguments.folder / f"persons{arguments.persons}", arguments.persons, arguments.sites)
    prepare_files(cohort)
    bench = Bench(cohort)
    bench.check()
    timings = {name: [] for name in bench.runs}
    for _ in range(arguments.repeats):
        for name, run in bench.runs.items():
            timings[name].append(seconds(run))
    once = {"opening a session": bench.opened}
    if arguments.with_vcf:
        once["plink2 from the VCF"] = seconds(lambda: plink(cohort, "--vcf", str(cohort.vcf)))
    if arguments.with_rows:
        once["NodeEngine, a row a site and person"] = seconds(bench.by_rows)
    report(bench, timings, once)


def seconds(run: Callable[[], object]) -> float:
    """Wall seconds of *run*."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def prepare_files(cohort: Cohort) -> None:
    """The lake, plink2's own files, and the list of persons that it keeps."""
    if not (cohort.folder / "lake" / "CURRENT").is_file():
        subprocess.run(["goe", "ingest", str(cohort.toml)], check=True)
    if not (cohort.folder / "cohort.pgen").is_file():
        names = ["--set-all-var-ids", "@:#:$r:$a", "--new-id-max-allele-len", "100"]
        subprocess.run(
            [
                "plink2",
                "--vcf",
                str(cohort.vcf),
                *names,
                "--make-pgen",
                "--out",
                str(cohort.folder / "cohort"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    kept = [name for name, population, sex in cohort.strata() if (population, sex) in CHOSEN]
    (cohort.folder / "kept.txt").write_text("#IID\n" + "\n".join(kept) + "\n")


def plink(cohort: Cohort, *source: str) -> None:
    """Allele and genotype counts of the kept persons by plink2, as a process of its own."""
    command = ["plink2", *source, "--keep", str(cohort.folder / "kept.txt")]
    out = ["--freq", "counts", "--geno-counts", "--threads", "2", "--out", str(cohort.folder / "plink")]
    subprocess.run([*command, *out], check=True, stdout=subprocess.DEVNULL)


def plink_counts(cohort: Cohort) -> dict[int, tuple[int, int, int]]:
    """What plink2 counted: AC, AN and hom-alt by position."""
    found = {}
    for line in (cohort.folder / "plink.gcount").read_text().splitlines()[1:]:
        fields = line.split("\t")
        position = int(fields[1].split(":")[1]) if ":" in fields[1] else int(fields[1])
        ref, het, alt = (int(value) for value in fields[4:7])
        found[position] = (het + 2 * alt, 2 * (ref + het + alt), alt)
    return found


class Bench:
    """The ways to the same counts, each ready to run."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self.snapshot = open_snapshot(read_node(cohort.toml).lake)
        start = time.perf_counter()
        self.federation = goe_lake.open_federation([cohort.toml], project="benchmark")
        self.federation.sql("SELECT count(*) AS n FROM samples")
        self.opened = time.perf_counter() - start
        self.protected = self._engine(Policy())
        self.open = self._engine(Policy(protection="off"))
        self.connection = duckdb.connect()
        self.by_strata = FREQUENCIES.format(where=WHERE)
        self.by_phenotype = FREQUENCIES.format(where="bmi > 27")
        self.runs: dict[str, Callable[[], object]] = {
            "plink2 --pfile --keep --freq counts --geno-counts": lambda: plink(
                cohort, "--pfile", str(cohort.folder / "cohort")
            ),
            "strata as bare SQL": self.bare_sql,
            "NodeEngine, strata, listed sites": lambda: self.ask(self.protected, self.by_strata),
            "NodeEngine, strata, every site told": lambda: self.ask(self.open, self.by_strata),
            "NodeEngine, bmi > 27, listed sites": lambda: self.ask(self.protected, self.by_phenotype),
            "NodeEngine, bmi > 27, every site told": lambda: self.ask(self.open, self.by_phenotype),
            "embedded federation, strata, listed sites": lambda: self.federation.sql(
                self.by_strata
            ).to_arrow(),
        }

    def _engine(self, policy: Policy) -> NodeEngine:
        engine = NodeEngine("NODE", self.snapshot, policy)
        self.site_list = unite([engine.offer_sites()])
        engine.lay(self.site_list)
        return engine

    def ask(self, engine: NodeEngine, text: str) -> pa.Table:
        """The controlled cells of *text* at one node."""
        return engine.answer(prepare(text, self.snapshot.catalog).release, "benchmark", "query").cells

    def by_rows(self) -> None:
        """The same from one row a site and person: how all was computed before."""
        session = open_session(self.snapshot, unite([self.protected.offer_sites()]), None)
        reading = Reading(prepare(self.by_strata, self.snapshot.catalog).release, session)
        for _ in parts_by_rows(reading, select_sites(reading, 10), Policy()):
            pass

    def bare_sql(self) -> pa.Table:
        """The strata files summed by DuckDB, with no control and no keys but the position."""
        (file,) = self.snapshot.files("strata", CONTIG)
        return self.connection.sql(
            "SELECT pos, ref, alt, sum(het + 2 * hom_alt + hemi) AS ac, sum(an) AS an, sum(hom_alt) AS hom "
            f"FROM read_parquet('{file}') WHERE {WHERE} GROUP BY pos, ref, alt"
        ).to_arrow_table()

    def check(self) -> None:
        """plink2, the strata and the node count the same at every site; the stored classes do too."""
        plink(self.cohort, "--pfile", str(self.cohort.folder / "cohort"))
        expected = plink_counts(self.cohort)
        for engine, name in ((self.open, "every site"), (self.protected, "listed sites")):
            cells = self.ask(engine, self.by_strata)
            told = {measure: cells.column(measure).to_pylist() for measure in ("m0", "m1", "m2")}
            rows = zip(cells.column("k1").to_pylist(), *told.values(), strict=True)
            for position, *values in rows:
                for value, count in zip(values, expected[position], strict=True):
                    if value is not None and int(value) != count:
                        sys.exit(f"{position}: {value} here, {count} by plink2")
            print(f"checked against plink2: {cells.num_rows} cells, {name}")


def report(bench: Bench, timings: dict[str, list[float]], once: dict[str, float]) -> None:
    """Print medians and their ratios to plink2."""
    medians = {name: statistics.median(values) for name, values in timings.items()}
    reference = next(iter(medians.values()))
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    sites = bench.snapshot.manifest.counts if hasattr(bench.snapshot.manifest, "counts") else None
    print(f"{model}, {os.cpu_count()} cores, {memory:.0f} GB; load {os.getloadavg()[0]:.1f}; {sites or ''}")
    print(f"{bench.cohort.persons} persons, {len(bench.site_list.sites)} listed sites")
    for name, median in medians.items():
        low, high = np.percentile(timings[name], (10, 90))
        print(
            f"{name:52} {median * 1000:9.1f} ms  ({low * 1000:.0f} to {high * 1000:.0f})  x {median / reference:.3f}"
        )
    for name, value in once.items():
        print(f"{name:52} {value * 1000:9.1f} ms  once  x {value / reference:.3f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process: {peak:.2f} GB")
    print(json.dumps({name: round(value / reference, 4) for name, value in medians.items()}))


if __name__ == "__main__":
    main()
