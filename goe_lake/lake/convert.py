"""Converting one partition: from its files to staging, in this process or in a worker."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Final

from goe_lake.errors import LakeError
from goe_lake.lake.begun import begun_conversion
from goe_lake.lake.info import InfoReader
from goe_lake.lake.layout import PUBLISHED, data_path, digest_of
from goe_lake.lake.partition import SUMMARY, Job, PartitionSummary, convert_job
from goe_lake.lake.plan import IngestPlan, Partition
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.lake.worker import call_in_worker, convert_in_worker
from goe_lake.vcf.reader import decodes_fast

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MODULES: Final = (
    "begun",
    "callable",
    "consequences",
    "groups",
    "info",
    "layout",
    "normalise",
    "ordering",
    "parquet",
    "partition",
    "ploidy",
    "quarantine",
    "sorting",
)


def convert(
    plan: IngestPlan, partition: Partition, progress: Progress | None = None, *, here: bool = False
) -> PartitionSummary:
    """Convert one partition into staging, from the beginning; twice gives the same files.

    A worker process does it, or with *here* this process, where the vectorised decoder reads all of its
    files: a second process costs as much as decoding some hundred MB. Raises InputError about the file
    that cannot be read, OSError where a disk fails; what was published stays as it is. What was converted
    while the files were scanned is taken over.
    """
    job = _job(plan, partition)
    step = step_name(plan, partition)
    steps = OneAtATime(progress)
    steps.start(step, sum(piece.records for piece in job.pieces))

    def report(_: int, done: int) -> None:
        steps.advance(step, done)

    summary = begun_conversion(job)
    if summary is not None:
        report(0, summary.records)
    elif here and _all_fast(job):
        summary = convert_job(job, report, call_in_worker)
    else:
        summary = convert_in_worker(job, report)
    steps.finish(step)
    return summary


def _all_fast(job: Job) -> bool:
    return all(decodes_fast(piece, info.names) for piece, info in zip(job.pieces, job.info, strict=True))


def converted(plan: IngestPlan, partition: Partition) -> PartitionSummary:
    """What an earlier `convert` of the partition left, its files read and compared with their digests.

    Raises LakeError where it was not converted from these files by this very program, or where a
    file was changed since.
    """
    folder = plan.staging / partition.folder
    mend = f"convert it: contig {partition.contig} of batch {partition.batch}"
    try:
        summary = PartitionSummary.from_json((folder / SUMMARY).read_text())
    except (OSError, ValueError, KeyError, TypeError):
        raise LakeError(folder, "is a partition that was not converted", mend) from None
    if summary.code != _job(plan, partition).code:
        raise LakeError(folder, "was converted by another version or from other files", mend)
    expected = sum(piece.records for piece in plan.batch(partition.batch).pieces[partition.contig])
    if summary.records != expected:
        raise LakeError(folder, f"holds {summary.records} records of {expected}", mend)
    for name, written in summary.files.items():
        path = part_file(plan, partition, name, written.sha256)
        if not path.is_file() or digest_of(path) != written.sha256:
            raise LakeError(path, "is absent or was changed after it was converted", mend)
    return summary


def part_file(plan: IngestPlan, partition: Partition, name: str, sha256: str) -> Path:
    """File *name* of a converted partition: in staging, or, once published, in the lake."""
    path = plan.staging / partition.folder / f"{name}.parquet"
    if name in PUBLISHED and not path.is_file():
        return plan.config.lake / data_path(name, sha256, partition.contig, partition.batch)
    return path


def step_name(plan: IngestPlan, partition: Partition) -> str:
    """The partition as progress shows it."""
    if len(plan.batches) == 1:
        return f"convert {partition.contig}"
    number = [batch.digest for batch in plan.batches].index(partition.batch) + 1
    return f"convert {partition.contig}, delivery {number}"


def _job(plan: IngestPlan, partition: Partition) -> Job:
    batch = plan.batch(partition.batch)
    pieces = batch.pieces[partition.contig]
    info = tuple(plan.info[piece.path] for piece in pieces)
    share = plan.config.max_quarantined
    names = tuple(plan.names[piece.path] for piece in pieces)
    return Job(
        contig=partition.contig,
        assembly=plan.config.assembly,
        sexes=batch.sexes,
        absent_sites=batch.absent_sites,
        reference=plan.config.reference,
        fields=batch.fields,
        pieces=pieces,
        names=names,
        limits=tuple(int(share * plan.file_records[piece.path]) for piece in pieces),
        folder=plan.staging / partition.folder,
        code=_code(batch.contents[partition.contig], names, info),
        info=info,
    )


def _code(contents: str, names: tuple[str, ...], info: tuple[InfoReader, ...]) -> str:
    """What tells whether a conversion still stands: the program, the files, and what is read of INFO."""
    kept = [asdict(reader) for reader in info]
    return hashlib.sha256(json.dumps([_program(), contents, names, kept]).encode()).hexdigest()[:16]


@cache
def _program() -> str:
    """A digest of the modules that decide what a converted partition holds."""
    digest = hashlib.sha256()
    modules = (_PACKAGE / "lake" / f"{name}.py" for name in _MODULES)
    for path in (*sorted((_PACKAGE / "vcf").glob("*.py")), *modules, _PACKAGE / "genome.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()
