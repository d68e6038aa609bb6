"""The published snapshots of the nodes, and what Dagster shows of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg

from dagster_project.events import Facts, Result, version_of
from dagster_project.nodes import Nodes, inputs_of
from dagster_project.place import HERE
from dagster_project.watch import built_since, newest_arrival
from goe_lake.catalog import Column
from goe_lake.config import NodeConfig
from goe_lake.errors import ConfigError, LakeError
from goe_lake.lake import ContigCounts, Snapshot, current_id, open_snapshot
from goe_lake.lake.layout import CURRENT, KEY_COLUMNS, STRATA, STRATUM_COLUMNS, digest_of

PUBLISHED: Final = HERE.key("published_snapshot")
#: The tables of a snapshot that are shown, with what one row is.
TABLES: Final[Mapping[str, str]] = {
    "samples": "One row a sample: sex, birth year, population, cohort, consent and phenotypes.",
    "scores": "One row a sample and polygenic score, stored at the resolution that node.toml declares.",
    "variants": "One row a site: alleles, type, gene, consequence, and the number of carriers.",
    "strata": "Counts by site and stratum, a stratum being a combination of population, sex and consent.",
}

#: Columns by table, and the columns that they are made from.
Lineage = Mapping[str, Sequence[tuple[str, str]]]
VARIANTS_LINEAGE: Final[Lineage] = {
    **{name: [("contig_parquet", name)] for name in KEY_COLUMNS},
    "variant_id": [("contig_parquet", name) for name in KEY_COLUMNS],
}
STRATA_LINEAGE: Final[Lineage] = {
    **{name: [("contig_parquet", name)] for name in KEY_COLUMNS},
    **{name: [("samples", name)] for name in STRATUM_COLUMNS},
    "het": [("contig_parquet", "het")],
    "hom_alt": [("contig_parquet", "hom")],
    "hemi": [("contig_parquet", "hemi")],
    "not_called": [("contig_parquet", "nc")],
    "an": [("contig_parquet", name) for name in ("nc", "hemi", "ref1")],
}
LINEAGE: Final[Mapping[str, Lineage]] = {"variants": VARIANTS_LINEAGE, "strata": STRATA_LINEAGE}


@dataclass(frozen=True)
class Lake:
    """One node's lake: its snapshot, or why there is none to be read.

    *unread* is what is wrong with settings that cannot be read, and *waits* for how many hours files have
    been there that the snapshot is not made of (0: it is made of all of them).
    """

    node: str
    snapshot: Snapshot | None
    trouble: str = ""
    unread: str = ""
    waits: float = 0.0


def lakes_of(nodes: Nodes) -> tuple[Lake, ...]:
    """The lake of each configured node, in the order of the setting, then what cannot be read of it."""
    found = nodes.found()
    lakes = [_lake(key, config) for key, config in found.nodes.items()]
    return (*lakes, *map(_unread, found.complaints))


def _lake(key: str, config: NodeConfig) -> Lake:
    if current_id(config.lake) is None:
        return Lake(key, None, waits=_hours_since(newest_arrival(config)))
    try:
        snapshot = open_snapshot(config.lake)
    except LakeError as error:
        return Lake(key, None, error.problem)
    return Lake(
        key, snapshot, waits=0.0 if _holds(snapshot, config) else _hours_since(newest_arrival(config))
    )


def _unread(complaint: ConfigError) -> Lake:
    folder = Path(complaint.file).parent
    problem = complaint.problem.replace(f"{folder}{os.sep}", "")
    return Lake(folder.name or complaint.file, None, unread=f"{complaint.setting}: {problem}")


def _holds(snapshot: Snapshot, config: NodeConfig) -> bool:
    """Whether *snapshot* is made of the files that are there; only what arrived since then is read."""
    if built_since(config):
        return True
    published = (config.lake / CURRENT).stat().st_mtime
    made_of = {source.path: source.sha256 for source in snapshot.manifest.sources}
    # the first two are the settings and, where there is one, the policy, which are no sources
    settings = 1 if config.policy is None else 2
    paths = inputs_of(config)[settings:]
    names = {Path(os.path.relpath(path, config.file.parent)).as_posix(): path for path in paths}
    return made_of.keys() == names.keys() and all(
        path.stat().st_ctime <= published or digest_of(path) == made_of[name] for name, path in names.items()
    )


def _hours_since(moment: float) -> float:
    return max(0.0, (time.time() - moment) / 3600)


def address(snapshot: Snapshot, path: str) -> str:
    """Where *path* of a lake is, without naming a folder of the host.

    The manifest and `node.toml` say the rest.
    """
    return f"goe-lake://{snapshot.manifest.node_id}/{path}"


def snapshot_result(snapshot: Snapshot, warnings: Sequence[str] = ()) -> Result:
    """What Dagster keeps of a published snapshot."""
    manifest = snapshot.manifest
    shown: Facts = {
        "dagster/uri": address(snapshot, f"snapshots/{snapshot.snapshot_id}.json"),
        "snapshot": snapshot.snapshot_id,
        "persons": manifest.persons,
        "samples": manifest.samples,
        "genotyped": manifest.genotyped,
        "sites": sum(counts.sites for counts in manifest.contigs),
        "records": sum(counts.records for counts in manifest.contigs),
        "files": len(manifest.files),
        "bytes": sum(file.bytes for file in manifest.files),
        "quarantined": sum(manifest.quarantined.values()),
    }
    if manifest.contigs:
        shown["contigs"] = dg.MetadataValue.table([_contig_row(counts) for counts in manifest.contigs])
    if manifest.quarantined:
        shown["quarantined_by_reason"] = dict(manifest.quarantined)
    if warnings:
        shown["notes"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in warnings))
    return dg.MaterializeResult(
        asset_key=PUBLISHED, metadata=shown, data_version=dg.DataVersion(snapshot.snapshot_id)
    )


def _contig_row(counts: ContigCounts) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "contig": counts.contig,
            "records": counts.records,
            "sites": counts.sites,
            "no-call rate": round(counts.no_call_rate or 0.0, 6),
            "Ti/Tv": round(counts.ti_tv or 0.0, 3),
            "put aside": sum(counts.quarantined.values()),
        }
    )


def table_results(snapshot: Snapshot) -> Iterator[Result]:
    """What Dagster keeps of each table in TABLES."""
    for table in TABLES:
        files = [file for file in snapshot.manifest.files if file.table == table]
        shown: Facts = {
            "dagster/partition_row_count": sum(file.rows for file in files),
            "dagster/column_schema": dg.TableSchema(columns=_columns(snapshot, table)),
            "dagster/uri": address(snapshot, table),
            "snapshot": snapshot.snapshot_id,
            "bytes": sum(file.bytes for file in files),
        }
        by_contig = {file.contig: file.rows for file in files if file.contig is not None}
        if by_contig:
            rows = [dg.TableRecord({"contig": contig, "rows": count}) for contig, count in by_contig.items()]
            shown["rows_by_contig"] = dg.MetadataValue.table(rows)
        if table in LINEAGE:
            shown["dagster/column_lineage"] = _lineage(LINEAGE[table])
        version = version_of(file.sha256 for file in files)
        yield dg.MaterializeResult(asset_key=HERE.key(table), metadata=shown, data_version=version)


def _lineage(lineage: Lineage) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(HERE.key(asset), name) for asset, name in sources]
            for column, sources in lineage.items()
        }
    )


def _columns(snapshot: Snapshot, table: str) -> list[dg.TableColumn]:
    described = snapshot.catalog.table(table)
    if described is None:
        return [
            dg.TableColumn(field.name, str(field.type), constraints=_nullable(field.nullable))
            for field in STRATA
        ]
    return [
        dg.TableColumn(column.name, column.type.value, _told(column), _nullable(column.nullable))
        for column in described.columns
    ]


def _nullable(nullable: bool) -> dg.TableColumnConstraints:
    return dg.TableColumnConstraints(nullable=nullable)


def _told(column: Column) -> str:
    """The column in one line, with the public facts that the rules rest on."""
    facts = [column.description]
    if column.unit:
        facts.append(f"unit {column.unit}")
    if column.bounds:
        facts.append(f"{column.bounds[0]} to {column.bounds[1]}")
    if column.resolution:
        facts.append(f"in steps of {column.resolution}")
    if column.values:
        facts.append(f"one of {', '.join(column.values)}")
    return "; ".join(filter(None, facts))
