"""The sites that rounds have listed, on a node's own disk: once listed, always listed.

`lake/listed/1-<sha256>.parquet` holds what the first round found (SITE_SCHEMA), and so on. Every node keeps
the same files, whether it has carriers of a site or not, so that offering them tells nothing of its persons.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from goe_lake.engine.sites import SITE_SCHEMA
from goe_lake.errors import LakeError
from goe_lake.lake.commit import sync

FOLDER: Final = "listed"
_NAME: Final = re.compile(r"([0-9]+)-([0-9a-f]{64})\.parquet")
MEND: Final = "put the file back from a copy, or from another node: all have the same"


def keep_sites(lake: Path, sites: pa.Table) -> str:
    """Keep *sites* (SITE_SCHEMA) beside what earlier rounds listed; the SHA-256 of the file.

    Nothing is written where there are none, or where the newest file is this one.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(sites.cast(SITE_SCHEMA), sink, compression="zstd")
    body = memoryview(sink.getvalue()).tobytes()
    digest, files = hashlib.sha256(body).hexdigest(), _files(lake)
    if not sites.num_rows or digest in files.values():
        return digest
    folder = lake / FOLDER
    folder.mkdir(exist_ok=True)
    unseen = folder / f".{digest}"
    unseen.write_bytes(body)
    sync(unseen)
    unseen.replace(folder / f"{max(files, default=0) + 1}-{digest}.parquet")
    sync(folder)
    return digest


def kept_sites(lake: Path) -> list[pa.Table]:
    """What each round listed, the earliest first; LakeError where a file is not as it was written."""
    tables = []
    for number, digest in sorted(_files(lake).items()):
        path = lake / FOLDER / f"{number}-{digest}.parquet"
        body = path.read_bytes()
        if hashlib.sha256(body).hexdigest() != digest:
            raise LakeError(path, "is not as it was written", MEND)
        tables.append(pq.read_table(pa.BufferReader(body)).cast(SITE_SCHEMA))
    return tables


def rounds_kept(lake: Path) -> int:
    """How many rounds listed sites that the lake at *lake* keeps."""
    return len(_files(lake))


def _files(lake: Path) -> dict[int, str]:
    names = [_NAME.fullmatch(path.name) for path in (lake / FOLDER).glob("*.parquet")]
    return {int(name[1]): name[2] for name in names if name is not None}
