"""Publishing: from converted partitions to a snapshot that readers see all at once."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from goe_lake.errors import InputError
from goe_lake.genome import CONTIGS
from goe_lake.lake.commit import commit, install
from goe_lake.lake.contig import Built, build_contig, build_table
from goe_lake.lake.convert import converted
from goe_lake.lake.layout import PERSONS, SCORES
from goe_lake.lake.lock import only_publisher
from goe_lake.lake.manifest import Batch, ContigCounts, DataFile, Manifest
from goe_lake.lake.partition import PartitionSummary
from goe_lake.lake.plan import IngestPlan, Partition
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.lake.quarantine import RAISE_LIMIT, SCHEMA, Entry, count_by_reason
from goe_lake.lake.snapshot import Snapshot, open_snapshot
from goe_lake.lake.strata import strata_of
from goe_lake.vcf.arrow import table

Summaries = Mapping[Partition, PartitionSummary]


def publish(plan: IngestPlan, progress: Progress | None = None) -> Snapshot:
    """Make what was converted the current snapshot; readers see the old one or the new one.

    Raises LakeError where a partition was not converted, InputError where too much was put aside.
    Publishing the same again gives the same snapshot.
    """
    steps = OneAtATime(progress)
    with only_publisher(plan.staging):
        summaries = {partition: converted(plan, partition) for partition in plan.partitions}
        _check_shares(plan, summaries)
        build = plan.staging / "build"
        shutil.rmtree(build, ignore_errors=True)
        built, counts = _build(plan, build, summaries, steps)
        entries = _entries(plan)
        manifest = _manifest(plan, counts, install(plan.config.lake, built), entries)
        commit(plan.config.lake, manifest, entries)
        shutil.rmtree(build, ignore_errors=True)
    return open_snapshot(plan.config.lake)


def _build(
    plan: IngestPlan, build: Path, summaries: Summaries, steps: Progress
) -> tuple[list[Built], list[ContigCounts]]:
    """Write every table that is not a partition's own; all files of the snapshot, and its counts."""
    built = list(_people(plan, build))
    strata = strata_of(plan.samples, [batch.persons for batch in plan.batches])
    counts: list[ContigCounts] = []
    contigs = [contig for contig in CONTIGS if any(part.contig == contig for part in summaries)]
    steps.start("publish", len(contigs))
    for contig in contigs:
        parts = {part.batch: summary for part, summary in summaries.items() if part.contig == contig}
        files, counted = build_contig(plan, build, contig, strata, parts)
        built += files
        counts.append(counted)
        steps.advance("publish", 1)
    steps.finish("publish")
    return built, counts


def _check_shares(plan: IngestPlan, summaries: Summaries) -> None:
    """Refuse where more values of a kept FORMAT field, or records of a file, were put aside than allowed."""
    most = plan.config.max_quarantined
    for batch, delivery in zip(plan.batches, plan.config.genotypes, strict=True):
        parts = [summary for partition, summary in summaries.items() if partition.batch == batch.digest]
        for name in ("gq", "dp"):
            values = sum(part.values.get(name, 0) for part in parts)
            outside = sum(part.outside.get(name, 0) for part in parts)
            if outside > most * values:
                field = name.upper()
                raise InputError(
                    delivery.files[0],
                    f"{outside} of {values} values of FORMAT/{field} lie out of bounds",
                    f"take {field} out of format_fields, or {RAISE_LIMIT}",
                )
    refused: Counter[str] = Counter()
    for summary in summaries.values():
        refused.update(summary.refused)
    for path, records in plan.file_records.items():
        if refused[plan.names[path]] > most * records:
            raise InputError(
                path,
                f"{refused[plan.names[path]]} of {records} records cannot be used",
                f"mend the file, or {RAISE_LIMIT}",
            )


def _entries(plan: IngestPlan) -> list[Entry]:
    """Everything that was put aside, in a fixed order."""
    entries = [*plan.samples.quarantined, *plan.scores.quarantined, *plan.quarantined]
    for partition in plan.partitions:
        staged = pq.read_table(plan.staging / partition.folder / "quarantine.parquet", schema=SCHEMA)
        entries += [Entry(**row) for row in staged.to_pylist()]
    return entries


def _people(plan: IngestPlan, build: Path) -> Iterator[Built]:
    yield build_table(build, "samples", plan.samples.table)
    yield build_table(build, "scores", plan.scores.table.cast(SCORES))
    for batch in plan.batches:
        persons = {"idx": np.arange(len(batch.persons), dtype=np.int32), "sample_id": batch.persons}
        yield build_table(build, "persons", table(persons, PERSONS), batch=batch.digest)


def _manifest(
    plan: IngestPlan, counts: list[ContigCounts], files: tuple[DataFile, ...], entries: list[Entry]
) -> Manifest:
    return Manifest(
        node_id=plan.config.node_id,
        country=plan.config.country,
        assembly=plan.config.assembly,
        samples=len(plan.samples.table),
        persons=plan.samples.persons,
        genotyped=sum(len(batch.persons) for batch in plan.batches),
        catalog=plan.catalog,
        batches=tuple(
            Batch(batch.digest, len(batch.persons), batch.absent_sites, batch.fields)
            for batch in plan.batches
        ),
        contigs=tuple(counts),
        sources=plan.sources,
        files=files,
        quarantined=count_by_reason(entries),
    )
