"""`goe audit`: what left a node, for the eyes of its data protection officer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from goe_lake.options import Exit, errors

if TYPE_CHECKING:
    from goe_lake.federation.ledger import Entry

audit_commands = typer.Typer(
    name="audit",
    help="A node's ledger: what left it, what was refused, what its officer decided.",
    no_args_is_help=True,
)
NodeArgument = Annotated[Path, typer.Argument(help="The node.toml of the node.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OfficerOption = Annotated[
    str | None, typer.Option(help="Who decides; by default the user of this process.", show_default=False)
]
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept in the log.", show_default=False)]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], show_default=False)]


@audit_commands.command("verify")
def audit_verify(node: NodeArgument, as_json: JsonOption = False) -> None:
    """Check the whole log: every entry, the chain from the first to the newest, and what the lake remembers.

    Exit code 1 where anything is not as it was written; each fault names its entry.
    """
    from goe_lake.config import read_node
    from goe_lake.federation.ledger.mending import verify

    config = read_node(node)
    entries, faults = verify(config.ledger, config.lake)
    if as_json:
        print(json.dumps({"entries": entries, "faults": [vars(fault) for fault in faults]}))
    elif faults:
        for fault in faults:
            errors.print(str(fault), style="bold red", markup=False, highlight=False)
    else:
        print(f"{entries:,} entries, as they were written")
    if faults:
        raise typer.Exit(Exit.FAILED)


@audit_commands.command("show")
def audit_show(  # noqa: PLR0913 - each is an option of the command
    node: NodeArgument,
    project: Annotated[str | None, typer.Option(help="Of this project only.", show_default=False)] = None,
    analyst: Annotated[str | None, typer.Option(help="Of this analyst only.", show_default=False)] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="answer, unprotected, declined, frequencies, project, …", show_default=False),
    ] = None,
    query: Annotated[str | None, typer.Option(help="Of this query id only.", show_default=False)] = None,
    since: Day = None,
    until: Day = None,
    last: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List what left the node, what was refused, and why; the newest last.

    Days are of UTC, the last one included. With --json each entry is whole: the shape of the question,
    its fingerprint and release digest, and how many values each rule withheld.
    """
    from goe_lake.config import read_node
    from goe_lake.federation.ledger import Ledger

    wanted = {"project": project, "analyst": analyst, "kind": kind, "query_id": query}
    conditions = [(f"{name} = ?", value) for name, value in wanted.items() if value is not None]
    if since is not None:
        conditions.append(("at >= ?", f"{since:%Y-%m-%d}"))
    if until is not None:
        conditions.append(("at < ?", f"{until:%Y-%m-%d}U"))
    where = " AND ".join(["TRUE", *(condition for condition, _ in conditions)])
    config = read_node(node)
    ledger = Ledger.open(config.ledger, config.lake, config.node_id)
    values: list[str | int] = [*(value for _, value in conditions), last]
    entries = ledger.entries(f"{where} ORDER BY seq DESC LIMIT ?", values)[::-1]
    ledger.close()
    if as_json:
        print(json.dumps([entry.to_json() for entry in entries], indent=1))
    else:
        Console(width=None if Console().is_terminal else 160).print(_listed(entries))


def _listed(entries: list[Entry]) -> Table:
    table = Table("entry", "at (UTC)", "kind", "project", "analyst", "cells", "what", box=None)
    for entry in entries:
        cells = f"{entry.cells:,}" if entry.kind in ("answer", "unprotected") else ""
        at = entry.at[:19].replace("T", " ")
        table.add_row(str(entry.seq), at, entry.kind, entry.project, entry.analyst, cells, told(entry))
    return table


def told(entry: Entry) -> str:
    """What *entry* tells, in a line."""
    from goe_lake.federation.ledger.shape import in_words

    content = entry.content
    words = [in_words(content["shape"])] if "shape" in content else []
    if entry.kind in ("answer", "unprotected"):
        words.append(_values(content))
    elif entry.kind == "declined":
        words.insert(0, f"{content['code']} {content.get('reason', '')}".strip())
    elif entry.kind == "project":
        reason = f": {content['reason']}" if content.get("reason") else ""
        number = f" answer {content['held']}" if "held" in content else ""
        words.append(f"{content['event']}{number} by {content['officer']}{reason}")
    else:
        words.append(", ".join(f"{name} {value}" for name, value in content.items()))
    return "; ".join(words)


def _values(content: Mapping[str, Any]) -> str:
    """How many values an answer told, how many of them as `≈`, and how many it withheld, by rule."""
    if content.get("sealed"):
        return "sealed: what is told of the sum is decided where it is opened"
    words = f"values told {content['told']}"
    if content.get("marked"):
        words += f", {sum(content['marked'].values())} of them ≈ ({_by_rule(content['marked'])})"
    words += f", withheld {content['withheld']}"
    return f"{words} ({_by_rule(content['rules'])})" if content.get("rules") else words


def _by_rule(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} by {rule}" for rule, count in counts.items())


@audit_commands.command("backup")
def audit_backup(
    node: NodeArgument,
    file: Annotated[Path, typer.Argument(help="The file to write; it must be new.", show_default=False)],
) -> None:
    """Write a copy of the ledger, whole and consistent, while the node goes on answering."""
    from goe_lake.config import read_node
    from goe_lake.federation.ledger import Ledger

    config = read_node(node)
    ledger = Ledger.open(config.ledger, config.lake, config.node_id)
    newest = ledger.backup(file)
    ledger.close()
    print(f"{file}: entries 1 to {newest}")


@audit_commands.command("restore")
def audit_restore(
    node: NodeArgument,
    backup: Annotated[Path, typer.Argument(help="A file that goe audit backup wrote.", show_default=False)],
    reason: ReasonOption,
    officer: OfficerOption = None,
) -> None:
    """Put a backup in the place of a ledger that is lost or damaged; what is left of that is kept beside it.

    What was answered after the backup is not in it: budgets, and comparisons with earlier answers, begin
    where the backup ends. The command says how many entries that are.
    """
    from goe_lake.config import read_node
    from goe_lake.federation.asker import local_analyst
    from goe_lake.federation.ledger.mending import restore

    config = read_node(node)
    entry, missing = restore(config.ledger, config.lake, backup, officer or local_analyst(), reason)
    print(f"restored; entry {entry.seq} says so")
    if missing:
        errors.print(f"{missing} entries that the lake knows of are not in the backup", style="bold yellow")


@audit_commands.command("begin")
def audit_begin(
    node: NodeArgument,
    reason: ReasonOption,
    officer: OfficerOption = None,
) -> None:
    """Begin an empty ledger where the old one is lost and there is no backup; what is left of it is kept.

    Every project begins with a whole budget, must be approved again, and is compared with no earlier answer.
    """
    from goe_lake.config import read_node
    from goe_lake.federation.asker import local_analyst
    from goe_lake.federation.ledger.mending import begin_anew

    config = read_node(node)
    who = officer or local_analyst()
    entry = begin_anew(config.ledger, config.lake, config.node_id, who, reason)
    print(f"begun; entry {entry.seq} says so")
