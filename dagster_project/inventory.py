"""What all lakes hold, node by contig: a table and a small picture for the page of the asset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from dagster_project.drawing import box, image, shade, svg, text
from dagster_project.events import Result
from dagster_project.history import CheckState
from dagster_project.partitions import Cell
from dagster_project.place import HERE
from dagster_project.snapshots import Lake
from goe_lake.genome import CONTIG_ORDER
from goe_lake.lake.layout import CURRENT

#: Numbers by node and contig.
Matrix = Mapping[str, Mapping[str, float]]

CELL_WIDTH: Final = 52
CELL_HEIGHT: Final = 26
MARGIN: Final = 64


def inventory_result(
    lakes: Sequence[Lake], seconds: Mapping[Cell, float], checks: Sequence[CheckState]
) -> Result:
    """The inventory of *lakes*; a node without a snapshot is a row without numbers.

    *seconds* says how long contigs took to convert, *checks* how the newest verdicts are.
    """
    built = [lake.snapshot.manifest for lake in lakes if lake.snapshot is not None]
    sites, stored = site_matrix(lakes), byte_matrix(lakes)
    took = {
        lake.node: {cell.contig: value for cell, value in seconds.items() if cell.node == lake.node}
        for lake in lakes
    }
    return dg.MaterializeResult(
        asset_key=HERE.key("lake_inventory"),
        metadata={
            "dagster/row_count": sum(sum(row.values()) for row in sites.values()),
            "nodes": len(lakes),
            "nodes_published": len(built),
            "persons": sum(manifest.persons for manifest in built),
            "records": sum(counts.records for manifest in built for counts in manifest.contigs),
            "bytes": sum(file.bytes for manifest in built for file in manifest.files),
            "quarantined": sum(sum(manifest.quarantined.values()) for manifest in built),
            "checks_not_passed": sum(state.passed is False for state in checks),
            "sites_by_node_and_contig": _shown("Sites", sites, whole),
            "bytes_by_node_and_contig": _shown("Bytes", stored, size),
            "seconds_by_node_and_contig": _shown("Seconds of the newest conversion", took, tenths),
            "lakes": dg.MetadataValue.md(lake_table(lakes)),
            "checks": dg.MetadataValue.md(check_table(checks)),
        },
    )


def site_matrix(lakes: Sequence[Lake]) -> dict[str, dict[str, int]]:
    """The sites of each contig of each node."""
    return {
        lake.node: {counts.contig: counts.sites for counts in lake.snapshot.manifest.contigs}
        if lake.snapshot is not None
        else {}
        for lake in lakes
    }


def byte_matrix(lakes: Sequence[Lake]) -> dict[str, dict[str, int]]:
    """The bytes on disk of each contig of each node, over all tables of its snapshot."""
    matrix: dict[str, dict[str, int]] = {}
    for lake in lakes:
        row = matrix.setdefault(lake.node, {})
        for file in lake.snapshot.manifest.files if lake.snapshot is not None else ():
            if file.contig is not None:
                row[file.contig] = row.get(file.contig, 0) + file.bytes
    return matrix


def whole(value: float) -> str:
    """A count."""
    return f"{value:,.0f}"


def tenths(value: float) -> str:
    """A duration in seconds."""
    return f"{value:,.1f}"


def size(value: float) -> str:
    """A number of bytes, in the largest unit that leaves at least 1."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def _shown(title: str, matrix: Matrix, told: Callable[[float], str]) -> dg.MarkdownMetadataValue:
    drawing = image(f"{title} by node and contig", heat_map(matrix, told))
    return dg.MetadataValue.md(f"{drawing}\n\n{matrix_table(matrix, told)}")


def contigs_of(matrix: Matrix) -> list[str]:
    """The contigs that any node has, in the order of the genome."""
    return sorted({contig for row in matrix.values() for contig in row}, key=CONTIG_ORDER.__getitem__)


