"""`goe release`: the European releases of allele frequencies on disk."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from goe_lake.lake_console import IngestProgress
from goe_lake.options import errors
from goe_lake.products.frequencies.formats import ExportFormat
from goe_lake.release_build import build, node_release

if TYPE_CHECKING:
    from goe_lake.lake.progress import Progress
    from goe_lake.products.frequencies.diff import Difference

release_commands = typer.Typer(
    name="release",
    help="Releases of the allele-frequency reference: build, check, export, compare, describe.",
    no_args_is_help=True,
)
release_commands.command("build")(build)
release_commands.command("node")(node_release)

#: Characters of a line where the output is no screen.
WIDE = 132


class ReleaseExit(IntEnum):
    """What the exit code of `goe release diff --exit-code` says beyond 0 (same) and 1 (an error)."""

    DIFFERS = 5


class DiffFormat(StrEnum):
    """How `goe release diff` tells the difference."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


FolderArgument = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="The folder of a release: it holds release.json.", show_default=False),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]


@release_commands.command("verify")
def verify(folder: FolderArgument, quiet: QuietOption = False) -> None:
    """Read a whole release and compare it with its manifest and checksums.

    Names the first file that is absent, changed, out of order or not listed, with exit code 1.
    The same checksums hold for `sha256sum -c SHA256SUMS`.

    Example: goe release verify releases/3
    """
    from goe_lake.products.frequencies.store import open_release

    release = open_release(folder)
    with _bars(quiet) as progress:
        release.verify(progress)
    if not quiet:
        rows = sum(file.rows for file in release.manifest.files if file.kind == "frequencies")
        files = len(release.manifest.files)
        _say(f"release {release.manifest.number} is whole: {files} files, {rows:,} rows of frequencies")
        _say(f"release id {release.manifest.release_id}")


@release_commands.command("export")
def export(
    folder: FolderArgument,
    format_: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            "-f",
            help="vcf (bgzipped, .tbi), bcf (.csi), tsv, parquet, or gdi: files for a GDI mini-node.",
        ),
    ] = ExportFormat.VCF,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File to write (gdi: folder); by default in DIR/exports.", show_default=False
        ),
    ] = None,
    contig: Annotated[
        list[str] | None,
        typer.Option("--contig", "-c", help="Only this contig; may be repeated.", show_default=False),
    ] = None,
    issued: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="gdi: date of issue for metadata.yaml.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what stands there.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write a release for other tools, whole or not at all.

    VCF and BCF have one line a site and INFO fields AC, AN, AF, nhet, nhomalt, nhemi, HWE, faf95, … for
    all persons, and with a suffix for each group: AC_EE, AC_EE_XX, AC_EE_fin, AC_all_fin_XY.
    docs/frequency-reference.md describes every field and column.

    Example: goe release export releases/3 --format vcf --contig chr20 --out goe.chr20.vcf.gz
    """
    from goe_lake.products.frequencies.export import export_release
    from goe_lake.products.frequencies.store import open_release

    release = open_release(folder)
    day = issued.replace(tzinfo=UTC).date() if issued else None
    with _bars(quiet) as progress:
        exported = export_release(
            release,
            ExportFormat(format_.value),
            out,
            contigs=contig,
            issued=day,
            force=force,
            progress=progress,
        )
    if not quiet:
        _say(f"{exported.path}: {exported.sites:,} sites, {exported.records:,} records")
        _say(f"{len(exported.files)} files, {exported.bytes:,} bytes, SHA-256 {exported.sha256}")


@release_commands.command("diff")
def diff(
    before: Annotated[
        Path, typer.Argument(metavar="A", help="The folder of the earlier release.", show_default=False)
    ],
    after: Annotated[
        Path, typer.Argument(metavar="B", help="The folder of the later release.", show_default=False)
    ],
    format_: Annotated[DiffFormat, typer.Option("--format", "-f", help="How to tell it.")] = DiffFormat.TABLE,
    largest: Annotated[int, typer.Option(min=0, help="Largest changes of a frequency to show.")] = 20,
    exit_code: Annotated[
        bool,
        typer.Option("--exit-code", help="Exit code 5 where the releases differ."),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Tell what changed from release A to release B, by contig and country.

    Sites newly listed; rows added, removed, computed afresh and standing; counts newly withheld and newly
    told; the largest changes of an allele frequency. Exit code 0, also where they differ, unless
    --exit-code is given; 1 on an error.

    Example: goe release diff releases/2 releases/3 --format csv > changes.csv
    """
    from goe_lake.products.frequencies.diff import diff_releases
    from goe_lake.products.frequencies.store import open_release

    first, second = open_release(before), open_release(after)
    with _bars(quiet) as progress:
        found = diff_releases(first, second, largest=largest, progress=progress)
    if format_ is DiffFormat.JSON:
        typer.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    elif format_ is DiffFormat.CSV:
        csv.writer(sys.stdout, lineterminator="\n").writerows(found.to_csv_rows())
    else:
        # what is not a screen has no width of its own, and numbers must not be cut
        console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
        _print_difference(found, console)
    if exit_code and not found.same:
        raise typer.Exit(ReleaseExit.DIFFERS)


