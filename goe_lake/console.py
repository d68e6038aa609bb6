"""What the command line shows: answers in every format."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from goe_lake.release import Bound, Status

if TYPE_CHECKING:
    import pyarrow as pa

    from goe_lake.federation import Answer


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"


def write_answer(answer: Answer, format_: Format, output: Path | None, *, status: bool = False) -> None:
    """Write *answer* in *format_* to the file *output*, or to the screen.

    With *status*, columns as CSV, Parquet or Arrow have their `<name>_status` beside them.
    """
    if format_ is Format.TABLE:
        content = _table_text(answer, output).encode()
    elif format_ is Format.JSON:
        content = _json_text(answer).encode()
    else:
        content = _columns(answer.with_status() if status else answer.table, format_)
    if output is not None:
        output.write_bytes(content)
    else:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()


def _columns(table: pa.Table, format_: Format) -> bytes:
    # commands that show no table need not wait for Arrow
    import pyarrow as pa
    from pyarrow import csv, parquet

    from goe_lake.federation.nested import flat

    sink = pa.BufferOutputStream()
    if format_ is Format.CSV:
        csv.write_csv(flat(table), sink)
    elif format_ is Format.PARQUET:
        parquet.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _json_text(answer: Answer) -> str:
    from goe_lake.federation.nested import plain_rows

    content = {
        "rows": plain_rows(answer.table),
        "status": answer.status.to_pylist(),
        "envelope": answer.envelope.to_json(),
    }
    return json.dumps(content, indent=2, default=str, ensure_ascii=False) + "\n"


def _table_text(answer: Answer, output: Path | None) -> str:
    """The answer as a table; a value that is not shown says so, with its bounds where they are known."""
    console = Console(width=200 if output is not None else None, highlight=False)
    with console.capture() as captured:
        console.print(answer_table(answer))
        for line in remarks(answer):
            console.print(line, style="dim", markup=False)
    return captured.get()


def answer_table(answer: Answer) -> Table:
    """The answer as a table for a terminal."""
    import pyarrow as pa

    from goe_lake.federation.nested import plain_rows

    bounds = {(bound.row, bound.column): bound for bound in answer.envelope.bounds}
    table = Table()
    for field in answer.table.schema:
        table.add_column(field.name, justify="left" if pa.types.is_string(field.type) else "right")
    rows = zip(plain_rows(answer.table), answer.status.to_pylist(), strict=True)
    for row, (values, words) in enumerate(rows):
        table.add_row(*(_shown(values[name], words[name], bounds.get((row, name))) for name in values))
    return table


def _shown(value: object, status: str, bound: Bound | None) -> str:
    if bound is not None and status == Status.APPROX and isinstance(value, float):
        return f"{value:.6g} ({float(bound.lower):.6g}..{float(bound.upper or 'nan'):.6g})"
    if bound is not None:
        return f"{bound.lower}..{bound.upper}" if bound.upper is not None else f">={bound.lower}"
    if status == Status.WITHHELD:
        return "withheld"
    if value is None:
        return "NULL"
    text = _text(value)
    return f"{text} ≈" if status == Status.APPROX else text


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def remarks(answer: Answer) -> list[str]:
    """What a reader should know of the answer as a whole."""
    envelope = answer.envelope
    answered = [node.country for node in envelope.nodes if node.status == "answered"]
    nodes = f"{len(answered)} of {len(envelope.nodes)} nodes ({', '.join(answered)})"
    if all(node.status == "not_asked" for node in envelope.nodes):
        nodes = "public tables; no node was asked"
    lines = [f"{answer.table.num_rows} rows from {nodes}"]
    if envelope.rows is Status.PARTIAL:
        lines.append("rows may be missing or out of order: HAVING, ORDER BY or LIMIT read a withheld value")
    if envelope.rows is Status.APPROX:
        lines.append(
            "≈: WHERE, HAVING, a join or LIMIT read an approximate value: exact ones may choose other rows"
        )
    if envelope.not_shown:
        lines.append(f"{len(envelope.not_shown)} possible groups are not shown: too few persons, or none")
    for margin in envelope.margins:
        sure = f" with {margin.confidence:.0%} confidence" if margin.confidence < 1 else ""
        named = f"{margin.column}, " if margin.column else ""
        lines.append(f"≈: {named}{margin.number} is within {margin.within} of the exact number{sure}")
    return [*lines, *envelope.notices]
