"""The command `goe`: wiring only; every command calls the library and prints what it says."""

# ruff: noqa: E402 - the files of `goe ingest` are read while the rest is loaded

from __future__ import annotations

import sys

from goe_lake.first import begin_ingest, end_reading, is_ingest

begin_ingest(sys.argv)

import json
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import click
import typer
from rich.console import Console

from goe_lake.audit_commands import audit_commands
from goe_lake.console import Format, write_answer
from goe_lake.errors import GoeError, Incomplete, QueryRefused
from goe_lake.federation_commands import federation_commands, sealing_key
from goe_lake.lake_commands import ingest, lake_commands
from goe_lake.options import (
    AnalystOption,
    CaOption,
    Exit,
    GatewayOption,
    MoreNodes,
    NodesOption,
    ProjectOption,
    errors,
    named_federation,
    pointing_at,
)
from goe_lake.project_commands import project_commands
from goe_lake.release_commands import release_commands
from goe_lake.report_commands import report_commands
from goe_lake.vcf.lean import end_lean

app = typer.Typer(
    name="goe",
    help="The Genome of Europe: build a node's lake, and ask many nodes as if they were one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
node_commands = typer.Typer(name="node", help="A node of a federation.", no_args_is_help=True)
gateway_commands = typer.Typer(name="gateway", help="The gateway of a federation.", no_args_is_help=True)
app.add_typer(node_commands)
app.add_typer(gateway_commands)
app.add_typer(federation_commands)
app.add_typer(release_commands)
app.add_typer(report_commands)
app.add_typer(lake_commands)
app.add_typer(project_commands)
app.add_typer(audit_commands)
app.command()(ingest)
node_commands.command("sealing-key")(sealing_key)


SqlArgument = Annotated[
    str,
    typer.Argument(help="The query; @FILE reads it from a file, - from standard input.", show_default=False),
]
FederationOption = Annotated[
    Path, typer.Option("--federation", help="The federation.toml of the federation.", show_default=False)
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        help="Folder of the service's own keys; by default the one beside federation.toml named as its id.",
        show_default=False,
    ),
]
HostOption = Annotated[str, typer.Option(help="The address of this machine to listen on.")]
PortOption = Annotated[
    int | None,
    typer.Option(help="The port to listen on; by default that of federation.toml.", show_default=False),
]
DeadlineOption = Annotated[float, typer.Option(help="Seconds in which each request is answered or fails.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit code 0 answered, 3 refused, 4 incomplete, 1 anything else."""
    lean = arguments is None and is_ingest(sys.argv)
    if not lean:
        _log_to_stderr()
    try:
        # outside its standalone mode, click hands the code of an Exit back
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except QueryRefused as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(Exit.REFUSED)
    except Incomplete as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(Exit.INCOMPLETE)
    except GoeError as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(Exit.FAILED)
    except click.ClickException as error:
        error.show(sys.stderr)
        sys.exit(Exit.FAILED)
    except (typer.Abort, KeyboardInterrupt):
        errors.print("stopped", style="red")
        sys.exit(Exit.FAILED)
    finally:
        if lean:
            end_reading()
    if lean:
        end_lean(code or 0)
    if code:
        sys.exit(code)


def _log_to_stderr() -> None:
    """Answers go to stdout; warnings and errors of the log to stderr."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Print the version where it is asked for."""
    if show:
        from goe_lake import __version__

        print(f"goe_lake {__version__}")
        raise typer.Exit


@app.command()
def demo(
    countries: Annotated[str, typer.Option(help="Two-letter codes, with commas between.")] = "EE,FI,LV,LT,LU",
    persons: Annotated[int, typer.Option(min=20, help="Persons of each country.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same genomes.")] = 1,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="Keep all files here; by default they go when the demo ends.", show_default=False
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the tour instead of leaving the services up.")
    ] = False,
) -> None:
    """Show it all on simulated genomes: files, lakes, services, questions and answers. Needs no network.

    Simulates the genomes of some countries, builds each country's lake with Dagster, starts a node a
    country and a gateway, and asks them a few questions over HTTPS.
    """
    from goe_lake.demo.run import DemoSettings, run_demo

    codes = tuple(code.strip().upper() for code in countries.split(","))
    with ExitStack() as stack:
        kept = directory or Path(stack.enter_context(TemporaryDirectory(prefix="goe-demo-")))
        settings = DemoSettings(kept.resolve(), codes, persons, seed, once, directory is not None)
        run_demo(settings, Console())


@app.command()
def query(  # noqa: PLR0913 - each is an option of the command
    sql: SqlArgument,
    more: MoreNodes = None,
    nodes: NodesOption = None,
    gateway: GatewayOption = None,
    ca: CaOption = None,
    project: ProjectOption = "demo",
    analyst: AnalystOption = None,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="How to write the answer.")
    ] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of the screen.")
    ] = None,
    envelope: Annotated[bool, typer.Option(help="Print the envelope too (stderr, JSON).")] = False,
    domain_rows: Annotated[
        bool, typer.Option("--domain-rows", help="Give groups of too few persons a row too, withheld.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Add the status of each value to CSV, Parquet and Arrow.")
    ] = False,
    any_nodes: Annotated[
        bool, typer.Option("--any", help="Accept an answer without nodes that fail.")
    ] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Tell what it would cost of the budget, and ask nothing.")
    ] = False,
) -> None:
    """Answer an SQL query over several nodes.

    Example: goe query "SELECT sex, avg(bmi) FROM samples GROUP BY sex" --nodes ee/node.toml fi/node.toml
    """
    sql = _query_text(sql)
    federation = named_federation(nodes, more, gateway, ca, project, analyst)
    if estimate:
        with pointing_at(sql):
            print(federation.estimate(sql))
        return
    with pointing_at(sql):
        answer = federation.sql(sql, completeness="any" if any_nodes else "all", domain_rows=domain_rows)
    write_answer(answer, format_, output, status=status)
    if envelope:
        errors.print_json(json.dumps(answer.envelope.to_json()))


