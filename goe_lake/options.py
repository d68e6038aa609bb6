"""What the commands of `goe` share: options, exit codes, and the federation that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from goe_lake.errors import QueryRefused

if TYPE_CHECKING:
    from goe_lake.federation import Federation
    from goe_lake.federation.client import Client

errors = Console(stderr=True)


class Exit(IntEnum):
    """What the exit code of `goe` says."""

    ANSWERED = 0
    FAILED = 1
    REFUSED = 3
    INCOMPLETE = 4


NodesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--nodes",
        "-n",
        help="node.toml of a built lake; give the option once, then the files.",
        show_default=False,
    ),
]
MoreNodes = Annotated[list[Path] | None, typer.Argument(help="More node.toml files.", show_default=False)]
ProjectOption = Annotated[
    str, typer.Option(help="The project that asks; the persons' consent must cover its purpose.")
]
AnalystOption = Annotated[
    str | None,
    typer.Option(
        help="Who asks, a member of the project; by default $GOE_ANALYST or the user.", show_default=False
    ),
]
GatewayOption = Annotated[
    str | None,
    typer.Option("--gateway", help="URL of a gateway, instead of node.toml files.", show_default=False),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        "--ca", help="The authority that signs the gateway's certificate (PEM).", show_default=False
    ),
]


def named_federation(
    nodes: list[Path] | None,
    more: list[Path] | None,
    gateway: str | None,
    ca: Path | None,
    project: str,
    analyst: str | None = None,
) -> Federation | Client:
    """The federation of the named nodes, or the one behind the named gateway."""
    from goe_lake import connect, open_federation
    from goe_lake.federation.asker import local_analyst

    if gateway is None:
        return open_federation(_node_files(nodes, more), project=project, analyst=analyst)
    if nodes or more:
        raise typer.BadParameter("name either nodes or a gateway")
    who = analyst or local_analyst()
    return connect(gateway, ca=ca, project=project, analyst=who)


@contextmanager
def pointing_at(sql: str) -> Iterator[None]:
    """Show a refusal with the place in *sql* that it means, and leave with its exit code."""
    try:
        yield
    except QueryRefused as error:
        errors.print(error.pointing_at(sql), style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.REFUSED) from None


def _node_files(nodes: list[Path] | None, more: list[Path] | None) -> list[Path]:
    files = [*(nodes or []), *(more or [])]
    if not files:
        raise typer.BadParameter("name the nodes: --nodes ee/node.toml fi/node.toml")
    return files
