"""`goe project`: what a group of analysts may ask, and what a node's officer decides about it."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from goe_lake.audit_commands import JsonOption, NodeArgument, OfficerOption, ReasonOption
from goe_lake.options import errors

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from goe_lake.federation.ledger.officer import Office
    from goe_lake.federation.ledger.projects import Decided, Project

project_commands = typer.Typer(
    name="project",
    help="Projects: who may ask a node what for until when. Each node's officer approves for the own node.",
    no_args_is_help=True,
)
FileArgument = Annotated[Path, typer.Argument(help="The project.toml.", show_default=False)]
IdArgument = Annotated[str, typer.Argument(help="The id of the project.", show_default=False)]


class Switch(StrEnum):
    """Whether answers are held."""

    ON = "on"
    OFF = "off"


@project_commands.command("new")
def project_new(
    file: FileArgument,
    project_id: Annotated[str, typer.Option("--id", help="Letters, digits and ._-", show_default=False)],
    title: Annotated[str, typer.Option(help="What people call it.", show_default=False)],
    purpose: Annotated[
        str, typer.Option(help="A purpose that consent covers, e.g. cardiovascular.", show_default=False)
    ],
    member: Annotated[list[str], typer.Option(help="An analyst; once for each.", show_default=False)],
    expires: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The last day.", show_default=False)
    ],
    node: Annotated[
        list[str] | None,
        typer.Option(help="The id of a node that is asked; once for each.", show_default=False),
    ] = None,
) -> None:
    """Write a project.toml, for officers to approve.

    Example: goe project new cardio.toml --id cardio-2026 --title "Lipids and coronary disease"
    --purpose cardiovascular --member anna@example.org --expires 2027-12-31
    """
    from goe_lake.federation.ledger.projects import Project, read_project

    if file.exists():
        raise typer.BadParameter(f"{file} is there already", param_hint="FILE")
    project = Project(project_id, title, purpose, tuple(member), expires.date(), tuple(node or ()))
    file.write_text(project.to_toml(), encoding="utf-8")
    try:
        read_project(file)
    except Exception:
        file.unlink()
        raise
    print(f"{file}: send it to the officers of the nodes, who run goe project approve {file} NODE.toml")


@project_commands.command("show")
def project_show(
    file: FileArgument,
    node: Annotated[
        Path | None, typer.Argument(help="A node.toml, to see what stands there.", show_default=False)
    ] = None,
) -> None:
    """Print what a project.toml asks for, and what a node's officer decided about it."""
    from goe_lake.federation.ledger.projects import read_project

    project = read_project(file)
    print(project.to_toml(), end="")
    print(f"# digest {project.digest}")
    if node is not None:
        with _office(node, None) as office:
            print(
                f"# at {office.config.node_id}: {_stands(office.ledger.decided(project.project_id), project)}"
            )


@project_commands.command("approve")
def project_approve(
    file: FileArgument, node: NodeArgument, officer: OfficerOption = None, reason: str = ""
) -> None:
    """Let a project ask this node, as project.toml describes it now; a changed file needs a new approval."""
    from goe_lake.engine.policy import read_policy
    from goe_lake.federation.ledger.projects import read_project

    project = read_project(file)
    with _office(node, officer) as office:
        covering = read_policy(office.config.policy).codes_for(project.purpose)
        entry = office.approve(project, reason)
    if covering is not None and not covering:
        errors.print(
            f"no consent code covers {project.purpose!r}: nobody will be counted", style="bold yellow"
        )
    print(f"{project.project_id} is approved until {project.expires}; entry {entry.seq}")


@project_commands.command("veto")
def project_veto(
    project_id: IdArgument, node: NodeArgument, reason: ReasonOption, officer: OfficerOption = None
) -> None:
    """Never answer a project at this node."""
    with _office(node, officer) as office:
        entry = office.veto(project_id, reason)
    print(f"{project_id} is vetoed; entry {entry.seq}")


@project_commands.command("withdraw")
def project_withdraw(
    project_id: IdArgument, node: NodeArgument, reason: ReasonOption, officer: OfficerOption = None
) -> None:
    """Take this node's approval of a project back; from now on it is not answered."""
    with _office(node, officer) as office:
        entry = office.withdraw(project_id, reason)
    print(f"the approval of {project_id} is withdrawn; entry {entry.seq}")


