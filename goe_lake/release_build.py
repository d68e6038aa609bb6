"""`goe release build` and `goe release node`: making releases of the allele-frequency reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from goe_lake.lake_console import IngestProgress

if TYPE_CHECKING:
    from goe_lake.federation import Federation
    from goe_lake.products.frequencies.build import Built

NodesArgument = Annotated[
    list[Path] | None, typer.Argument(help="The node.toml files of built lakes.", show_default=False)
]
FederationOption = Annotated[
    Path | None,
    typer.Option(
        "--federation",
        help="The federation.toml, instead of node.toml files: its nodes are asked over HTTPS.",
        show_default=False,
    ),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        help="Folder of the gateway's keys; by default the one beside federation.toml named as its id.",
        show_default=False,
    ),
]
NOBODY = (
    "{}: nobody is counted. The consent codes of its policy.toml cover no genotyped person for the purpose "
    "allele_frequencies"
)
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no report.")]


def build(
    nodes: NodesArgument = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder of the new release.", show_default=False)
    ] = None,
    federation: FederationOption = None,
    identity: IdentityOption = None,
    previous: Annotated[
        Path | None,
        typer.Option("--previous", help="The European release before this one.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the folder where it exists.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Build a European release: each node makes its own, and their union is written to a folder.

    Rows of which too few contributors joined or left since an earlier release stay as they were. Nothing
    is seen of the folder before it is whole.

    Example: goe release build ee/node.toml fi/node.toml --out R2 --previous R1
    """
    from goe_lake.products.frequencies.build import build_release
    from goe_lake.products.frequencies.store import open_release

    if out is None:
        raise typer.BadParameter("name the folder of the new release: --out R1")
    before = open_release(previous) if previous is not None else None
    console = Console(stderr=True)
    with named_nodes(nodes, federation, identity) as opened:
        if quiet:
            build_release(opened, out, before, force=force)
            return
        with IngestProgress(console) as progress:
            built = build_release(opened, out, before, force=force, progress=progress)
    _print_built(built, console)


def node_release(
    node: Annotated[Path, typer.Argument(help="The node.toml of a built lake.", show_default=False)],
    sites: Annotated[
        Path | None,
        typer.Option(
            "--sites",
            help="A European release whose sites are listed too; by default the node's own, and those that "
            "it released before.",
            show_default=False,
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Make one node's next release of allele frequencies, in its own lake. Nothing leaves the node.

    Example: goe release node ee/node.toml --sites R1
    """
    from goe_lake import open_federation
    from goe_lake.products.frequencies.build import previous_sites
    from goe_lake.products.frequencies.store import open_release

    alone = open_federation([node])
    if sites is not None:
        alone.keep_listed(previous_sites(open_release(sites)))
    contigs = alone.site_list.sites.column("contig").unique()
    if quiet:
        alone.release_frequencies()
        return
    console = Console(stderr=True)
    with IngestProgress(console) as progress:
        progress.start("contigs", len(contigs))
        (made,) = alone.release_frequencies(lambda _, contig: progress.advance("contigs", 1))
        progress.finish("contigs")
    fresh = sum(since == made.number for since in made.unchanged_since.values())
    console.print(
        f"release {made.number}   {made.release_id[:12]}   snapshot {made.snapshot_id[:12]}   "
        f"{made.persons:,} persons, {len(made.unchanged_since)} contigs, {fresh} of them changed in it",
        highlight=False,
    )
    if not made.persons:
        console.print(NOBODY.format(alone.nodes[0].node_id), style="yellow", soft_wrap=True)


@contextmanager
def named_nodes(
    nodes: list[Path] | None, federation: Path | None, identity: Path | None
) -> Iterator[Federation]:
    """The federation of the named nodes, in this process or over the wire."""
    if (federation is None) == (not nodes):
        raise typer.BadParameter("name node.toml files, or a federation.toml with --federation")
    if federation is None:
        from goe_lake import open_federation

        yield open_federation(nodes or [])
        return
    from goe_lake.web.serve import remote_federation

    with remote_federation(federation, identity=identity) as remote:
        yield remote


def _print_built(built: Built, console: Console) -> None:
    """The table at the end of a build."""
    manifest = built.release.manifest
    table = Table(title=f"release {manifest.number}   {manifest.release_id[:12]}")
    for name in ("country", "rows", "ac told", "bounded", "withheld"):
        table.add_column(name, justify="left" if name == "country" else "right")
    for country in built.countries:
        bounded = country.without_ac - country.withheld
        parts = (country.rows - country.without_ac, bounded, country.withheld)
        shares = [f"{part / country.rows:.1%}" if country.rows else "" for part in parts]
        table.add_row(country.country, f"{country.rows:,}", *shares)
    console.print(table)
    taken = f", {len(built.taken_over)} of them as before" if built.taken_over else ""
    console.print(
        f"{built.sites:,} sites on {len(built.release.contigs)} contigs{taken}, "
        f"{len(manifest.created_from)} nodes, {built.seconds:.1f} seconds",
        highlight=False,
    )
    for node in manifest.created_from:
        if not node.persons:
            console.print(NOBODY.format(node.id), style="yellow", highlight=False, soft_wrap=True)
    console.print(str(built.release.root), highlight=False, soft_wrap=True)
