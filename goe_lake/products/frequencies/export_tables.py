"""A release as one Parquet file or as tab-separated text: the columns of the reference as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from goe_lake.errors import LakeError
from goe_lake.products.frequencies.schema import DESCRIPTIONS, FREQUENCIES
from goe_lake.products.frequencies.store import ROW_GROUP, EuropeanRelease
from goe_lake.vcf.bgzf import BgzfWriter

_csv: Any = csv
_open: Any = pq.ParquetWriter
_THREADS: Final = 2


def write_parquet(release: EuropeanRelease, path: Path, contigs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Write the rows of *contigs* to one Parquet file; yields the sites and rows of each piece."""
    with _open(path, FREQUENCIES, compression="zstd", write_page_index=True) as writer:
        for contig in contigs:
            for sites, rows in release.pieces(contig):
                writer.write_table(rows.combine_chunks(), row_group_size=ROW_GROUP)
                yield len(sites), len(rows)


def write_tsv(release: EuropeanRelease, path: Path, contigs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Write the rows of *contigs* as text, block-compressed if *path* ends in .gz.

    Lines that begin with # describe the release and its columns; then come the names of the columns.
    NULL is an empty field. Yields the sites and rows of each piece.
    """
    with _Plain(path) if path.suffix != ".gz" else BgzfWriter(path, _THREADS) as file:
        file.write(tsv_header(release).encode())
        for contig in contigs:
            for sites, rows in release.pieces(contig):
                file.write(_text_of(rows, release.root))
                yield len(sites), len(rows)


def _text_of(rows: pa.Table, root: Path) -> bytes:
    """*rows* as lines without quotes; raises LakeError where a label could not be told from a separator."""
    sink = pa.BufferOutputStream()
    options = _csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    try:
        _csv.write_csv(rows, sink, options)
    except pa.ArrowInvalid:
        raise LakeError(
            root, "a label holds a tab, a quote or a line break, which TSV cannot", "export it as parquet"
        ) from None
    return sink.getvalue().to_pybytes()


def tsv_header(release: EuropeanRelease) -> str:
    """The comment lines and the line of column names."""
    manifest = release.manifest
    lines = [
        f"# Genome of Europe: allele frequencies, release {manifest.number} ({manifest.release_id})",
        f"# assembly: {manifest.assembly}",
        f"# site list: {manifest.site_list}",
    ]
    for node in manifest.created_from:
        lines.append(
            f"# node: {node.id} ({node.country}, {' '.join(node.name.split())}): {node.persons} persons, "
            f"minimum carriers {node.min_carriers}, protection {node.protection}"
        )
    lines += [f"# column {name}: {text}" for name, text in DESCRIPTIONS.items()]
    return "\n".join([*lines, "\t".join(FREQUENCIES.names)]) + "\n"


class _Plain:
    """A text file with the few methods of a BgzfWriter that are needed here."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def __enter__(self) -> _Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Add *data*."""
        self._file.write(data)