def matrix_table(matrix: Matrix, told: Callable[[float], str] = whole) -> str:
    """The matrix in Markdown: a row for each node, a column for each contig, and totals of both."""
    contigs = contigs_of(matrix)
    lines = [_line(["node", *contigs, "all"]), _line(["---", *["---:"] * (len(contigs) + 1)])]
    for node, row in matrix.items():
        cells = [told(row[contig]) if contig in row else "–" for contig in contigs]
        lines.append(_line([node, *cells, told(sum(row.values()))]))
    totals = [sum(row.get(contig, 0) for row in matrix.values()) for contig in contigs]
    lines.append(_line(["**all**", *map(told, totals), told(sum(totals))]))
    return "\n".join(lines)


def lake_table(lakes: Sequence[Lake]) -> str:
    """One row a node: its snapshot and when it was published, persons, bytes and what was put aside."""
    head = ["node", "snapshot", "published", "persons", "genotyped", "batches", "bytes", "put aside"]
    lines = [_line(head), _line(["---", "---", "---", *["---:"] * 5])]
    for lake in lakes:
        if lake.snapshot is None:
            lines.append(_line([lake.node, lake.unread or lake.trouble or "nothing is published", *[""] * 6]))
            continue
        manifest = lake.snapshot.manifest
        lines.append(
            _line(
                [
                    lake.node,
                    f"`{lake.snapshot.snapshot_id[:12]}`",
                    _minute(datetime.fromtimestamp((lake.snapshot.root / CURRENT).stat().st_mtime, UTC)),
                    f"{manifest.persons:,}",
                    f"{manifest.genotyped:,}",
                    f"{len(manifest.batches)}",
                    size(sum(file.bytes for file in manifest.files)),
                    f"{sum(manifest.quarantined.values()):,}",
                ]
            )
        )
    return "\n".join(lines)


def check_table(checks: Sequence[CheckState]) -> str:
    """One row a check: its newest verdict, what does not pass first."""
    lines = [_line(["check", "of", "verdict", "blocks", "judged"]), _line(["---"] * 5)]
    for state in sorted(checks, key=lambda state: (state.passed is not False, state.asset, state.name)):
        judged = "–" if state.at is None else _minute(state.at)
        lines.append(_line([state.name, state.asset, state.word, "yes" if state.blocking else "", judged]))
    return "\n".join(lines)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def heat_map(matrix: Matrix, told: Callable[[float], str] = whole) -> str:
    """The matrix as an SVG drawing: the more, the darker; a contig that a node lacks stays white."""
    contigs = contigs_of(matrix)
    most = max((count for row in matrix.values() for count in row.values()), default=1) or 1
    width, height = MARGIN + CELL_WIDTH * max(1, len(contigs)), CELL_HEIGHT * (len(matrix) + 1)
    shapes = [_label(column, 0, contig) for column, contig in enumerate(contigs)]
    for line, (node, row) in enumerate(matrix.items(), 1):
        shapes.append(text(MARGIN / 2, CELL_HEIGHT * (line + 0.5), node))
        shapes += [_cell(column, line, row.get(contig), most, told) for column, contig in enumerate(contigs)]
    return svg(width, height, shapes)


def _cell(column: int, line: int, count: float | None, most: float, told: Callable[[float], str]) -> str:
    share = (count or 0) / most
    fill = "white" if count is None else shade(share)
    x, y = MARGIN + CELL_WIDTH * column, CELL_HEIGHT * line
    square = box(x, y, CELL_WIDTH - 2, CELL_HEIGHT - 2, fill, "#ccc")
    if count is None:
        return square + _label(column, line, "–")
    return square + _label(column, line, told(count), "white" if share > 0.5 else "black")


def _label(column: int, line: int, words: str, fill: str = "black") -> str:
    return text(MARGIN + CELL_WIDTH * (column + 0.5), CELL_HEIGHT * (line + 0.5), words, fill)
