"""Ingest against its peers: `python -m benchmarks.ingest`. See README.md."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingest.peers import TOOLS, available, source
from benchmarks.ingest.simulate import make_inputs

#: (tool, input) that take minutes and tell nothing more.
LEFT_OUT = {("cyvcf2 loop", "A-bcf"), ("bio2zarr", "A-bcf"), ("polars-bio", "A-bcf")}
#: Seconds between looks at the memory.
SAMPLE = 0.05


@dataclass(frozen=True)
class Run:
    """One run: seconds on the clock and of all processors, and the most memory of all processes at once."""

    wall: float
    cpu: float
    megabytes: float


def memory_of(pid: int) -> int:
    """The bytes of a process and of all beneath it, a page that several share counted once (PSS)."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, StopIteration):
        return 0
    return (kilobytes << 10) + sum(map(memory_of, children))


def _environment(folder: Path) -> dict[str, str]:
    """The environment; Python tools find their compiled modules, as they do where they are installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "pycache")}


def measured(command: list[str], folder: Path, *, watched: bool) -> Run:
    """Run *command* to its end; its memory is 0 unless *watched*, which takes time of what is watched."""
    log = folder / "log"
    with log.open("w") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=_environment(folder))
        ended, samples = threading.Event(), [0]

        def watch() -> None:
            while not ended.wait(SAMPLE):
                samples.append(memory_of(process.pid))

        watcher = threading.Thread(target=watch)
        if watched:
            watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        ended.set()
        if watched:
            watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, log.read_text()[-2000:])
    return Run(wall, usage.ru_utime + usage.ru_stime, max(samples) / 1e6)


def interleaved(folder: Path, name: str, tools: list[str], runs: int) -> dict[str, list[Run]]:
    """*runs* rounds over all *tools* on input *name*, so that a busy moment meets all alike."""
    work, found, failed = folder / "work", dict[str, list[Run]](), set[str]()
    # the first run of all compiles, and fills the page cache; the last one is for the memory alone
    for number in range(runs + 2):
        for tool in tools:
            if tool in failed or (number == 0 and tool not in ("goe ingest", "plink2 --make-pgen")):
                continue
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            shutil.rmtree(folder / f"{name}.lake", ignore_errors=True)
            try:
                run = measured(TOOLS[tool](folder, name, work), folder, watched=number > runs)
            except subprocess.CalledProcessError as error:
                print(f"{name:10s} {tool:20s} failed: {error.output}")
                if tool == "goe ingest":
                    raise
                failed.add(tool)
                continue
            print(f"{name:10s} {tool:20s} {run.wall:7.2f} s  {run.cpu:7.2f} cpu s  {run.megabytes:6.0f} MB")
            if number:
                found.setdefault(tool, []).append(run)
    return found


def table(name: str, measurements: dict[str, list[Run]]) -> list[str]:
    """One input's rows of the results table; the last run of each tool tells its memory."""
    found = {tool: runs[:-1] for tool, runs in measurements.items()}
    memory = {tool: runs[-1].megabytes for tool, runs in measurements.items()}
    median = {tool: statistics.median(run.wall for run in runs) for tool, runs in found.items()}
    ours = median.get("goe ingest", float("nan"))
    ranges = {
        tool: f"{min(run.wall for run in runs):.2f} to {max(run.wall for run in runs):.2f}"
        for tool, runs in found.items()
    }
    return [
        f"| {name} | {tool} | {median[tool]:.2f} ({ranges[tool]}) "
        f"| {statistics.median(run.cpu for run in runs):.2f} | {memory[tool]:.0f} "
        f"| {ours / median[tool]:.2f} |"
        for tool, runs in found.items()
    ]


def size(*paths: Path) -> int:
    """Bytes of files, and of all files in folders."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return sum(file.stat().st_size for file in files if file.is_file())


def sizes(folder: Path) -> list[str]:
    """How large the lake of A is beside its peers."""
    plink, lake = folder / "plink", folder / "A.lake"
    if not lake.exists():
        subprocess.run(TOOLS["goe ingest"](folder, "A", folder), check=True)
    kept = ["--make-pgen", "vzs", "--out", str(plink)]
    subprocess.run(["plink2", "--vcf", folder / "A.vcf.gz", *kept], check=True, stdout=subprocess.DEVNULL)
    ours = size(lake / "variants", lake / "calls")
    pgen, packed = size(folder / "plink.pgen", folder / "plink.pvar.zst"), size(folder / "A.vcf.gz")
    return [
        f"variants and calls {ours / 1e6:.2f} MB: {ours / pgen:.2f} of .pgen and .pvar.zst "
        f"({pgen / 1e6:.2f} MB), {ours / packed:.2f} of .vcf.gz ({packed / 1e6:.2f} MB)"
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time goe ingest beside its peers on the same files.")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/benchmarks/ingest"), help="inputs, made once"
    )
    parser.add_argument("--runs", type=int, default=3, help="rounds; medians are reported")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the published sizes")
    parser.add_argument("--inputs", default="A,B,C,A-bcf,A-quarter,A-half,C-quarter,C-half")
    parser.add_argument("--tools", default=",".join(TOOLS))
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    make_inputs(folder, chosen.scale)
    wanted = chosen.tools.split(",")
    lines = [
        f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} processors, "
        f"load {os.getloadavg()[0]:.1f} at the beginning, Python {platform.python_version()}",
        *(f"not installed: {tool}" for tool in wanted if not available(tool)),
        "",
        "| input | tool | wall s, median (range) | cpu s | peak MB | goe / tool |",
        "|---|---|---|---|---|---|",
    ]
    for name in chosen.inputs.split(","):
        tools = [tool for tool in wanted if available(tool) and (tool, name) not in LEFT_OUT]
        if "-" in name and name != "A-bcf":
            tools = ["goe ingest"]
        if source(folder, name).exists():
            lines += table(name, interleaved(folder, name, tools, chosen.runs))
    lines += ["", *sizes(folder)]
    (folder / "results.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
