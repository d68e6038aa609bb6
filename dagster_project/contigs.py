"""One contig of a node: its conversion, and what Dagster shows of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import dagster as dg

from dagster_project.events import Facts, Result, version_of
from dagster_project.evidence import disordered_sites, impossible_sites
from dagster_project.place import HERE
from goe_lake.errors import InputError, LakeError
from goe_lake.lake import IngestPlan, Partition, PartitionSummary, Progress, convert
from goe_lake.lake.convert import converted, part_file
from goe_lake.lake.partition import SUMMARY
from goe_lake.vcf.encode import KEY

ASSET: Final = HERE.key("contig_parquet")
#: Below this share of called genotypes a contig is worth a look.
LOWEST_CALL_RATE: Final = 0.9

CHECKS: Final = (
    dg.AssetCheckSpec(
        "record_parity",
        asset=ASSET,
        blocking=True,
        description="The records that were decoded are those that a plain reading of the text counted.",
    ),
    dg.AssetCheckSpec(
        "sorted_unique_keys",
        asset=ASSET,
        blocking=True,
        description="Every (pos, ref, alt, end_pos) comes after the one before it, so each stands once.",
    ),
    dg.AssetCheckSpec(
        "ac_within_an",
        asset=ASSET,
        blocking=True,
        description="At no site is AC above AN, or are there more persons in the classes than in the batch.",
    ),
    dg.AssetCheckSpec(
        "call_rate",
        asset=ASSET,
        description=f"At least {LOWEST_CALL_RATE:.0%} of the genotypes in the files have a called allele.",
    ),
)


def contigs_in(plan: IngestPlan) -> tuple[str, ...]:
    """The contigs that the node's genotype files have, in the order of the genome."""
    return tuple(dict.fromkeys(partition.contig for partition in plan.partitions))


#: A class of persons is stored as a list where few and as a bitmap where many; it is shown as one column.
COLUMNS: Final = dg.TableSchema(
    columns=[
        *(dg.TableColumn(field.name, str(field.type)) for field in KEY),
        dg.TableColumn("het", "persons", "the alternate allele and another called allele"),
        dg.TableColumn("hom", "persons", "two called copies of the alternate allele"),
        dg.TableColumn("hemi", "persons", "the one called copy is the alternate allele"),
        dg.TableColumn("nc", "persons", "no called allele"),
        dg.TableColumn("ref1", "persons", "one called allele, not the alternate one"),
        dg.TableColumn("gq", "list", "genotype quality of each person, where kept"),
        dg.TableColumn("dp", "list", "read depth of each person, where kept"),
    ]
)


@dataclass(frozen=True)
class ContigReport:
    """One contig of a node in numbers; it travels from step to step and names no person.

    *in_files* counts the records in the text of the files, *records* those that were decoded;
    *disordered* and *impossible* count rows that must not be; *version* is a digest of the files;
    *seconds* is None where an earlier run had converted all of it.
    """

    contig: str
    deliveries: int
    in_files: int
    records: int
    sites: int
    persons: int
    genotypes: int
    not_called: int
    put_aside: Mapping[str, int]
    bytes: int
    disordered: int
    impossible: int
    version: str
    seconds: float | None = None

    @property
    def call_rate(self) -> float | None:
        """The share (0..1) of genotypes with a called allele, None where there are none."""
        return 1 - self.not_called / self.genotypes if self.genotypes else None

    @property
    def sound(self) -> bool:
        """Whether every blocking check passes."""
        return self.records == self.in_files and not self.disordered and not self.impossible


def convert_contig(plan: IngestPlan, contig: str, progress: Progress, *, resume: bool) -> ContigReport:
    """Convert one contig of every delivery of the node.

    With *resume* what an earlier run converted stands if its files are whole. A contig that is not
    sound is taken out of staging again, so that it cannot be published. Raises InputError.
    """
    partitions = [partition for partition in plan.partitions if partition.contig == contig]
    if not partitions:
        held = ", ".join(contigs_in(plan)) or "none"
        raise InputError(
            plan.config.file, f"no genotype file has a record on {contig}", f"Contigs in the files: {held}"
        )
    began = time.monotonic()
    standing = {partition: _converted(plan, partition) if resume else None for partition in partitions}
    summaries = {
        partition: stands or convert(plan, partition, progress) for partition, stands in standing.items()
    }
    took = None if all(standing.values()) else round(time.monotonic() - began, 3)
    report = replace(_report(plan, contig, summaries), seconds=took)
    if not report.sound:
        for partition in partitions:
            (plan.staging / partition.folder / SUMMARY).unlink(missing_ok=True)
    return report


def _converted(plan: IngestPlan, partition: Partition) -> PartitionSummary | None:
    try:
        return converted(plan, partition)
    except LakeError:
        return None