@project_commands.command("hold")
def project_hold(
    project_id: IdArgument,
    switch: Annotated[Switch, typer.Argument(help="on or off", show_default=False)],
    node: NodeArgument,
    officer: OfficerOption = None,
) -> None:
    """Hold every answer to a project until the officer has looked at it, or no longer."""
    with _office(node, officer) as office:
        entry = office.hold(project_id, on=switch is Switch.ON)
    now = "held" if switch is Switch.ON else "no longer held"
    print(f"answers to {project_id} are {now}; entry {entry.seq}")


@project_commands.command("pending")
def project_pending(
    node: NodeArgument,
    show: Annotated[
        int | None, typer.Option(help="Print the cells of this answer.", show_default=False)
    ] = None,
) -> None:
    """List the answers that wait, or print what one of them would tell."""
    from goe_lake.federation.ledger import held
    from goe_lake.federation.ledger.shape import in_words

    with _office(node, None) as office:
        waiting = held.every(office.ledger, held.State.PENDING)
    if show is not None:
        chosen = [item for item in waiting if item.number == show]
        if not chosen:
            raise typer.BadParameter(f"{show} is not waiting", param_hint="--show")
        table = Table(*chosen[0].cells.column_names, box=None)
        for row in chosen[0].cells.to_pylist():
            table.add_row(*map(str, row.values()))
        Console().print(table)
        return
    table = Table("number", "at (UTC)", "project", "analyst", "rows", "what", box=None)
    for item in waiting:
        what, rows = in_words(json.loads(item.shape)["shape"]), str(item.cells.num_rows)
        table.add_row(str(item.number), item.at[:19], item.project, item.analyst, rows, what)
    Console(width=None if Console().is_terminal else 160).print(table)


@project_commands.command("allow")
def project_allow(
    node: NodeArgument,
    number: Annotated[int, typer.Argument(help="The number of a held answer.", show_default=False)],
    refuse: Annotated[bool, typer.Option("--refuse", help="Keep it here instead.")] = False,
    reason: str = "",
    officer: OfficerOption = None,
) -> None:
    """Let a held answer go when it is asked for again; with --refuse, keep it here for good."""
    with _office(node, officer) as office:
        entry = office.decide(number, reason, allow=not refuse)
    print(f"answer {number} {'stays here' if refuse else 'may go'}; entry {entry.seq}")


@project_commands.command("list")
def project_list(node: NodeArgument, as_json: JsonOption = False) -> None:
    """List the projects that this node's officer decided about, and what is spent of their day."""
    with _office(node, None) as office:
        known = office.projects()
        spent = {name: office.ledger.spent(name) for name in known}
    if as_json:
        print(json.dumps({name: _facts(standing) | vars(spent[name]) for name, standing in known.items()}))
        return
    table = Table("project", "stands", "since", "held", "expires", "members", "queries", "cells", box=None)
    for name, standing in known.items():
        project = standing.project
        until, members = (str(project.expires), ", ".join(project.members)) if project else ("", "")
        held, today = "yes" if standing.hold else "", spent[name]
        since = standing.at[:10]
        table.add_row(name, standing.event, since, held, until, members, str(today.queries), str(today.cells))
    Console(width=None if Console().is_terminal else 160).print(table)


def _office(node: Path, officer: str | None) -> AbstractContextManager[Office]:
    from goe_lake.federation.asker import local_analyst
    from goe_lake.federation.ledger.officer import office

    return office(node, officer or local_analyst())


def _facts(standing: Decided) -> dict[str, object]:
    project = standing.project.to_json() if standing.project else None
    return {"stands": standing.event, "since": standing.at, "hold": standing.hold, "project": project}


def _stands(known: Decided | None, project: Project) -> str:
    if known is None:
        return "nothing was decided"
    differs = known.project is not None and known.project.digest != project.digest
    changed = ", for an earlier text of this file" if differs else ""
    return f"{known.event} on {known.at[:10]}{changed}{'; answers are held' if known.hold else ''}"
