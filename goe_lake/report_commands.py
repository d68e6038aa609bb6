"""`goe report`: list, describe and run the reports of `sql/reports`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from goe_lake.options import (
    CaOption,
    GatewayOption,
    MoreNodes,
    NodesOption,
    errors,
    named_federation,
    pointing_at,
)

if TYPE_CHECKING:
    from goe_lake.products.reports import Asked, Report, Result

report_commands = typer.Typer(
    name="report", help="Reports: SQL files that run through the gateway on a schedule.", no_args_is_help=True
)
ReportsOption = Annotated[
    Path | None,
    typer.Option(
        "--reports", help="Folder of report files; by default those of the package.", show_default=False
    ),
]
NameArgument = Annotated[
    str, typer.Argument(help="A report's name, as `goe report list` shows it.", show_default=False)
]


@report_commands.command("list")
def list_(reports: ReportsOption = None) -> None:
    """List the reports, with their schedules and parameters."""
    from goe_lake.products.reports import list_reports
    from goe_lake.products.reports.definition import reports_folder

    table = Table()
    for title in ("name", "title", "schedule", "parameters"):
        table.add_column(title)
    for report in list_reports(reports or reports_folder()):
        parameters = ", ".join(parameter.name for parameter in report.parameters)
        table.add_row(report.name, report.title, report.schedule or "by hand", parameters)
    Console(highlight=False).print(table)


@report_commands.command("show")
def show(name: NameArgument, reports: ReportsOption = None) -> None:
    """Show what a report asks: its parameters and queries."""
    console = Console(highlight=False)
    report = _report(name, reports)
    console.print(f"[bold]{report.title}[/bold]")
    console.print(report.about, markup=False)
    for parameter in report.parameters:
        default = f" (default {parameter.default})" if parameter.default is not None else ""
        choices = f", one of {', '.join(parameter.choices)}" if parameter.choices else ""
        told = f"  --param {parameter.name}=…  {parameter.type}{choices}: {parameter.description}{default}"
        console.print(told, markup=False)
    for query in report.queries:
        console.print(f"\n-- {query.name}: {query.caption}", markup=False)
        console.print(query.sql, markup=False)


@report_commands.command("run")
def run(  # noqa: PLR0913 - each is an option of the command
    name: NameArgument,
    more: MoreNodes = None,
    nodes: NodesOption = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="NAME=VALUE; may be repeated.", show_default=False),
    ] = None,
    gateway: GatewayOption = None,
    ca: CaOption = None,
    project: Annotated[
        str | None, typer.Option(help="Ask as this project instead of the report's own.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write; by default ./NAME.", show_default=False),
    ] = None,
    reports: ReportsOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")] = False,
) -> None:
    """Run a report: a page, and each query's rows as CSV and Parquet, with their provenance.

    The same snapshots give the same bytes. Exit code 0 done, 3 a query was refused, 4 a node is
    missing that the report needs, 1 anything else.

    Example: goe report run cohorts --nodes ee/node.toml fi/node.toml --out cohorts
    """
    from goe_lake.products.reports import write_result

    report = _report(name, reports)
    given = _given(param or [])
    federation = named_federation(nodes, more, gateway, ca, project or report.project)
    with pointing_at(Path(report.file).read_text(encoding="utf-8")):
        result = _run(report, federation, given, quiet)
    files = write_result(result, output or Path(name))
    if quiet:
        return
    for node in result.missing:
        errors.print(f"without {node}, which did not answer", style="yellow", markup=False)
    for file in files:
        typer.echo(str(file))


def _run(report: Report, federation: Asked, given: dict[str, str], quiet: bool) -> Result:
    from goe_lake.products.reports import run_report

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, disable=quiet, transient=True) as bars:
        task = bars.add_task(report.name, total=len(report.queries))
        asked = 0

        def progress(query: str) -> None:
            nonlocal asked
            bars.update(task, completed=asked, description=f"{report.name}: {query}")
            asked += 1

        return run_report(report, federation, given, progress)


def _report(name: str, folder: Path | None) -> Report:
    from goe_lake.products.reports import find_report
    from goe_lake.products.reports.definition import reports_folder

    return find_report(name, folder or reports_folder())


def _given(pairs: list[str]) -> dict[str, str]:
    given = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark:
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint="--param")
        given[name] = value
    return given
