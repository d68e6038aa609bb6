"""What a batch's own files say at some sites: the stored classes, and the numbers of the sites."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from goe_lake.engine.genotypes import Indexes
from goe_lake.engine.selection import Selection
from goe_lake.engine.session import Session, parquet
from goe_lake.vcf.encode import CLASS_CODES


def stored_calls(
    session: Session,
    contig: str,
    batch: str,
    sites: Selection,
    fields: tuple[str, ...] = (),
    *,
    located: bool = False,
) -> tuple[pa.Table, Indexes]:
    """The rows of `calls` of *batch* at *sites*, which lie on *contig*, and the place of each among them.

    Columns: a list and a bitmap for each class, and *fields*. *located* rows are in the order of the files:
    `file` is the place of a row's file among them, `row` its number there.
    """
    connection = session.connection
    files = session.snapshot.files("calls", contig, batch)
    columns = [f"{name}_{form}" for name in CLASS_CODES for form in ("l", "b")] + list(fields)
    if located:
        columns += ["file", "row"]
    if not files or not len(sites):
        return _nothing(columns), np.empty(0, dtype=np.int64)
    first, last = int(sites.numbers[0]), int(sites.numbers[-1])
    wanted = f"SELECT site, pos, ref, alt, end_pos FROM sites WHERE site BETWEEN {first} AND {last}"
    scattered = last - first + 1 != len(sites)
    if scattered:
        connection.register("wanted", pa.table({"site": pa.array(sites.numbers, pa.int32())}))
        wanted += " AND site IN (SELECT site FROM wanted)"
    # DuckDB skips row groups by the range, which the join alone would not tell it
    low, high = int(sites.positions.min()), int(sites.positions.max())
    named = {"file": "c.file_index::BIGINT AS file", "row": "c.file_row_number AS row"}
    listed = ", ".join(named.get(name, f"c.{name}") for name in columns)
    stored = connection.sql(
        f"SELECT w.site, {listed} FROM {parquet(files)} c JOIN ({wanted}) w USING (pos, ref, alt, end_pos) "
        f"WHERE c.pos BETWEEN {low} AND {high}"
    ).to_arrow_table()
    if scattered:
        connection.unregister("wanted")
    if located:
        order = np.lexsort([stored.column("row").to_numpy(), stored.column("file").to_numpy()])
        if (np.diff(order) != 1).any():
            stored = stored.take(pa.array(order, pa.int64()))
    found = stored.column("site").to_numpy().astype(np.int64)
    return stored.drop(["site"]), np.searchsorted(sites.numbers, found)


def _nothing(columns: list[str]) -> pa.Table:
    """An empty table, for a batch whose files are silent on a contig."""
    kinds = {"l": pa.list_(pa.uint32()), "b": pa.binary(), "file": pa.int64(), "row": pa.int64()}
    quality = pa.list_(pa.int32())
    return pa.table({name: pa.array([], kinds.get(name.split("_")[-1], quality)) for name in columns})
