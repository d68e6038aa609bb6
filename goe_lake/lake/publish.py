"""Publishing: from converted partitions to a snapshot that readers see all at once."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from goe_lake.errors import InputError
from goe_lake.genome import CONTIGS
from goe_lake.lake.commit import Disk, commit, install
from goe_lake.lake.contig import Built, build_contig, build_table, regions_files
from goe_lake.lake.convert import converted
from goe_lake.lake.layout import PERSONS, PUBLISHED, SCORES
from goe_lake.lake.lock import only_publisher
from goe_lake.lake.manifest import Batch, ContigCounts, DataFile, Manifest
from goe_lake.lake.partition import PartitionSummary
from goe_lake.lake.plan import IngestPlan, Partition
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.lake.quarantine import RAISE_LIMIT, Entry, count_by_reason
from goe_lake.lake.reuse import inputs_of, persons_digest, recall, remember
from goe_lake.lake.snapshot import Snapshot, open_snapshot
from goe_lake.lake.strata import strata_of
from goe_lake.vcf.arrow import read_parquet, table

Summaries = Mapping[Partition, PartitionSummary]


def publish(
    plan: IngestPlan, progress: Progress | None = None, meanwhile: Callable[[Snapshot], None] | None = None
) -> Snapshot:
    """Make what was converted the current snapshot; readers see the old one or the new one.

    *meanwhile* is called with what is about to be current, while its files are brought to disk. Raises
    LakeError where a partition was not converted, InputError where too much was put aside. Publishing
    the same again gives the same snapshot.
    """
    steps = OneAtATime(progress)
    with only_publisher(plan.staging), Disk() as disk:
        summaries = {partition: converted(plan, partition) for partition in plan.partitions}
        _check_shares(plan, summaries)
        build = plan.staging / "build"
        shutil.rmtree(build, ignore_errors=True)
        people = install(plan.config.lake, _people(plan, build), disk)
        files, counts = _contigs(plan, build, summaries, steps, disk)
        entries = _entries(plan)
        manifest = _manifest(plan, counts, (*people, *files), entries)

        def finish() -> None:
            disk.wait()
            commit(plan.config.lake, manifest, entries)
            shutil.rmtree(build, ignore_errors=True)

        with ThreadPoolExecutor(1) as thread:
            finished = thread.submit(finish)
            try:
                if meanwhile is not None:
                    meanwhile(Snapshot(plan.config.lake.resolve(), manifest))
            finally:
                # that nothing was published is worse than whatever else is wrong
                finished.result()
    return open_snapshot(plan.config.lake)


def _contigs(
    plan: IngestPlan, build: Path, summaries: Summaries, steps: Progress, disk: Disk
) -> tuple[list[DataFile], list[ContigCounts]]:
    """The files of every contig in the lake, and its counts; merged only where something is new."""
    found: list[DataFile] = []
    strata = strata_of(plan.samples, [batch.persons for batch in plan.batches])
    counts: list[ContigCounts] = []
    contigs = [contig for contig in CONTIGS if any(part.contig == contig for part in summaries)]
    persons = persons_digest(plan)
    # sites of other nodes may lie on a contig on which this node has none
    for contig in sorted(set(CONTIGS) - set(contigs)):
        found += install(plan.config.lake, regions_files(plan, build, contig), disk)
    steps.start("publish", len(contigs))
    for contig in contigs:
        parts = {part.batch: summary for part, summary in summaries.items() if part.contig == contig}
        inputs = inputs_of(plan, contig, parts, persons)
        known = recall(plan, contig, inputs)
        if known is not None:
            _drop_staged(plan, contig, parts)
            # whoever made them may have been killed before they were there
            for file in known[0]:
                disk.write_out(plan.config.lake / file.path)
        else:
            built, counted = build_contig(plan, build, contig, strata, parts)
            known = install(plan.config.lake, built, disk), counted
            remember(plan, inputs, *known)
        found += known[0]
        counts.append(known[1])
        steps.advance("publish", 1)
    steps.finish("publish")
    return found, counts


def _drop_staged(plan: IngestPlan, contig: str, parts: Mapping[str, PartitionSummary]) -> None:
    """Remove staged files that the lake already holds: they were converted again, to the same bytes."""
    for batch in parts:
        for name in PUBLISHED:
            (plan.staging / Partition(contig, batch).folder / f"{name}.parquet").unlink(missing_ok=True)


def _check_shares(plan: IngestPlan, summaries: Summaries) -> None:
    """Refuse where more values of a kept FORMAT field, or records of a file, were put aside than allowed."""
    most = plan.config.max_quarantined
    for batch in plan.batches:
        parts = [summary for partition, summary in summaries.items() if partition.batch == batch.digest]
        for name in ("gq", "dp"):
            values = sum(part.values.get(name, 0) for part in parts)
            outside = sum(part.outside.get(name, 0) for part in parts)
            if outside > most * values:
                field = name.upper()
                raise InputError(
                    batch.files[0],
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
        staged = read_parquet(plan.staging / partition.folder / "quarantine.parquet")
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
            Batch(
                batch.digest,
                len(batch.persons),
                batch.absent_sites,
                batch.fields,
                "trimmed" if plan.config.reference is None else "left-aligned",
            )
            for batch in plan.batches
        ),
        contigs=tuple(counts),
        sources=plan.sources,
        files=files,
        quarantined=count_by_reason(entries),
    )
