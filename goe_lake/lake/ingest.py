"""The whole ingest of one node: plan, convert every partition, publish."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from goe_lake.config import NodeConfig
from goe_lake.errors import LakeError
from goe_lake.lake.begun import remove_begun
from goe_lake.lake.convert import convert, converted, step_name
from goe_lake.lake.duplicates import DuplicateCheck, find_duplicates
from goe_lake.lake.layout import STAGING
from goe_lake.lake.manifest import ContigCounts, Manifest
from goe_lake.lake.plan import IngestPlan, Partition, plan
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.lake.publish import publish
from goe_lake.lake.snapshot import Snapshot

#: Partitions that are decoded at the same time, all but one in processes of their own.
WORKERS: Final = 2
#: What helps against errors of a disk, by their number.
MENDS: Final[Mapping[int, str]] = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room in the quota",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EACCES: "check its rights",
    errno.EPERM: "check its rights",
    errno.EROFS: "mount it for writing",
}


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did, in numbers.

    *reused* names the partitions that an earlier run had already converted from the same files, and
    *converted* those that this run did; *quarantined* counts by reason; *warnings* are sentences for the
    data engineer; *duplicates* is about persons who may be in the node twice, and names samples.
    """

    node_id: str
    snapshot_id: str
    samples: int
    persons: int
    genotyped: int
    contigs: tuple[ContigCounts, ...]
    quarantined: Mapping[str, int]
    warnings: tuple[str, ...]
    reused: tuple[str, ...]
    converted: tuple[str, ...] = ()
    duplicates: DuplicateCheck | None = None

    @property
    def records(self) -> int:
        """Input records on contigs that the lake holds."""
        return sum(counts.records for counts in self.contigs)

    @property
    def sites(self) -> int:
        """Rows of `variants`."""
        return sum(counts.sites for counts in self.contigs)

    @property
    def no_call_rate(self) -> float | None:
        """The share (0..1) of genotypes in the files without a called allele."""
        genotypes = sum(counts.genotypes for counts in self.contigs)
        return sum(counts.not_called for counts in self.contigs) / genotypes if genotypes else None

    @property
    def ti_tv(self) -> float | None:
        """Transitions over transversions, by site."""
        transversions = sum(counts.transversions for counts in self.contigs)
        return sum(counts.transitions for counts in self.contigs) / transversions if transversions else None


def ingest(
    config: NodeConfig, *, min_label_persons: int, progress: Progress | None = None, workers: int = WORKERS
) -> IngestReport:
    """Make the files of *config* the current snapshot of its lake.

    Labels that `node.toml` does not declare are taken from the data where each is held by at least
    *min_label_persons* persons. *workers* partitions are decoded at a time, all but one of them in
    processes of their own; their number changes no byte. Raises InputError, ConfigError or LakeError;
    the snapshot that was current before stays current then.
    """
    steps = OneAtATime(progress)
    try:
        return _ingest(config, min_label_persons, steps, workers)
    except OSError as error:
        raise LakeError(
            error.filename or config.lake,
            f"cannot be read or written: {error.strerror or error}",
            f"nothing was published; {MENDS.get(error.errno or 0, 'check the disk')} and ingest again: "
            "what was converted stands",
        ) from error


def _compare(snapshot: Snapshot, steps: OneAtATime) -> DuplicateCheck:
    steps.start("compare persons", 1)
    try:
        found = find_duplicates(snapshot)
    except OSError as error:
        raise LakeError(
            error.filename or snapshot.root,
            f"cannot be read: {error.strerror or error}",
            "the snapshot is published, and its persons were not compared: goe lake verify NODE.toml",
        ) from error
    steps.advance("compare persons", 1)
    steps.finish("compare persons")
    return found


def _ingest(config: NodeConfig, min_label_persons: int, steps: OneAtATime, workers: int) -> IngestReport:
    remove_begun(config.lake / STAGING)
    planned = plan(config, min_label_persons=min_label_persons, progress=steps)
    reused = tuple(part for part in planned.partitions if _is_converted(planned, part))
    rest = [part for part in planned.partitions if part not in reused]
    _convert(planned, rest, steps, workers)
    checks: list[DuplicateCheck] = []
    snapshot = publish(planned, steps, lambda new: checks.append(_compare(new, steps)))
    report = report_of(planned, snapshot, reused)
    return replace(report, converted=_names(planned, rest), duplicates=checks[0])


def _convert(plan: IngestPlan, parts: list[Partition], steps: OneAtATime, workers: int) -> None:
    """Convert *parts*, *workers* at a time: one of them in this process, the others in their own."""
    here = threading.Lock()

    def one(part: Partition) -> None:
        mine = here.acquire(blocking=False)
        try:
            convert(plan, part, steps, here=mine)
        finally:
            if mine:
                here.release()

    pool = ThreadPoolExecutor(workers)
    try:
        for future in [pool.submit(one, part) for part in parts]:
            future.result()
    except KeyboardInterrupt:
        # the other processes hear of it themselves
        steps.stop()
        raise
    finally:
        # after an error what has not begun need not begin
        pool.shutdown(cancel_futures=True)


def _is_converted(plan: IngestPlan, partition: Partition) -> bool:
    """Whether an earlier run has converted the partition from the same files."""
    try:
        converted(plan, partition)
    except LakeError:
        return False
    return True


def report_of(plan: IngestPlan, snapshot: Snapshot, reused: tuple[Partition, ...] = ()) -> IngestReport:
    """The report of an ingest that published *snapshot*."""
    manifest = snapshot.manifest
    return IngestReport(
        node_id=manifest.node_id,
        snapshot_id=snapshot.snapshot_id,
        samples=manifest.samples,
        persons=manifest.persons,
        genotyped=manifest.genotyped,
        contigs=manifest.contigs,
        quarantined=manifest.quarantined,
        warnings=(*plan.warnings, *_without_alt(manifest)),
        reused=_names(plan, reused),
    )


def _names(plan: IngestPlan, parts: Iterable[Partition]) -> tuple[str, ...]:
    return tuple(step_name(plan, part).removeprefix("convert ") for part in parts)


def _without_alt(manifest: Manifest) -> tuple[str, ...]:
    records = sum(counts.without_alt for counts in manifest.contigs)
    if not records:
        return ()
    return (
        f"{records} records have no alternate allele (reference blocks of a gVCF); they make no row, "
        "and say where their persons are called at sites that only others have",
    )
