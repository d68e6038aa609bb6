"""What all lakes hold, node by contig: a table and a small picture for the page of the asset."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import dagster as dg

from dagster_project.events import Result
from dagster_project.snapshots import Lake
from goe_lake.genome import CONTIG_ORDER

Matrix = Mapping[str, Mapping[str, int]]

CELL_WIDTH: Final = 52
CELL_HEIGHT: Final = 26
MARGIN: Final = 64
#: From few sites to many: light to dark, told apart without colour vision too.
LIGHTEST: Final = (239, 243, 255)
DARKEST: Final = (8, 81, 156)


def inventory_result(lakes: Sequence[Lake]) -> Result:
    """The inventory of *lakes*; a node without a snapshot is a row without numbers."""
    built = [lake.snapshot.manifest for lake in lakes if lake.snapshot is not None]
    sites = site_matrix(lakes)
    return dg.MaterializeResult(
        asset_key="lake_inventory",
        metadata={
            "dagster/row_count": sum(sum(row.values()) for row in sites.values()),
            "nodes": len(lakes),
            "nodes_published": len(built),
            "persons": sum(manifest.persons for manifest in built),
            "records": sum(counts.records for manifest in built for counts in manifest.contigs),
            "bytes": sum(file.bytes for manifest in built for file in manifest.files),
            "quarantined": sum(sum(manifest.quarantined.values()) for manifest in built),
            "sites_by_node_and_contig": dg.MetadataValue.md(f"{picture(sites)}\n\n{site_table(sites)}"),
            "lakes": dg.MetadataValue.md(lake_table(lakes)),
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


def contigs_of(matrix: Matrix) -> list[str]:
    """The contigs that any node has, in the order of the genome."""
    return sorted({contig for row in matrix.values() for contig in row}, key=CONTIG_ORDER.__getitem__)


def site_table(matrix: Matrix) -> str:
    """The matrix in Markdown: a row for each node, a column for each contig, and totals of both."""
    contigs = contigs_of(matrix)
    lines = [_line(["node", *contigs, "all"]), _line(["---", *["---:"] * (len(contigs) + 1)])]
    for node, row in matrix.items():
        cells = [f"{row[contig]:,}" if contig in row else "–" for contig in contigs]
        lines.append(_line([node, *cells, f"{sum(row.values()):,}"]))
    totals = [sum(row.get(contig, 0) for row in matrix.values()) for contig in contigs]
    lines.append(_line(["**all**", *(f"{total:,}" for total in totals), f"{sum(totals):,}"]))
    return "\n".join(lines)


def lake_table(lakes: Sequence[Lake]) -> str:
    """One row a node: its snapshot, persons, bytes and what was put aside."""
    head = ["node", "snapshot", "persons", "genotyped", "batches", "bytes", "put aside"]
    lines = [_line(head), _line(["---", "---", *["---:"] * 5])]
    for lake in lakes:
        if lake.snapshot is None:
            lines.append(_line([lake.node, lake.trouble or "nothing is published", *[""] * 5]))
            continue
        manifest = lake.snapshot.manifest
        lines.append(
            _line(
                [
                    lake.node,
                    f"`{lake.snapshot.snapshot_id[:12]}`",
                    f"{manifest.persons:,}",
                    f"{manifest.genotyped:,}",
                    f"{len(manifest.batches)}",
                    f"{sum(file.bytes for file in manifest.files):,}",
                    f"{sum(manifest.quarantined.values()):,}",
                ]
            )
        )
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def picture(matrix: Matrix) -> str:
    """The matrix as a heat map, an image in Markdown that needs no file."""
    data = base64.b64encode(heat_map(matrix).encode()).decode()
    return f"![Sites by node and contig](data:image/svg+xml;base64,{data})"


def heat_map(matrix: Matrix) -> str:
    """The matrix as an SVG drawing: the more sites, the darker; a contig that a node lacks stays white."""
    contigs = contigs_of(matrix)
    most = max((count for row in matrix.values() for count in row.values()), default=1) or 1
    width, height = MARGIN + CELL_WIDTH * max(1, len(contigs)), CELL_HEIGHT * (len(matrix) + 1)
    shapes = [_label(column, 0, contig) for column, contig in enumerate(contigs)]
    for line, (node, row) in enumerate(matrix.items(), 1):
        shapes.append(_text(MARGIN / 2, CELL_HEIGHT * (line + 0.5), node))
        shapes += [_cell(column, line, row.get(contig), most) for column, contig in enumerate(contigs)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11">{"".join(shapes)}</svg>'
    )


def _cell(column: int, line: int, count: int | None, most: int) -> str:
    share = (count or 0) / most
    box = (
        f'<rect x="{MARGIN + CELL_WIDTH * column}" y="{CELL_HEIGHT * line}" stroke="#ccc" '
        f'width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}" fill="{_colour(share)}"/>'
    )
    if count is None:
        return box.replace(_colour(0), "white") + _label(column, line, "–")
    return box + _label(column, line, f"{count:,}", "white" if share > 0.5 else "black")


def _label(column: int, line: int, text: str, fill: str = "black") -> str:
    return _text(MARGIN + CELL_WIDTH * (column + 0.5), CELL_HEIGHT * (line + 0.5), text, fill)


def _colour(share: float) -> str:
    parts = (round(low + (high - low) * share) for low, high in zip(LIGHTEST, DARKEST, strict=True))
    return f"rgb({','.join(map(str, parts))})"


def _text(x: float, y: float, text: str, fill: str = "black") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{fill}" text-anchor="middle" dominant-baseline="central">'
        f"{escape(text)}</text>"
    )
