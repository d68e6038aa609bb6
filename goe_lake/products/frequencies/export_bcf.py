"""A release as a sites-only BCF with a CSI index: the lines of the VCF, encoded by htslib."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from cyvcf2 import Writer

from goe_lake.genome import CONTIGS
from goe_lake.products.frequencies.export_vcf import THREADS, groups_of, record_lines, vcf_header
from goe_lake.products.frequencies.group_names import group_names
from goe_lake.products.frequencies.store import EuropeanRelease
from goe_lake.vcf.bgzf import BgzfWriter
from goe_lake.vcf.index import RecordPlaces, write_csi

#: What a record begins with: bytes of its shared and individual part, contig, 0-based start, length.
_RECORD: Final = struct.Struct("<IIiii")
_MAGIC_BYTES: Final = 5


def write_bcf(release: EuropeanRelease, path: Path, contigs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Write *contigs* to the BCF at *path*, with a CSI index beside it.

    Yields the sites and records of each piece.
    """
    plain = path.with_name(path.name + ".plain")
    names = group_names(groups_of(release, contigs))
    # htslib's own block-compressing writer does not tell where a record lies, which the index needs
    writer = Writer.from_string(str(plain), vcf_header(release, contigs, names), mode="wbu")
    try:
        writer.write_header()
        for contig in contigs:
            for sites, rows in release.pieces(contig):
                for line in record_lines(sites, rows, names).to_pylist():
                    writer.write_record(writer.variant_from_string(line.rstrip("\n")))
                yield len(sites), len(sites)
    finally:
        writer.close()
    _compress(plain, path)
    plain.unlink()


def _compress(plain: Path, path: Path) -> None:
    """Block-compress the BCF at *plain*, which htslib put into stored blocks, to *path*, and index it."""
    with gzip.open(plain) as data, BgzfWriter(path, THREADS) as packed:
        head = data.read(_MAGIC_BYTES + 4)
        packed.write(head + data.read(struct.unpack_from("<I", head, _MAGIC_BYTES)[0]))
        # contig, start, end, first byte, byte behind
        rows = np.array(list(_copied(data, packed)), np.int64).reshape(-1, 5)
    address, behind = packed.virtual_offsets(rows[:, 3]), packed.virtual_offsets(rows[:, 4])
    places = []
    for number in range(len(CONTIGS)):
        here = rows[:, 0] == number
        places.append(RecordPlaces(rows[here, 1], rows[here, 2], address[here], behind[here]))
    write_csi(path.with_name(path.name + ".csi"), places)


def _copied(data: gzip.GzipFile, packed: BgzfWriter) -> Iterator[tuple[int, int, int, int, int]]:
    """Copy each record; its contig by number, its 0-based half-open bases, where its bytes begin and end."""
    while head := data.read(_RECORD.size):
        shared, individual, contig, start, length = _RECORD.unpack(head)
        before = packed.offset
        packed.write(head + data.read(8 + shared + individual - _RECORD.size))
        yield contig, start, start + max(1, length), before, packed.offset