def _report(plan: IngestPlan, contig: str, summaries: Mapping[Partition, PartitionSummary]) -> ContigReport:
    put_aside: Counter[str] = Counter()
    files = []
    for partition, summary in summaries.items():
        put_aside.update(summary.quarantined)
        calls = part_file(plan, partition, "calls", summary.files["calls"].sha256)
        files.append((calls, summary.persons))
    digests = [written.sha256 for part in summaries.values() for _, written in sorted(part.files.items())]
    return ContigReport(
        contig=contig,
        deliveries=len(summaries),
        in_files=sum(piece.records for part in summaries for piece in plan.batch(part.batch).pieces[contig]),
        records=sum(summary.records for summary in summaries.values()),
        sites=sum(summary.sites for summary in summaries.values()),
        persons=sum(summary.persons for summary in summaries.values()),
        genotypes=sum(summary.sites * summary.persons for summary in summaries.values()),
        not_called=sum(summary.not_called for summary in summaries.values()),
        put_aside=dict(sorted(put_aside.items())),
        bytes=sum(written.bytes for part in summaries.values() for written in part.files.values()),
        disordered=sum(disordered_sites(file) for file, _ in files),
        impossible=sum(impossible_sites(file, persons) for file, persons in files),
        version=version_of(digests).value,
    )


def contig_result(report: ContigReport) -> Result:
    """What Dagster keeps of a converted contig."""
    shown: Facts = {
        "dagster/partition_row_count": report.sites,
        "dagster/column_schema": COLUMNS,
        "records": report.records,
        "persons": report.persons,
        "genotypes": report.genotypes,
        "no_call_rate": report.not_called / report.genotypes if report.genotypes else 0.0,
        "put_aside": sum(report.put_aside.values()),
        "deliveries": report.deliveries,
        "bytes": report.bytes,
    }
    if report.seconds is not None:
        shown["seconds"] = report.seconds
        shown["records_per_second"] = report.records / max(report.seconds, 0.001)
    if report.put_aside:
        shown["put_aside_by_reason"] = dict(report.put_aside)
    return dg.MaterializeResult(
        asset_key=ASSET,
        metadata=shown,
        check_results=list(contig_checks([report])),
        data_version=dg.DataVersion(report.version),
    )


def contig_checks(reports: Sequence[ContigReport]) -> Iterator[dg.AssetCheckResult]:
    """The checks of `contig_parquet` over all *reports* of a run: Dagster keeps one result of each a run."""
    in_files, records = (
        sum(values) for values in zip(*((r.in_files, r.records) for r in reports), strict=True)
    )
    yield _result(
        "record_parity",
        records == in_files and all(report.records == report.in_files for report in reports),
        {"records_in_files": in_files, "records_decoded": records},
        [{"contig": r.contig, "in files": r.in_files, "decoded": r.records} for r in reports],
    )
    sites = sum(report.sites for report in reports)
    for name, fault in (("sorted_unique_keys", "disordered"), ("ac_within_an", "impossible")):
        counts = {report.contig: getattr(report, fault) for report in reports}
        yield _result(
            name,
            not any(counts.values()),
            {"sites": sites, "offending": sum(counts.values())},
            [{"contig": r.contig, "sites": r.sites, "offending": counts[r.contig]} for r in reports],
        )
    genotypes = sum(report.genotypes for report in reports)
    rates = {report.contig: report.call_rate for report in reports if report.call_rate is not None}
    yield _result(
        "call_rate",
        all(rate >= LOWEST_CALL_RATE for rate in rates.values()),
        {
            "call_rate": 1 - sum(report.not_called for report in reports) / genotypes if genotypes else 1.0,
            "lowest_accepted": LOWEST_CALL_RATE,
        },
        [{"contig": contig, "call rate": round(rate, 6)} for contig, rate in rates.items()],
        dg.AssetCheckSeverity.WARN,
    )


def unsound(report: ContigReport) -> dg.Failure:
    """The failure about a contig that must not be published."""
    numbers = {
        "records_in_files": report.in_files,
        "records_decoded": report.records,
        "sites_out_of_order": report.disordered,
        "sites_with_impossible_counts": report.impossible,
    }
    text = ", ".join(f"{name} {value}" for name, value in numbers.items())
    return dg.Failure(
        f"{report.contig}: what was converted is not what the files say ({text}); it will not be published. "
        "Convert it again; if that does not help, report it with the version of goe_lake",
        metadata={"contig": report.contig, **numbers},
        allow_retries=False,
    )


def _result(
    name: str,
    passed: bool,
    numbers: Mapping[str, float],
    rows: Sequence[Mapping[str, str | int | float]],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    metadata: Facts = dict(numbers)
    if rows:
        metadata["by_contig"] = dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])
    return dg.AssetCheckResult(
        asset_key=ASSET, check_name=name, passed=passed, metadata=metadata, severity=severity
    )
