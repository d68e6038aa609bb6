"""`goe demo`: a Europe of a few nodes, from simulated genomes to an answer over HTTPS."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax

from goe_lake import connect
from goe_lake.console import answer_table, remarks
from goe_lake.demo.cohort import make_cohort
from goe_lake.demo.services import ServiceFailed, Services
from goe_lake.demo.tour import Stop, tour
from goe_lake.errors import QueryRefused
from goe_lake.federation.client import Client
from goe_lake.products.reports import find_report, run_report, write_result
from goe_lake.products.reports.definition import reports_folder

#: The report that ends the tour.
REPORT: Final = "frequency_differences"
RELEASING: Final = "     and the first European release of allele frequencies"


@dataclass(frozen=True)
class DemoSettings:
    """What `goe demo` is asked for; *once* ends it after the tour, *kept* leaves the files afterwards."""

    directory: Path
    countries: tuple[str, ...]
    persons: int
    seed: int
    once: bool
    kept: bool


def run_demo(settings: DemoSettings, console: Console) -> None:
    """Simulate, build, serve, and show; raises GoeError where a step fails."""
    began = time.monotonic()
    total = len(settings.countries) * settings.persons
    with _step(console, f"1/4  simulating {total:,} persons of {len(settings.countries)} countries") as (
        progress,
    ):
        nodes = make_cohort(
            settings.directory, settings.countries, settings.persons, settings.seed, progress=progress.contig
        )
    with _step(console, "2/4  building the lakes with Dagster", RELEASING) as (lakes, release):
        folder = build_lakes(settings.directory, nodes, lakes.set, release.set)
    console.print(f"     the first European release: {folder}", highlight=False, soft_wrap=True)
    console.print(f"[bold]3/4[/bold]  starting {len(nodes)} nodes and a gateway, each a process of its own")
    with Services(settings.directory, nodes) as services:
        console.print(f"[bold]4/4[/bold]  asking {services.url}\n")
        with connect(services.url, ca=services.ca) as federation:
            for stop in tour(settings.directory / "truth.json"):
                show(stop, federation, console)
        show_report(settings.directory / "reports", services, console)
        console.print(f"[dim]{time.monotonic() - began:.0f} s from nothing to here[/dim]")
        _farewell(settings, services, console)
        if not settings.once:
            services.wait()


class _Bar:
    """One progress bar, moved by whoever does the work."""

    def __init__(self, bars: Progress, title: str) -> None:
        self._bars, self._task = bars, bars.add_task(title, start=False, total=None)

    def set(self, done: int, total: int) -> None:
        """*done* of *total* units are done."""
        self._bars.start_task(self._task)
        self._bars.update(self._task, completed=done, total=total)

    def contig(self, name: str, done: int, total: int) -> None:
        """Contig *name* is the *done*-th of *total*."""
        self.set(done, total)


@contextmanager
def _step(console: Console, *titles: str) -> Iterator[tuple[_Bar, ...]]:
    columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        yield tuple(_Bar(bars, title) for title in titles)


def build_lakes(
    directory: Path,
    nodes: Sequence[Path],
    lakes: Callable[[int, int], None],
    release: Callable[[int, int], None],
) -> str:
    """Build the lakes of *nodes*, and a European release over them; its folder.

    Both are runs of a Dagster instance in *directory*, in a process of its own.
    """
    home = directory / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "dagster_project.build",
        "--home",
        str(home),
        "--nodes",
        *map(str, nodes),
        "--release",
    ]
    log = directory / "logs" / "build.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as messages:
        process = subprocess.Popen(  # noqa: S603 - this very program, with paths of the demo's own
            command, stdout=subprocess.PIPE, stderr=messages, text=True, stdin=subprocess.DEVNULL
        )
        assert process.stdout is not None
        folder = ""
        for line in process.stdout:
            event = json.loads(line)
            if "done" in event:
                (release if event.get("of") == "release" else lakes)(event["done"], event["total"])
            folder = event.get("folder") or folder
        if process.wait() != 0:
            raise ServiceFailed(f"the build of the lakes failed; see {log}")
    return folder


def show(stop: Stop, federation: Client, console: Console) -> None:
    """Ask one question of the tour, and print it with its answer."""
    console.rule(f"[bold]{stop.title}", align="left")
    console.print(Syntax(stop.sql, "sql", theme="ansi_light", background_color="default"))
    try:
        answer = federation.sql(stop.sql)
    except QueryRefused as refused:
        console.print(refused.pointing_at(stop.sql), style="red", markup=False, highlight=False)
    else:
        console.print(answer_table(answer))
        for line in remarks(answer):
            console.print(line, style="dim", markup=False, highlight=False)
    console.print(f"{stop.remark}\n", style="italic", markup=False, highlight=False)


def show_report(folder: Path, services: Services, console: Console) -> None:
    """Run the report REPORT through the gateway into *folder*, and say where its page is."""
    report = find_report(REPORT, reports_folder())
    console.rule(f"[bold]And as a report, with charts: {report.title}", align="left")
    command = f"goe report run {REPORT} --gateway {services.url} --ca {services.ca}"
    console.print(command, highlight=False, markup=False, soft_wrap=True)
    with connect(services.url, ca=services.ca, project=report.project) as federation:
        result = run_report(report, federation, {})
    page, *files = write_result(result, folder / REPORT)
    console.print(str(page), highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"A page to print, and {len(files)} files of its rows and provenance. It was made of released counts "
        "alone; the same releases give the same bytes.\n",
        style="italic",
        highlight=False,
    )


def _farewell(settings: DemoSettings, services: Services, console: Console) -> None:
    if settings.once:
        files = f"The files are in {settings.directory}." if settings.kept else "Use --dir to keep the files."
        console.print(f"The services are stopped. {files}", highlight=False)
        return
    ask = f'goe query "SELECT count(*) FROM samples" --gateway {services.url} --ca {services.ca}'
    look = f"DAGSTER_HOME={settings.directory / 'dagster'} GOE_NODES={settings.directory} dg dev"
    lines = [
        "Ask a question of your own, from another terminal:",
        f"  {ask}",
        "Look at the lakes' assets and runs:",
        f"  {look}",
        "Press Ctrl-C to stop the services.",
    ]
    console.rule("[bold]The services are up", align="left")
    # never cut or folded: the commands are there to be copied
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
