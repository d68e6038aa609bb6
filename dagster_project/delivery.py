"""What Dagster shows of the files that a node was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import dagster as dg

from dagster_project.contigs import contigs_in
from dagster_project.events import DATA_VERSION, Facts, Result, version_of
from dagster_project.place import HERE
from goe_lake.lake import IngestPlan, Source

CHECKED: Final = HERE.key("checked_input")


def checked_result(plan: IngestPlan) -> Result:
    """What Dagster keeps of the checked input of a node."""
    shown: Facts = {
        "records": sum(plan.file_records.values()),
        "files": len(plan.sources),
        "bytes": sum(source.bytes for source in plan.sources),
        "samples": len(plan.samples.table),
        "persons": plan.samples.persons,
        "contigs": len(contigs_in(plan)),
        "deliveries": len(plan.batches),
        "put_aside": sum(entry.count for entry in plan.quarantined),
    }
    if plan.warnings:
        shown["notes"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in plan.warnings))
    version = version_of(source.sha256 for source in plan.sources)
    return dg.MaterializeResult(asset_key=CHECKED, metadata=shown, data_version=version)


def observations(plan: IngestPlan, node: str) -> tuple[dg.AssetObservation, ...]:
    """What was found of each kind of file, with its digest as the data version."""
    genotypes = [source for source in plan.sources if source.role == "genotypes"]
    others = [source for source in plan.sources if source.role != "genotypes"]
    return _observed("vcf_files", node, genotypes), _observed("person_tables", node, others)


def _observed(asset: str, node: str, sources: Sequence[Source]) -> dg.AssetObservation:
    rows = [
        dg.TableRecord(
            {"file": source.path, "role": source.role, "bytes": source.bytes, "sha256": source.sha256}
        )
        for source in sources
    ]
    shown: Facts = {"files": len(sources), "bytes": sum(source.bytes for source in sources)}
    if rows:
        shown["by_file"] = dg.MetadataValue.table(rows)
    version = version_of(source.sha256 for source in sources)
    return dg.AssetObservation(
        HERE.key(asset), partition=node, metadata=shown, tags={DATA_VERSION: version.value}
    )
