"""What the gateway costs: compiling, asking five nodes in one process, and asking five over HTTPS.

One command simulates five countries (kept in FOLDER), ingests them, and times in turn:

    python -m benchmarks.gateway --folder FOLDER

compile    text to releases and final SQL, for every query of sql/examples
embedded   the whole answer over five lakes in one process, against DuckDB on the pooled rows as Parquet
           (one row a site and person, as `bcftools query` writes them; the same persons and sites)
wire       one count over five node processes and a gateway, against the same count in one process
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
from rich.console import Console
from rich.table import Table

import goe_lake
from goe_lake.config import read_node
from goe_lake.demo.cohort import make_cohort
from goe_lake.demo.services import Services
from goe_lake.errors import GoeError
from goe_lake.federation import Federation
from goe_lake.lake import ingest
from goe_lake.query import prepare

EXAMPLES: Final = sorted((Path(__file__).parents[2] / "sql" / "examples").glob("*.sql"))
PUBLIC: Final = ("variants", "allele_frequencies", "genes", "contigs", "nodes", "columns")
COUNT: Final = "SELECT count(*) AS persons FROM samples"
#: The command line with answers that wait for no point of a grid: what a request costs beside its padding.
UNPADDED: Final = (
    "-c",
    "import goe_lake.web.guard as guard\nguard.GRID = 1e-6\nfrom goe_lake.cli import main\nmain()",
)
CALLS: Final = r"[%CHROM\t%POS\t%REF\t%ALT\t%SAMPLE\t%GT\t%GQ\t%DP\n]"


def main() -> None:
    """Build what is missing, and time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the countries are made, and kept")
    parser.add_argument("--persons", type=int, default=1000, help="persons a country (default: 1000)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each, in turn (default: 5)")
    options = parser.parse_args()
    folder = options.folder / f"persons{options.persons}"
    tomls = built(folder, options.persons)
    console = Console()
    console.print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    federation = goe_lake.open_federation(tomls)
    console.print(compiled(federation, options.repeats))
    console.print(embedded(federation, pooled(folder, tomls, federation), options.repeats))
    console.print(over_the_wire(tomls, federation, options.repeats * 4))


def built(folder: Path, persons: int) -> list[Path]:
    """The node.toml of five ingested countries, whose budgets allow for many questions."""
    if not folder.exists():
        for toml in make_cohort(folder, persons=persons):
            with (toml.parent / "policy.toml").open("a", encoding="utf-8") as policy:
                policy.write("\n[budget]\nqueries_per_day = 1000000\ncells_per_day = 100000000\n")
                policy.write("rare_sites_per_day = 100000000\n")
            ingest(read_node(toml), min_label_persons=10, progress=None)
    return sorted(folder.glob("*/node.toml"))


def timed(run: Callable[[], object]) -> float:
    """Milliseconds that *run* takes."""
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def compiled(federation: Federation, repeats: int) -> Table:
    """Compile times over the examples."""
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    times = sorted(
        statistics.median(timed(lambda text=text: prepare(text, federation.catalog)) for _ in range(repeats))
        for text in texts
    )
    table = Table("compile", "ms", title=f"{len(times)} examples, medians of {repeats}")
    table.add_row("median", f"{statistics.median(times):.1f}")
    table.add_row("99th percentile", f"{times[int(0.99 * (len(times) - 1))]:.1f}")
    table.add_row("slowest", f"{times[-1]:.1f}")
    return table


def pooled(folder: Path, tomls: Sequence[Path], federation: Federation) -> duckdb.DuckDBPyConnection:
    """DuckDB over the rows of all countries, as Parquet files beside the countries."""
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    for name in PUBLIC:
        connection.register("rows", federation.tables.table(name, None))
        connection.execute(f"CREATE TABLE {name} AS FROM rows")
        connection.unregister("rows")
    for name in ("genotypes", "samples", "scores"):
        path = folder / f"{name}.parquet"
        if not path.exists():
            connection.execute(f"COPY ({_rows(name, tomls)}) TO '{path}' (COMPRESSION zstd)")
        connection.execute(f"CREATE VIEW {name} AS FROM '{path}'")
    return connection