@release_commands.command("notes")
def notes(
    folder: FolderArgument,
    previous: Annotated[
        Path | None,
        typer.Option(
            "--previous", help="The folder of the release before: tell what changed.", show_default=False
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write DIR/notes.html: a printable page of counts, charts, quality, checksums and provenance.

    Self-contained: charts are inline, nothing is fetched. The charts also lie one by one in DIR/notes.
    Needs the extra `plots`: pip install 'goe-lake[plots]'.

    Example: goe release notes releases/3 --previous releases/2
    """
    from goe_lake.products.frequencies.notes import write_notes
    from goe_lake.products.frequencies.store import open_release

    release = open_release(folder)
    earlier = open_release(previous) if previous is not None else None
    with _bars(quiet) as progress:
        page = write_notes(release, earlier, progress=progress)
    if not quiet:
        _say(str(page))


def _say(line: str) -> None:
    typer.echo(line)


@contextmanager
def _bars(quiet: bool) -> Iterator[Progress | None]:
    if quiet:
        yield None
        return
    with IngestProgress(errors) as bars:
        yield bars


def _print_difference(found: Difference, console: Console) -> None:
    """The difference as tables: totals by contig and country, then the largest changes."""
    console.print(
        f"from {found.before[:16]} to {found.after[:16]}" + (": the same release" if found.same else "")
    )
    sites = Table(title="listed sites")
    for name in ("contig", "sites", "newly listed", "dropped"):
        sites.add_column(name, justify="left" if name == "contig" else "right")
    for change in found.sites:
        sites.add_row(change.contig, *(f"{n:,}" for n in (change.sites, change.newly_listed, change.dropped)))
    console.print(sites)
    rows = Table(title="rows: one a site and group")
    names = ("rows", "added", "removed", "afresh", "stand", "altered", "newly_withheld", "newly_told")
    for name in ("contig", "country", *names):
        side = "left" if name in ("contig", "country") else "right"
        rows.add_column(name.replace("_", " "), justify=side, no_wrap=True)  # type: ignore[arg-type]
    for row in found.rows:
        rows.add_row(row.contig, row.country, *(f"{getattr(row, name):,}" for name in names))
    console.print(rows)
    if found.largest:
        console.print(_largest_changes(found))


def _largest_changes(found: Difference) -> Table:
    table = Table(title="largest changes of an allele frequency")
    for name in ("site", "country", "population", "sex", "before", "after", "change"):
        table.add_column(name)
    for change in found.largest:
        group = [label or "not recorded" for label in (change.country, change.population, change.sex)]
        numbers = [f"{change.af_before:.6g}", f"{change.af_after:.6g}", f"{change.change:+.4g}"]
        table.add_row(f"{change.contig}:{change.pos} {change.ref}>{change.alt}", *group, *numbers)
    return table
