"""A report as one HTML page: self-contained, printable, no script and nothing to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any, Final

import pyarrow as pa

from goe_lake.federation import Answer
from goe_lake.products.plots import Drawing
from goe_lake.products.reports.provenance import Provenance
from goe_lake.products.reports.run import Part, Result
from goe_lake.release import Bound, ColumnReport, Status

MOST_ROWS: Final = 500
STYLE: Final = files("goe_lake.products.reports").joinpath("report.css").read_text(encoding="utf-8")
WORDS: Final = {
    Status.WITHHELD.value: "withheld: too few persons behind it, or it would tell such a number",
    Status.BOUNDED.value: "not shown; what is known of it stands in its place",
    Status.APPROX.value: "≈ near the exact value",
    Status.PARTIAL.value: "* read a value that is not shown",
}


def page(result: Result, drawings: dict[str, list[Drawing]], provenance: Provenance) -> str:
    """The page of *result*; *drawings* are the charts of each query by its name."""
    report = result.report
    body = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="about">{escape(report.about)}</p>',
        *_missing(result),
        *_parameters(result),
    ]
    for part in result.parts:
        body += _part(part, drawings[part.query.name])
    body += _provenance(provenance)
    head = f'<meta charset="utf-8"><title>{escape(report.title)}</title><style>{STYLE}</style>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _missing(result: Result) -> list[str]:
    if not result.missing:
        return []
    names = escape(", ".join(result.missing))
    return [f'<p class="warning"><strong>Incomplete:</strong> without {names}, which did not answer.</p>']


def _parameters(result: Result) -> list[str]:
    if not result.values:
        return []
    listed = ", ".join(f"{escape(name)} = <b>{escape(value)}</b>" for name, value in result.values.items())
    return [f'<p class="remark">Run with {listed}.</p>']


def _part(part: Part, drawings: list[Drawing]) -> list[str]:
    answer = part.answer
    lines = [f"<h2>{escape(part.query.caption)}</h2>"]
    lines += [drawing.figure() for drawing in drawings]
    lines += [_table(answer), *(f'<p class="remark">{escape(line)}</p>' for line in _remarks(answer))]
    lines.append(f"<details><summary>SQL</summary><pre>{escape(part.sql)}</pre></details>")
    return lines


def _table(answer: Answer) -> str:
    columns = answer.envelope.columns
    texts = [pa.types.is_string(field.type) for field in answer.table.schema]
    head = "".join(_heading(column, text) for column, text in zip(columns, texts, strict=True))
    bounds = {(bound.row, bound.column): bound for bound in answer.envelope.bounds}
    shown = answer.table.slice(0, MOST_ROWS)
    values = [column.to_pylist() for column in shown.columns]
    words = [list(map(str, column.to_pylist())) for column in answer.status.slice(0, MOST_ROWS).columns]
    rows = []
    for row in range(shown.num_rows):
        cells = [
            _cell(values[place][row], words[place][row], bounds.get((row, name)), texts[place])
            for place, name in enumerate(shown.column_names)
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _heading(column: ColumnReport, text: bool) -> str:
    unit = f"<small>{escape(column.unit)}</small>" if column.unit else ""
    return f'<th{_side(text)} scope="col">{escape(column.name)}{unit}</th>'


def _side(text: bool) -> str:
    return ' class="text"' if text else ""


def _cell(value: object, status: str, bound: Bound | None, text: bool) -> str:
    if bound is not None and status != Status.APPROX:
        known = f"{bound.lower}…{bound.upper}" if bound.upper is not None else f"≥ {bound.lower}"
        return f'<td class="hidden">{escape(known)}</td>'
    if status in (Status.WITHHELD, Status.BOUNDED):
        return '<td class="hidden">withheld</td>'
    mark = "≈ " if status == Status.APPROX else "* " if status == Status.PARTIAL else ""
    return f"<td{_side(text)}>{mark}{escape(number(value))}</td>"


def number(value: object) -> str:
    """A value as a reader wants it: six digits of a float, thousands apart."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _remarks(answer: Answer) -> list[str]:
    envelope = answer.envelope
    rows = answer.table.num_rows
    lines = [f"{rows:,} rows" + (f"; the first {MOST_ROWS} are shown" if rows > MOST_ROWS else "") + "."]
    found = {word for column in answer.status.columns for word in column.unique().to_pylist()}
    lines += [f"{said}." for word, said in WORDS.items() if word in found]
    if envelope.rows is Status.PARTIAL:
        lines.append(
            "Rows may be missing or out of order: HAVING, ORDER BY or LIMIT read a value that is not shown."
        )
    if envelope.rows is Status.APPROX:
        lines.append(
            "≈: WHERE, HAVING, a join or LIMIT read an approximate value: exact ones may choose other rows."
        )
    if envelope.not_shown:
        lines.append(f"{len(envelope.not_shown)} possible groups are not shown: too few persons, or none.")
    return [*lines, *(f"{notice}." for notice in envelope.notices)]


def _provenance(provenance: Provenance) -> list[str]:
    titles = ("node", "country", "status", "snapshot", "fewest persons")
    head = "".join(f'<th class="text">{title}</th>' for title in titles)
    nodes = "".join(map(_node, provenance.nodes))
    made = ", ".join(f"{name} {version}" for name, version in provenance.versions.items())
    return [
        "<h2>Where these numbers come from</h2>",
        f"<table><thead><tr>{head}</tr></thead><tbody>{nodes}</tbody></table>",
        f'<p class="remark">Report {escape(provenance.report)}, SHA-256 of its file '
        f"<code>{provenance.digest}</code>, asked as project {escape(provenance.project)}. "
        f"Made with {escape(made)}.</p>",
    ]


def _node(node: Mapping[str, Any]) -> str:
    snapshot = f"<code>{escape(str(node['snapshot_id'])[:16])}</code>" if node["snapshot_id"] else "–"
    told = (escape(node["node_id"]), escape(node["country"]), escape(node["status"]), snapshot)
    least = number(node["min_persons"]) if node["protection"] == "on" else "protection is off"
    return "<tr>" + "".join(f'<td class="text">{text}</td>' for text in (*told, least)) + "</tr>"
