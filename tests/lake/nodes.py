"""Small nodes for tests: VCF text, a samples table and a node.toml in one folder."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from goe_lake.config import NodeConfig, read_node
from goe_lake.lake import IngestReport, Snapshot, ingest, open_snapshot
from goe_lake.vcf.bgzf import BgzfWriter

FORMATS = (
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">\n'
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
)


def vcf_text(samples: Sequence[str], records: Sequence[str], *, meta: str = "", form: str = "GT") -> str:
    """A VCF; each record is 'chr1 100 A C | 0/1 0/0', with ID, FILTER and INFO as key=value in between."""
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines = [f"##fileformat=VCFv4.3\n{meta}{FORMATS}" + "\t".join([*fixed, *samples])]
    lines += [_record(record, form) for record in records]
    return "\n".join(lines) + "\n"


def _record(record: str, form: str) -> str:
    site, _, genotypes = record.partition(" |")
    contig, pos, ref, alt, *rest = site.split()
    facts = {"ID": ".", "FILTER": "PASS", "INFO": ".", "FORMAT": form}
    facts |= dict(item.split("=", 1) for item in rest)
    fields = [contig, pos, facts["ID"], ref, alt, ".", facts["FILTER"], facts["INFO"], facts["FORMAT"]]
    return "\t".join([*fields, *genotypes.split()])


def make_node(
    folder: Path,
    deliveries: Sequence[Mapping[str, str | bytes]],
    samples: str | None = None,
    *,
    people: Sequence[str] = (),
    absent_sites: Sequence[str] = (),
    fields: str = "[]",
    node: str = "",
    toml: str = "",
) -> NodeConfig:
    """A node whose deliveries are file names with their text (compressed by bgzip if named .gz).

    *samples* is the samples table; without it, one row for each of *people*, all of them female.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, files in enumerate(deliveries):
        for name, text in files.items():
            write_file(folder / name, text)
        absent = f'absent_sites = "{absent_sites[number]}"\n' if absent_sites else ""
        names = ", ".join(f'"{name}"' for name in files)
        entries.append(f"[[genotypes]]\nfiles = [{names}]\n{absent}format_fields = {fields}\n")
    table = (
        samples if samples is not None else "sample_id\tsex\n" + "".join(f"{name}\tF\n" for name in people)
    )
    (folder / "samples.tsv").write_text(table)
    head = f'[node]\ncountry = "EE"\nassembly = "GRCh38"\n{node}\n'
    (folder / "node.toml").write_text(head + "".join(entries) + '[samples]\nfile = "samples.tsv"\n' + toml)
    return read_node(folder / "node.toml")


def persons_node(
    folder: Path, toml: str, policy: str, columns: Sequence[str], persons: Sequence[Sequence[object]]
) -> Path:
    """The node.toml of an ingested node of *persons*, a row each, without genotypes; None is missing."""
    folder.mkdir(parents=True)
    (folder / "node.toml").write_text(toml)
    (folder / "policy.toml").write_text(f"version = 1\n{policy}\n")
    rows = ["\t".join("" if value is None else str(value) for value in person) for person in persons]
    (folder / "samples.tsv").write_text("\n".join(["\t".join(columns), *rows]) + "\n")
    ingest(read_node(folder / "node.toml"), min_label_persons=1, progress=None)
    return folder / "node.toml"


def write_file(path: Path, text: str | bytes) -> None:
    """Write *text*, packed as bgzip does where the name ends with .gz; bytes are written as they are."""
    if isinstance(text, bytes):
        path.write_bytes(text)
    elif path.suffix == ".gz":
        with BgzfWriter(path) as file:
            file.write(text.encode())
    else:
        path.write_text(text)


def built(config: NodeConfig) -> tuple[Snapshot, IngestReport]:
    """The node ingested, labels of a single person allowed."""
    report = ingest(config, min_label_persons=1)
    return open_snapshot(config.lake), report


def rows(snapshot: Snapshot, table: str, **place: str) -> list[dict[str, object]]:
    """All rows of a table, file after file."""
    return [
        row
        for path in snapshot.files(table, **place)
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]


def quarantined(snapshot: Snapshot) -> list[dict[str, object]]:
    """What the ingest of *snapshot* put aside."""
    path = snapshot.root / "quarantine" / f"{snapshot.snapshot_id}.parquet"
    return pq.read_table(path).to_pylist()


CLASSES = ("het", "hom", "hemi", "nc", "ref1")


def member_table(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, contig: str) -> None:
    """Make the table `member`: every (site, class, sample) that `calls` holds on *contig*, in plain SQL."""
    connection.execute(
        "CREATE OR REPLACE TABLE member "
        "(pos INT, ref VARCHAR, alt VARCHAR, end_pos INT, class VARCHAR, sample_id VARCHAR)"
    )
    for batch in snapshot.batches:
        files = [str(path) for path in snapshot.files("calls", contig, batch.digest)]
        persons = str(snapshot.files("persons", batch=batch.digest)[0])
        for name in CLASSES if files else ():
            connection.execute(
                f"""
                INSERT INTO member
                WITH c AS (SELECT * FROM read_parquet({files}, hive_partitioning = false)),
                few AS (SELECT pos, ref, alt, end_pos, unnest({name}_l)::INTEGER AS idx FROM c),
                many AS (SELECT pos, ref, alt, end_pos, i::INTEGER AS idx FROM c, range({batch.persons}) r(i)
                         WHERE {name}_b IS NOT NULL AND get_bit({name}_b::BIT, i::INTEGER) = 1)
                SELECT m.* EXCLUDE (idx), '{name}', p.sample_id
                FROM (FROM few UNION ALL FROM many) m
                JOIN read_parquet('{persons}', hive_partitioning = false) p USING (idx)
                """
            )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file beneath *folder* with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def gzipped(text: str) -> bytes:
    """*text* packed as one gzip stream without blocks."""
    return gzip.compress(text.encode(), mtime=0)
