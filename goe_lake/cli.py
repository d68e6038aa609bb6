"""The command `goe`: wiring only; every command calls the library and prints what it says."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table

from goe_lake import __version__
from goe_lake.errors import GoeError, Incomplete, QueryRefused
from goe_lake.release import Status

if TYPE_CHECKING:
    from goe_lake.federation import Answer

app = typer.Typer(
    name="goe",
    help="The Genome of Europe: build a node's lake, and ask many nodes as if they were one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
errors = Console(stderr=True)


class Exit(IntEnum):
    """What the exit code of `goe` says."""

    ANSWERED = 0
    FAILED = 1
    REFUSED = 3
    INCOMPLETE = 4


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"


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
    str, typer.Option(help="The project, whose purpose the persons' consent must cover.")
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit code 0 answered, 3 refused, 4 incomplete, 1 anything else."""
    _log_to_stderr()
    try:
        app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except QueryRefused as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(Exit.REFUSED)
    except Incomplete as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(Exit.INCOMPLETE)
    except GoeError as error:
        errors.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(Exit.FAILED)
    except typer.Exit as leave:
        sys.exit(leave.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        errors.print("stopped", style="red")
        sys.exit(Exit.FAILED)


def _log_to_stderr() -> None:
    """Answers go to stdout; warnings and errors of the log to stderr."""
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
        print(f"goe_lake {__version__}")
        raise typer.Exit


@app.command()
def query(
    sql: Annotated[
        str,
        typer.Argument(help='The query, e.g. "SELECT country, count(*) AS n FROM samples GROUP BY country".'),
    ],
    more: MoreNodes = None,
    nodes: NodesOption = None,
    project: ProjectOption = "demo",
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="How to write the answer.")
    ] = Format.TABLE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead of the screen.")
    ] = None,
    envelope: Annotated[bool, typer.Option(help="Print the envelope too (stderr, JSON).")] = False,
    any_nodes: Annotated[
        bool, typer.Option("--any", help="Accept an answer without nodes that fail.")
    ] = False,
) -> None:
    """Answer an SQL query over several nodes.

    Example: goe query "SELECT sex, avg(bmi) FROM samples GROUP BY sex" --nodes ee/node.toml fi/node.toml
    """
    from goe_lake import open_federation

    federation = open_federation(_node_files(nodes, more), project=project)
    try:
        answer = federation.sql(sql, completeness="any" if any_nodes else "all")
    except QueryRefused as error:
        errors.print(error.pointing_at(sql), style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.REFUSED) from None
    _write(answer, format_, output)
    if envelope:
        errors.print_json(json.dumps(answer.envelope.to_json()))


@app.command()
def explain(
    sql: Annotated[str, typer.Argument(help="The query.")],
    more: MoreNodes = None,
    nodes: NodesOption = None,
    project: ProjectOption = "demo",
) -> None:
    """Show what a query would ask of each node, and what is made of it. Nothing is asked."""
    from goe_lake import open_federation

    federation = open_federation(_node_files(nodes, more), project=project)
    try:
        print(federation.explain(sql))
    except QueryRefused as error:
        errors.print(error.pointing_at(sql), style="bold red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.REFUSED) from None


def _node_files(nodes: list[Path] | None, more: list[Path] | None) -> list[Path]:
    files = [*(nodes or []), *(more or [])]
    if not files:
        raise typer.BadParameter("name the nodes: --nodes ee/node.toml fi/node.toml")
    return files


def _write(answer: Answer, format_: Format, output: Path | None) -> None:
    """Write *answer* in *format_* to *output*, or to the screen."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    if format_ is Format.TABLE:
        _print_table(answer, Console(file=output.open("w", encoding="utf-8")) if output else Console())
        return
    if format_ is Format.JSON:
        text = json.dumps(_as_json(answer), indent=2, default=str, ensure_ascii=False)
        if output:
            output.write_text(text + "\n", encoding="utf-8")
        else:
            print(text)
        return
    sink = pa.OSFile(str(output), "wb") if output else pa.PythonFile(sys.stdout.buffer, "w")
    table = answer.to_arrow()
    with sink:
        if format_ is Format.CSV:
            csv.write_csv(table, sink)
        elif format_ is Format.PARQUET:
            parquet.write_table(table, sink)
        else:
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        sink.flush()


def _as_json(answer: Answer) -> dict[str, object]:
    return {
        "rows": answer.table.to_pylist(),
        "status": answer.status.to_pylist(),
        "envelope": answer.envelope.to_json(),
    }


def _print_table(answer: Answer, console: Console) -> None:
    """The answer as a table; a value that is not shown says so, with its bounds where they are known."""
    bounds = {(bound.row, bound.column): bound for bound in answer.envelope.bounds}
    table = Table()
    for name, field in zip(answer.table.column_names, answer.table.schema, strict=True):
        table.add_column(name, justify="left" if str(field.type) == "string" else "right")
    statuses = answer.status.to_pylist()
    for row, (values, words) in enumerate(zip(answer.table.to_pylist(), statuses, strict=True)):
        table.add_row(*(_shown(values[name], words[name], bounds.get((row, name))) for name in values))
    console.print(table)
    for line in _remarks(answer):
        console.print(line, style="dim", markup=False, highlight=False)


def _shown(value: object, status: str, bound: object) -> str:
    from goe_lake.release import Bound

    if isinstance(bound, Bound):
        return f"{bound.lower}..{bound.upper}" if bound.upper is not None else f">={bound.lower}"
    if status == Status.WITHHELD:
        return "withheld"
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _remarks(answer: Answer) -> list[str]:
    envelope = answer.envelope
    answered = [node.country for node in envelope.nodes if node.status == "answered"]
    remarks = [
        f"{answer.table.num_rows} rows from {len(answered)} of {len(envelope.nodes)} nodes ({', '.join(answered)})"
    ]
    if envelope.rows is Status.PARTIAL:
        remarks.append("rows may be missing or out of order: HAVING, ORDER BY or LIMIT read a withheld value")
    if envelope.not_shown:
        remarks.append(f"{len(envelope.not_shown)} possible groups are not shown: too few persons, or none")
    return [*remarks, *envelope.notices]


if __name__ == "__main__":
    main()
