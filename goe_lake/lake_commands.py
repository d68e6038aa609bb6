"""`goe ingest` and `goe lake`: a node's lake, made, listed, verified and purged."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from goe_lake.first import reading
from goe_lake.lake_console import (
    IngestLog,
    IngestProgress,
    ingest_json,
    print_duplicates,
    print_ingest,
    print_snapshots,
)
from goe_lake.options import Exit, errors

if TYPE_CHECKING:
    from goe_lake.lake import IngestReport

lake_commands = typer.Typer(
    name="lake", help="A node's lake: its snapshots, their files, and its persons.", no_args_is_help=True
)
NodeArgument = Annotated[Path, typer.Argument(help="The node.toml of the lake.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def ingest(
    node: Annotated[
        Path, typer.Argument(help="The node.toml that names the VCF files and the samples table.")
    ],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no report.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON (stdout), and no progress.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that decode at a time; their number changes no byte.")
    ] = 2,
) -> None:
    """Turn a node's VCF files and tables into a published snapshot of its lake.

    What was converted before and has not changed is not converted again. Persons who have withdrawn
    are left out: those in the list that node.toml names, and those without a row in the samples table.
    On any error the snapshot that was published before stays as it is.
    """
    console = Console(stderr=True)
    report = build(node, None if quiet or as_json else console, workers)
    if as_json:
        print(ingest_json(report))
    elif not quiet:
        print_ingest(report, console)


def build(node: Path, console: Console | None, workers: int = 2) -> IngestReport:
    """Ingest *node*: with bars on a terminal, with plain lines elsewhere, in silence without a console."""
    from goe_lake.config import read_node

    config = read_node(node)
    with ExitStack() as stack:
        stack.enter_context(reading(config))
        from goe_lake.engine.policy import read_policy
        from goe_lake.lake import ingest as ingest_node
        from goe_lake.vcf.lean import all_loaded

        all_loaded()
        policy = read_policy(config.policy)
        least = policy.min_persons if policy.protects else 1
        if console is None:
            return ingest_node(config, min_label_persons=least, workers=workers)
        progress = IngestProgress(console) if console.is_terminal else IngestLog(console)
        stack.enter_context(progress)
        return ingest_node(config, min_label_persons=least, progress=progress, workers=workers)


@lake_commands.command("snapshots")
def lake_snapshots(node: NodeArgument, as_json: JsonOption = False) -> None:
    """List the snapshots that the lake still holds, the published one first."""
    from goe_lake.config import read_node
    from goe_lake.lake.inventory import snapshots_of

    found = snapshots_of(read_node(node))
    if as_json:
        print(json.dumps([item.to_json() for item in found], indent=1))
    else:
        print_snapshots(found, Console())


@lake_commands.command("verify")
def lake_verify(
    node: NodeArgument,
    every: Annotated[
        bool, typer.Option("--all", help="Verify every snapshot, not only the published.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read every file that the manifest lists, and compare its SHA-256. Exit code 1 where one differs."""
    from goe_lake.config import read_node
    from goe_lake.lake.inventory import verify

    for item in verify(read_node(node), every=every):
        if as_json:
            print(json.dumps(item.to_json()))
        else:
            print(f"{item.snapshot_id[:12]}: {item.files} files, {item.bytes:,} bytes, as the manifest says")


@lake_commands.command("purge")
def lake_purge(
    node: NodeArgument,
    keep: Annotated[int, typer.Option(min=1, help="Snapshots to keep, the published one included.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Remove old snapshots and every file that only they name; end their ids.

    Snapshots that hold a person who has withdrawn are removed whatever --keep says. Where the published
    one does, the node is ingested first, which rewrites what held the person. Run it while no ingest and
    no query runs; copies of the lake elsewhere (backups) are not touched.
    """
    from goe_lake.config import read_node
    from goe_lake.lake import open_snapshot, purge, staying_ids, withdrawn_in

    config = read_node(node)
    leaving = withdrawn_in(open_snapshot(config.lake), staying_ids(config))
    if leaving:
        errors.print(f"{leaving} samples have withdrawn since the last ingest: ingesting first", style="dim")
        build(node, None if as_json else errors)
    done = purge(config, keep=keep)
    if as_json:
        print(json.dumps(asdict(done)))
        return
    print(f"kept {len(done.kept)} snapshots: {', '.join(name[:12] for name in done.kept)}")
    held = f", {done.holding} of them with withdrawn persons" if done.holding else ""
    print(f"ended {len(done.ended)} snapshots{held}; removed {done.files} files, {done.bytes:,} bytes")


@lake_commands.command("duplicates")
def lake_duplicates(node: NodeArgument, as_json: JsonOption = False) -> None:
    """Compare all genotyped samples, and name pairs of persons who are one. For this node's eyes only.

    Exit code 1 where there are any: give them one person_id, or withdraw one.
    """
    from goe_lake.config import read_node
    from goe_lake.lake import find_duplicates, open_snapshot

    check = find_duplicates(open_snapshot(read_node(node).lake))
    if as_json:
        print(json.dumps({"passed": check.passed, **asdict(check)}, indent=1))
    else:
        print_duplicates(check, Console())
    if not check.passed:
        raise typer.Exit(Exit.FAILED)
