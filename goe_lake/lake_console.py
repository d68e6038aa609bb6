"""What the command line shows of a lake: the progress and the report of an ingest, snapshots, duplicates."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from goe_lake.lake import DuplicateCheck, IngestReport
    from goe_lake.lake.inventory import SnapshotFacts


class IngestProgress:
    """Progress bars for an ingest, one a step; a context manager."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bars.stop()

    def start(self, step: str, total: int) -> None:
        """Step *step* of *total* units begins."""
        self._tasks[step] = self._bars.add_task(step, total=total, rate="")

    def advance(self, step: str, done: int) -> None:
        """*done* more units of *step* are done."""
        task = self._tasks[step]
        speed = next((item.speed for item in self._bars.tasks if item.id == task), None)
        self._bars.update(task, advance=done, rate=f"{speed:,.0f}/s" if speed else "")

    def finish(self, step: str) -> None:
        """Step *step* has ended."""
        task = self._tasks[step]
        total = next(item.total for item in self._bars.tasks if item.id == task)
        self._bars.update(task, completed=total)


class IngestLog:
    """The progress of an ingest as plain lines, for log files; a context manager.

    A step says when it begins and ends, and every ten seconds how far it is.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps: dict[str, _Step] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Nothing to close."""

    def start(self, step: str, total: int) -> None:
        """Step *step* of *total* units begins."""
        self._steps[step] = _Step(total, time.monotonic())
        self._say(f"{step}: 0 of {total:,}")

    def advance(self, step: str, done: int) -> None:
        """*done* more units of *step* are done."""
        at = self._steps[step]
        at.done += done
        if time.monotonic() - at.said >= SECONDS_BETWEEN_LINES:
            at.said = time.monotonic()
            self._say(f"{step}: {at.done:,} of {at.total:,}, {at.speed}, {at.left} left")

    def finish(self, step: str) -> None:
        """Step *step* has ended."""
        at = self._steps.pop(step)
        at.done = at.total
        self._say(f"{step}: done, {at.total:,} in {time.monotonic() - at.began:.1f} s, {at.speed}")

    def _say(self, line: str) -> None:
        now = time.strftime("%H:%M:%S")
        self._console.print(f"{now} {line}", markup=False, highlight=False, soft_wrap=True)


SECONDS_BETWEEN_LINES: Final = 10


@dataclass
class _Step:
    """How far a step is: *done* of *total* units since *began*, and when a line last *said* so."""

    total: int
    began: float
    done: int = 0
    said: float = 0.0

    def __post_init__(self) -> None:
        self.said = self.began

    @property
    def rate(self) -> float:
        return self.done / max(time.monotonic() - self.began, 1e-3)

    @property
    def speed(self) -> str:
        return f"{self.rate:,.0f}/s"

    @property
    def left(self) -> str:
        return f"{(self.total - self.done) / self.rate:,.0f} s" if self.rate else "unknown time"


def ingest_json(report: IngestReport) -> str:
    """The report of an ingest as one JSON object; names of samples stay in `goe lake duplicates`."""
    content = asdict(report)
    found = content.pop("duplicates")
    if found is not None:
        content["duplicates"] = {
            **{name: found[name] for name in ("samples", "sites", "compared", "too_few")},
            "duplicate_pairs": len(found["duplicates"]),
            "mismatched_pairs": len(found["mismatched"]),
        }
    for counts, item in zip(report.contigs, content["contigs"], strict=True):
        item |= {"no_call_rate": counts.no_call_rate, "ti_tv": counts.ti_tv}
    totals = {
        "records": report.records, "sites": report.sites, "no_call_rate": report.no_call_rate,
        "ti_tv": report.ti_tv,
    }  # fmt: skip
    return json.dumps({**content, **totals}, indent=1, ensure_ascii=False)


def print_snapshots(found: Iterable[SnapshotFacts], console: Console) -> None:
    """The snapshots of a lake as a table."""
    table = Table("snapshot", "published", "written", title="snapshots, the published one first")
    table.columns[0].no_wrap = True
    for name in ("persons", "samples", "sites", "files", "bytes", "withdrawn"):
        table.add_column(name, justify="right")
    for item in found:
        numbers = (item.persons, item.samples, item.sites, item.files, item.bytes, item.withdrawn)
        shown = [item.problem or "", *[""] * 5] if item.problem else [f"{number:,}" for number in numbers]
        table.add_row(item.snapshot_id[:12], "yes" if item.published else "", item.written, *shown)
    console.print(table)


def print_duplicates(check: DuplicateCheck, console: Console) -> None:
    """What comparing persons found, pair by pair. For the node's own people."""
    for line in _duplicate_lines(check):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _duplicate_lines(check: DuplicateCheck) -> Iterable[str]:
    yield (
        f"{check.samples:,} samples, {check.compared:,} pairs compared at {check.sites:,} common sites; "
        f"{check.too_few:,} pairs have too few sites in common"
    )
    for title, pairs in (
        ("two persons who are one (or identical twins)", check.duplicates),
        ("samples of one person that are of two", check.mismatched),
    ):
        for pair in pairs:
            yield (
                f"{title}: {pair.first} and {pair.second}, kinship {pair.kinship:.3f}, "
                f"{pair.same:.1%} of {pair.sites:,} genotypes alike"
            )


def print_ingest(report: IngestReport, console: Console) -> None:
    """The table at the end of an ingest: contigs, totals, and what was put aside."""
    table = Table(title=f"{report.node_id}   snapshot {report.snapshot_id[:12]}")
    for name in ("contig", "records", "sites", "no-call rate", "Ti/Tv", "quarantined"):
        table.add_column(name, justify="left" if name == "contig" else "right")
    for counts in report.contigs:
        quarantined = sum(counts.quarantined.values())
        table.add_row(
            counts.contig, f"{counts.records:,}", f"{counts.sites:,}", _share(counts.no_call_rate),
            _ratio(counts.ti_tv), f"{quarantined:,}",
        )  # fmt: skip
    table.add_section()
    total = sum(report.quarantined.values())
    table.add_row(
        "all", f"{report.records:,}", f"{report.sites:,}", _share(report.no_call_rate), _ratio(report.ti_tv),
        f"{total:,}",
    )  # fmt: skip
    console.print(table)
    genotyped = f"{report.genotyped:,} of them with genotypes"
    console.print(f"{report.persons:,} persons, {report.samples:,} samples, {genotyped}", highlight=False)
    _print_list(console, "put aside, with reasons in quarantine/", _counted(report))
    stood = f"{len(report.converted)} partitions converted, {len(report.reused)} stood from before"
    console.print(stood, highlight=False)
    if report.duplicates is not None:
        found = len(report.duplicates.duplicates) + len(report.duplicates.mismatched)
        where = " (see: goe lake duplicates NODE.toml)" if found else ""
        compared = f"{report.duplicates.compared:,} pairs at {report.duplicates.sites:,} sites"
        said = f"persons compared by genotype: {compared}, {found} to look at{where}"
        console.print(said, highlight=False, soft_wrap=True)
    _print_list(console, "note", report.warnings)


def _counted(report: IngestReport) -> Iterable[str]:
    return (f"{count:,} × {reason}" for reason, count in sorted(report.quarantined.items()))


def _print_list(console: Console, title: str, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(f"  {title}: {line}", markup=False, highlight=False, soft_wrap=True)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.3%}"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
