"""What an ingest put aside: each refused thing with its place and the reason. Local to the node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from goe_lake.lake.parquet import write_table
from goe_lake.vcf.arrow import schema

RAISE_LIMIT: Final = "raise max_quarantined in the [ingest] table of node.toml"


@dataclass(frozen=True)
class Entry:
    """One refused thing, or *count* alike.

    *file* is relative to `node.toml`; *record* names the line, record or sample; *column* the column
    or FORMAT field; *value* is what was found there.
    """

    file: str
    reason: str
    record: str | None = None
    contig: str | None = None
    pos: int | None = None
    column: str | None = None
    value: str | None = None
    count: int = 1


SCHEMA: Final = schema(
    (
        pa.field("file", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("record", pa.string()),
        pa.field("contig", pa.string()),
        pa.field("pos", pa.int32()),
        pa.field("column", pa.string()),
        pa.field("value", pa.string()),
        pa.field("count", pa.int64(), nullable=False),
    )
)


def write_entries(path: Path, entries: Iterable[Entry]) -> None:
    """Write *entries* in order as one Parquet file."""
    write_table(path, pa.Table.from_pylist([asdict(entry) for entry in entries], schema=SCHEMA), SCHEMA)


def count_by_reason(entries: Iterable[Entry]) -> Mapping[str, int]:
    """How many things were put aside for each reason, reasons in alphabetical order."""
    counts: Counter[str] = Counter()
    for entry in entries:
        counts[entry.reason] += entry.count
    return dict(sorted(counts.items()))
