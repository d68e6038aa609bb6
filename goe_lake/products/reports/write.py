"""A report's files: a page, each query's rows as CSV and Parquet, and their provenance."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyarrow import csv, parquet

from goe_lake.errors import ConfigError
from goe_lake.federation.nested import flat
from goe_lake.products.reports.charts import draw
from goe_lake.products.reports.html import page
from goe_lake.products.reports.provenance import provenance_of
from goe_lake.products.reports.run import Part, Result
from goe_lake.products.staging import appearing

PAGE: Final = "report.html"
SIDECAR: Final = "provenance.json"


def write_result(result: Result, folder: Path) -> tuple[Path, ...]:
    """Write *result* as the new folder *folder*, whole or not at all; the files, the page first.

    A folder of an earlier run is replaced; one that holds anything else raises ConfigError.
    """
    if folder.exists() and not (folder / SIDECAR).is_file():
        raise ConfigError(folder, "--out", "holds something other than a report", "name a new folder")
    with appearing(folder, force=True) as building:
        building.mkdir()
        names = _write(result, building)
    return tuple(folder / name for name in names)


def _write(result: Result, folder: Path) -> list[str]:
    drawings = {
        part.query.name: [
            draw(chart, part.query, part.answer, result.report.file) for chart in part.query.charts
        ]
        for part in result.parts
    }
    provenance = provenance_of(result)
    contents = {PAGE: page(result, drawings, provenance).encode()}
    for part in result.parts:
        contents |= _rows(part)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    sidecar = json.dumps(provenance.to_json(digests), indent=2, ensure_ascii=False) + "\n"
    for name, content in (contents | {SIDECAR: sidecar.encode()}).items():
        (folder / name).write_bytes(content)
    return [*contents, SIDECAR]


def _rows(part: Part) -> dict[str, bytes]:
    """The rows with the status of each value, as CSV and as Parquet."""
    table = part.answer.with_status()
    text, columns = pa.BufferOutputStream(), pa.BufferOutputStream()
    csv.write_csv(flat(table), text)
    parquet.write_table(table, columns, compression="zstd")
    return {
        f"{part.query.name}.csv": text.getvalue().to_pybytes(),
        f"{part.query.name}.parquet": columns.getvalue().to_pybytes(),
    }
