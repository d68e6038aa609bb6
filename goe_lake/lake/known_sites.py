"""Facts about sites from annotation VCFs: rs numbers of dbSNP, and clinical significance of ClinVar.

A file is read once into Parquet in staging, by contig, so that a dbSNP of a billion rows needs little
memory; the facts of a window of sites are looked up there. Multi-allelic records are split and trimmed
as genotypes are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from goe_lake.errors import InputError
from goe_lake.genome import CONTIGS, canonical_contig
from goe_lake.lake.parquet import TableWriter
from goe_lake.vcf.alleles import trim
from goe_lake.vcf.arrow import Vector, array, nulls, pc, schema
from goe_lake.vcf.checks import check_assembly
from goe_lake.vcf.container import container_of, read_chunks
from goe_lake.vcf.header import parse_header

Fact = Literal["rsid", "clinvar"]
_COLUMNS: Final = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_STORED: Final = schema(
    (
        pa.field("pos", pa.int32(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
    )
)
_BUILDS: Final = {
    "GRCh37": re.compile(r"GRCh37|hg19|b37|hs37", re.I),
    "GRCh38": re.compile(r"GRCh38|hg38", re.I),
}
_ROWS: Final = 65_536
_VERSION: Final = "1"


@dataclass(frozen=True)
class KnownSites:
    """The facts of one annotation VCF, by contig, as files in *folder*."""

    folder: Path

    def values(self, contig: str, keys: pa.Table) -> Vector:
        """The fact about each of *keys* (pos, ref, alt), sorted by pos; NULL where there is none."""
        path = self.folder / f"{contig}.parquet"
        if not path.is_file() or not len(keys):
            return nulls(len(keys), pa.string())
        low, high = keys["pos"][0].as_py(), keys["pos"][-1].as_py()
        rows = pq.read_table(path, filters=[("pos", ">=", low), ("pos", "<=", high)], partitioning=None)
        names = _keys(keys["pos"], keys["ref"], keys["alt"])
        # where a file has an allele twice, index_in finds the first
        return rows["value"].combine_chunks().take(pc.index_in(names, rows["key"].combine_chunks()))


def read_known_sites(path: Path, fact: Fact, assembly: str, sha256: str, staging: Path) -> KnownSites:
    """The facts of the annotation VCF at *path*; read again only where its content is new.

    Raises InputError where it cannot be read, or is of another assembly.
    """
    folder = staging / "annotation" / f"{fact}-{_VERSION}-{sha256[:16]}"
    done = folder / "done"
    if not done.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            writers: dict[str, TableWriter] = {}
            for contig, rows in _rows(path, fact, assembly):
                if contig not in writers:
                    target = folder / f"{contig}.parquet"
                    writers[contig] = stack.enter_context(TableWriter(target, _STORED, _ROWS))
                writers[contig].write(rows)
            for writer in writers.values():
                writer.finish()
        done.touch()
    return KnownSites(folder)


def _rows(path: Path, fact: Fact, assembly: str) -> Iterator[tuple[str, pa.Table]]:
    """The facts of a file, a contig and some rows at a time."""
    for text in _bodies(path, assembly):
        try:
            table = _parse(text)
        except pa.ArrowException as error:
            problem = str(error).splitlines()[0]
            raise InputError(path, f"is not a readable VCF: {problem}", "check it: bcftools view") from None
        for name in pc.unique(table["CHROM"]).to_pylist():
            contig = canonical_contig(name)
            if contig in CONTIGS:
                yield contig, _facts(table.filter(pc.equal(table["CHROM"], name)), fact)


def _bodies(path: Path, assembly: str) -> Iterator[bytes]:
    """The records of a VCF as text, whole lines at a time, behind its checked header."""
    head, rest = b"", b""
    inside = False
    for chunk in read_chunks(path, container_of(path)):
        rest += chunk.text
        if not inside:
            start = 0 if rest.startswith(b"#CHROM") else rest.find(b"\n#CHROM") + 1
            end = rest.find(b"\n", start)
            if (start == 0 and not rest.startswith(b"#CHROM")) or end < 0:
                continue
            head, rest, inside = rest[: end + 1], rest[end + 1 :], True
            _check_build(path, head, assembly)
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    if not inside:
        raise InputError(path, "has no line #CHROM POS ID …", "give a VCF, plain or bgzip")
    if rest.strip():
        yield rest


def _check_build(path: Path, head: bytes, assembly: str) -> None:
    header = parse_header(path, head)
    check_assembly(path, header, assembly)
    said = next((line for line in header.text.splitlines() if line.startswith("##reference=")), "")
    for build, pattern in _BUILDS.items():
        if build != assembly and pattern.search(said):
            raise InputError(
                path, f"is of {build}, and node.toml says {assembly}", f"give the file for {assembly}"
            )


def _parse(text: bytes) -> pa.Table:
    names = list(_COLUMNS)
    kinds: dict[str, Any] = dict.fromkeys(names, pa.string())
    # sites-only files have eight columns; of others the first eight are read
    width = text[: text.find(b"\n")].count(b"\t") + 1
    names += [f"more{number}" for number in range(width - len(names))]
    return pa.csv.read_csv(
        BytesIO(text),
        read_options=pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
        parse_options=pa.csv.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=pa.csv.ConvertOptions(
            column_types={**kinds, "POS": pa.int32()},
            include_columns=list(_COLUMNS),
            strings_can_be_null=False,
        ),
    )


def _facts(table: pa.Table, fact: Fact) -> pa.Table:
    values = _rs_numbers(table) if fact == "rsid" else _info(table, "CLNSIG")
    alts = pc.split_pattern(table["ALT"].combine_chunks(), ",")
    parents = pc.list_parent_indices(alts)
    made = {
        "pos": table["POS"].combine_chunks().take(parents),
        "ref": pc.utf8_upper(table["REF"].combine_chunks()).take(parents),
        "alt": pc.utf8_upper(pc.list_flatten(alts)),
        "value": values.take(parents),
    }
    rows = pa.table(made).filter(pc.is_valid(made["value"]))
    rows = _trimmed(rows)
    return pa.table(
        [rows["pos"], _keys(rows["pos"], rows["ref"], rows["alt"]), rows["value"]], schema=_STORED
    )


def _trimmed(rows: pa.Table) -> pa.Table:
    """*rows* with alleles in their shortest spelling; only where both have several bases is there work."""
    long = pc.and_(
        pc.greater(pc.utf8_length(rows["ref"]), 1), pc.greater(pc.utf8_length(rows["alt"]), 1)
    ).to_numpy()
    if not long.any():
        return rows
    pos, ref, alt = (list[Any](rows[name].to_pylist()) for name in ("pos", "ref", "alt"))
    for place in np.flatnonzero(long).tolist():
        if not alt[place].startswith("<"):
            pos[place], ref[place], alt[place] = trim(pos[place], ref[place], alt[place])
    columns = [array(pos, pa.int32()), array(ref, pa.string()), array(alt, pa.string()), rows["value"]]
    return pa.table(columns, names=rows.column_names)


def _keys(pos: Vector, ref: Vector, alt: Vector) -> Vector:
    """One text for each allele."""
    joined = pc.binary_join_element_wise(pc.cast(pos, pa.string()), ref, alt, " ")
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _rs_numbers(table: pa.Table) -> Vector:
    """The first rs number of ID, else RS of INFO."""
    own = pc.extract_regex(table["ID"].combine_chunks(), r"(?:^|;)(?P<value>rs[0-9]+)")
    stated = _info(table, "RS")
    number = pc.list_element(pc.split_pattern_regex(stated, r"[,|]"), 0)
    return pc.coalesce(pc.struct_field(own, "value"), pc.binary_join_element_wise("rs", number, ""))


def _info(table: pa.Table, name: str) -> Vector:
    """The text of one INFO field, NULL where a record lacks it."""
    found = pc.extract_regex(table["INFO"].combine_chunks(), rf"(?:^|;){name}=(?P<value>[^;]+)")
    value = pc.struct_field(found, "value")
    return pc.if_else(pc.equal(value, "."), pa.scalar(None, pa.string()), value)