@app.command()
def explain(
    sql: SqlArgument,
    more: MoreNodes = None,
    nodes: NodesOption = None,
    gateway: GatewayOption = None,
    ca: CaOption = None,
    project: ProjectOption = "demo",
) -> None:
    """Show what a query would ask of each node, and what is made of it. Nothing is asked."""
    sql = _query_text(sql)
    federation = named_federation(nodes, more, gateway, ca, project)
    with pointing_at(sql):
        print(federation.explain(sql))


@node_commands.command("serve")
def node_serve(
    node: Annotated[Path, typer.Argument(help="The node.toml of a built lake.", show_default=False)],
    federation: FederationOption,
    identity: IdentityOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    deadline: DeadlineOption = 9.0,
) -> None:
    """Answer the federation's gateway for one node, over HTTPS, until stopped.

    Example: goe node serve ee/node.toml --federation federation.toml --host 0.0.0.0
    """
    from goe_lake.web.serve import Binding, serve_node

    serve_node(
        node, federation, identity=identity, binding=Binding(host, port), deadline=deadline, ready=_say
    )


@gateway_commands.command("serve")
def gateway_serve(
    federation: FederationOption,
    identity: IdentityOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    deadline: DeadlineOption = 10.0,
) -> None:
    """Answer analysts' queries over the federation's nodes, over HTTPS, until stopped.

    Example: goe gateway serve --federation federation.toml --host 0.0.0.0
    """
    from goe_lake.web.serve import Binding, serve_gateway

    serve_gateway(federation, identity=identity, binding=Binding(host, port), deadline=deadline, ready=_say)


def _say(line: str) -> None:
    print(line, flush=True)


def _query_text(sql: str) -> str:
    """The query itself, or the content of the file behind an @, or of standard input for -."""
    if sql.endswith(".toml"):
        raise typer.BadParameter(
            'the query comes first: goe query "SELECT …" --nodes ee/node.toml fi/node.toml'
        )
    if sql == "-":
        return sys.stdin.read()
    if not sql.startswith("@"):
        return sql
    try:
        return Path(sql[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{sql[1:]} cannot be read as text; check the path behind the @") from None


if __name__ == "__main__":
    main()