def _rows(name: str, tomls: Sequence[Path]) -> str:
    """SQL of the rows of one table over all countries."""
    folders = [toml.parent for toml in tomls]
    if name != "genotypes":
        country = ", upper(parse_path(filename)[-2]) AS country" if name == "samples" else ""
        files = ", ".join(f"'{folder / f'{name}.tsv'}'" for folder in folders)
        read = f"read_csv([{files}], delim='\t', nullstr='', filename=true)"
        return f"SELECT * EXCLUDE (filename){country} FROM {read}"
    files = ", ".join(f"'{calls}'" for folder in folders for calls in _calls(folder))
    read = f"read_csv([{files}], delim='\t', header=false, columns={{{_CALL_TYPES}}}, nullstr='.')"
    return (
        "SELECT contig, pos, ref, alt, contig || '-' || pos || '-' || ref || '-' || alt AS variant_id, "
        "sample_id, CASE WHEN call NOT LIKE '.%' THEN len(string_split(call, '1')) - 1 END AS dosage, "
        f"2 - (len(string_split(call, '.')) - 1) AS called_alleles, gq, dp FROM {read}"
    )


_CALL_TYPES: Final = ", ".join(
    f"'{name}': '{kind}'"
    for name, kind in (
        ("contig", "VARCHAR"), ("pos", "INTEGER"), ("ref", "VARCHAR"), ("alt", "VARCHAR"),
        ("sample_id", "VARCHAR"), ("call", "VARCHAR"), ("gq", "INTEGER"), ("dp", "INTEGER"),
    )
)  # fmt: skip


def _calls(folder: Path) -> list[Path]:
    """One text file of calls for each VCF of *folder*."""
    made = []
    for vcf in sorted((folder / "vcf").glob("*.vcf.gz")):
        calls = vcf.with_suffix(".calls.tsv")
        split = subprocess.run(["bcftools", "norm", "-m-", "-Ou", str(vcf)], check=True, capture_output=True)
        with calls.open("wb") as out:
            subprocess.run(["bcftools", "query", "-f", CALLS], input=split.stdout, stdout=out, check=True)
        made.append(calls)
    return made


def embedded(federation: Federation, peer: duckdb.DuckDBPyConnection, repeats: int) -> Table:
    """Whole answers over five lakes against DuckDB on the pooled rows; the slowest pooled queries first."""
    found = []
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        try:
            federation.sql(text)
        except GoeError:
            continue
        ours, theirs = [], []
        for _ in range(repeats):
            ours.append(timed(lambda text=text: federation.sql(text)))
            theirs.append(timed(lambda text=text: peer.execute(text).fetchall()))
        found.append((path.stem, statistics.median(ours), statistics.median(theirs)))
    table = Table("example", "goe_lake ms", "pooled DuckDB ms", "ratio", title="Five nodes in one process")
    for name, own, other in sorted(found, key=lambda row: -row[2]):
        table.add_row(name, f"{own:.0f}", f"{other:.0f}", f"{own / other:.2f}")
    return table


def over_the_wire(tomls: Sequence[Path], federation: Federation, repeats: int) -> Table:
    """One count over five node processes and a gateway, with and without padding, and in one process."""
    with (
        TemporaryDirectory() as folder,
        Services(Path(folder, "padded"), tomls) as padded,
        Services(Path(folder, "plain"), tomls, UNPADDED) as unpadded,
        goe_lake.connect(padded.url, ca=padded.ca) as client,
        goe_lake.connect(unpadded.url, ca=unpadded.ca) as fast,
    ):
        runs: list[Callable[[], object]] = [
            lambda: client.sql(COUNT),
            lambda: fast.sql(COUNT),
            lambda: federation.sql(COUNT),
        ]
        for run in runs:
            run()
        times = [[timed(run) for run in runs] for _ in range(repeats)]
    over, without, within = (statistics.median(column) for column in zip(*times, strict=True))
    table = Table("one count over five nodes", "ms", title=f"medians of {repeats}")
    table.add_row("over HTTPS, padded to a grid of 50 ms at each service", f"{over:.0f}")
    table.add_row("over HTTPS, without padding", f"{without:.0f}")
    table.add_row("in one process", f"{within:.0f}")
    table.add_row("overhead of the wire, without padding", f"{without - within:.0f}")
    return table


if __name__ == "__main__":
    main()
