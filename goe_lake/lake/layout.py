"""Where each table of a lake lies on disk, and the columns of its Parquet files.

Every path here is relative to the root of the lake and uses forward slashes. Positions are
1-based; person indexes are 0-based places in the person list of one batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from goe_lake.vcf.arrow import schema
from goe_lake.vcf.encode import KEY

CURRENT: Final = "CURRENT"
SNAPSHOTS: Final = "snapshots"
STAGING: Final = "staging"
QUARANTINE: Final = "quarantine"

#: Files of a converted partition that become part of the lake as they are.
PUBLISHED: Final = ("calls", "callable")
#: Rows of a row group of `variants` and `calls`.
ROW_GROUP: Final = 8192
#: Rows of a row group of `strata`, which has several rows a site.
STRATA_ROW_GROUP: Final = 65_536
#: The most values of gq or dp that a row group of `calls` may hold, which bounds memory.
ROW_GROUP_VALUES: Final = 2_000_000
#: The rows that a row group has however many values these are.
LEAST_ROW_GROUP: Final = 128

KEY_COLUMNS: Final = tuple(KEY.names)

VARIANTS: Final = schema(
    [
        pa.field("pos", pa.int32(), nullable=False),
        pa.field("ref", pa.string(), nullable=False),
        pa.field("alt", pa.string(), nullable=False),
        pa.field("variant_id", pa.string(), nullable=False),
        pa.field("end_pos", pa.int32(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("sv_len", pa.int32()),
        pa.field("rsid", pa.string()),
        pa.field("gene", pa.string()),
        pa.field("consequence", pa.string()),
        pa.field("filter", pa.string()),
        pa.field("carriers", pa.int32(), nullable=False),
    ]
)


def variants_schema(extra: Iterable[pa.Field[Any]]) -> pa.Schema:
    """The columns of `variants` with those that a node adds, in order."""
    return schema([*VARIANTS, *extra])


PERSONS: Final = schema(
    [pa.field("idx", pa.int32(), nullable=False), pa.field("sample_id", pa.string(), nullable=False)]
)
PLOIDY: Final = schema(
    [
        pa.field("stretch", pa.string(), nullable=False),
        pa.field("idx", pa.int32(), nullable=False),
        pa.field("ploidy", pa.int8(), nullable=False),
    ]
)
#: Where persons were looked at: *idx* NULL is every person of the batch, *alleles* NULL their ploidy there.
CALLABLE: Final = schema(
    [
        pa.field("idx", pa.int32()),
        pa.field("pos", pa.int32(), nullable=False),
        pa.field("end_pos", pa.int32(), nullable=False),
        pa.field("alleles", pa.int8()),
    ]
)
STRATUM_COUNTS: Final = ("n_persons", "het", "hom_alt", "hemi", "not_called", "an")
STRATUM_COLUMNS: Final = ("population", "sex", "consent")
STRATA: Final = schema(
    [
        *KEY,
        *(pa.field(name, pa.string()) for name in STRATUM_COLUMNS),
        *(pa.field(name, pa.int32(), nullable=False) for name in STRATUM_COUNTS),
    ]
)
SCORES: Final = schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("pgs_id", pa.string(), nullable=False),
        pa.field("score", pa.int64()),
    ]
)


def table_folder(table: str, contig: str | None = None, batch: str | None = None) -> str:
    """The folder of *table*, or of one of its partitions.

    >>> table_folder("calls", "chr20", "ab12")
    'calls/contig=chr20/batch=ab12'
    """
    parts = [table]
    if contig is not None:
        parts.append(f"contig={contig}")
    if batch is not None:
        parts.append(f"batch={batch}")
    return "/".join(parts)


def data_path(table: str, sha256: str, contig: str | None = None, batch: str | None = None) -> str:
    """Where a data file of that content lies: its name comes from its digest, so it never changes."""
    return f"{table_folder(table, contig, batch)}/{sha256[:16]}.parquet"


def digest_of(path: Path) -> str:
    """The SHA-256 of the file at *path*, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def calls_row_group(persons: int, fields: int) -> int:
    """Rows of a row group of `calls` when so many *fields*, gq and dp, are kept for *persons* persons."""
    if not fields:
        return ROW_GROUP
    return max(LEAST_ROW_GROUP, min(ROW_GROUP, ROW_GROUP_VALUES // max(1, persons)))
