"""What a batch's own files say at some sites: the stored classes, and the numbers of the sites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from goe_lake.engine.call_rows import Found, rows_of
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

    Columns: a list and a bitmap for each class, and *fields*; rows are in the order of the files. Of
    *located* rows `file` is the place of a row's file among them, `row` its number there.
    """
    columns = [f"{name}_{form}" for name in CLASS_CODES for form in ("l", "b")] + list(fields)
    rows = rows_of(session, contig, batch) if len(sites) else None
    found = [] if rows is None else [part for part in rows.at(sites, session) if len(part.rows)]
    if rows is None or not found:
        return _nothing([*columns, *(("file", "row") if located else ())]), np.empty(0, dtype=np.int64)
    if all(part.is_dense(columns) for part in found):
        stored = pa.concat_tables([part.read(columns) for part in found])
    else:
        stored = _picked(session, found, columns)
    if located:
        file = np.repeat([rows.files.index(part.file) for part in found], [len(part.rows) for part in found])
        stored = stored.append_column("file", pa.array(file.astype(np.int64)))
        stored = stored.append_column("row", pa.array(np.concatenate([part.rows for part in found])))
    return stored, np.searchsorted(sites.numbers, np.concatenate([part.sites for part in found]))


def _picked(session: Session, found: Sequence[Found], columns: Sequence[str]) -> pa.Table:
    """*columns* of the rows *found*; of what lies between them DuckDB reads little."""
    connection, files = session.connection, parquet(tuple(part.file.path for part in found))
    wanted = {
        "file": pa.array(np.repeat(np.arange(len(found)), [len(part.rows) for part in found])),
        "row": pa.array(np.concatenate([part.rows for part in found])),
    }
    low = min(int(part.file.low[part.groups].min()) for part in found)
    high = max(int(part.file.high[part.groups].max()) for part in found)
    listed = ", ".join(f"c.{name}" for name in columns)
    connection.register("wanted", pa.table(wanted))
    # DuckDB skips row groups by the range, which the join alone would not tell it
    stored: pa.Table = connection.sql(
        f"SELECT w.file, w.row, {listed} FROM {files} c JOIN wanted w ON c.file_index = w.file "
        f"AND c.file_row_number = w.row WHERE c.pos BETWEEN {low} AND {high}"
    ).to_arrow_table()
    connection.unregister("wanted")
    order = np.lexsort([stored.column("row").to_numpy(), stored.column("file").to_numpy()])
    stored = stored.drop(["file", "row"])
    return stored if bool((np.diff(order) == 1).all()) else stored.take(pa.array(order, pa.int64()))


def _nothing(columns: list[str]) -> pa.Table:
    """An empty table, for a batch whose files are silent on a contig."""
    kinds = {"l": pa.list_(pa.uint32()), "file": pa.int64(), "row": pa.int64()}
    return pa.table({name: pa.array([], kinds.get(name.split("_")[-1], pa.binary())) for name in columns})
