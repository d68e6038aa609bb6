"""One contig over all batches: its rows of `variants`, `strata` and `ploidy`, and what was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from goe_lake.genome import ASSEMBLIES
from goe_lake.lake.callable import Fill, regions_table
from goe_lake.lake.convert import part_file
from goe_lake.lake.layout import (
    PLOIDY,
    PUBLISHED,
    ROW_GROUP,
    STRATA,
    STRATA_ROW_GROUP,
    table_folder,
    variants_schema,
)
from goe_lake.lake.manifest import ContigCounts
from goe_lake.lake.merge import windows
from goe_lake.lake.parquet import TableWriter, Written, write_table
from goe_lake.lake.partition import PartitionSummary
from goe_lake.lake.plan import IngestPlan, Partition
from goe_lake.lake.ploidy import Ploidy, ploidy_by_sexes, ploidy_of, ploidy_table, stretch_rows
from goe_lake.lake.sites import added_columns, count_substitutions, variants_table
from goe_lake.lake.strata import Strata, batch_strata, count_window, strata_table
from goe_lake.vcf.arrow import read_parquet

#: The most genotypes of a batch that are decoded at a time.
WINDOW_GENOTYPES: Final = 16_000_000
#: The most sites at a time, and sites times strata where there are more sites than in a row group.
WINDOW_SITES: Final = 65_536
WINDOW_COUNTS: Final = 1_000_000


@dataclass(frozen=True)
class Built:
    """A file in staging that is to become part of the snapshot."""

    source: Path
    table: str
    written: Written
    contig: str | None = None
    batch: str | None = None


def build_table(
    build: Path, name: str, rows: pa.Table, *, contig: str | None = None, batch: str | None = None
) -> Built:
    """Write *rows* as the only file of a table, or of one of its partitions, beneath *build*."""
    path = build / table_folder(name, contig, batch) / "table.parquet"
    return Built(path, name, write_table(path, rows), contig, batch)


def build_contig(
    plan: IngestPlan, build: Path, contig: str, strata: Strata, parts: Mapping[str, PartitionSummary]
) -> tuple[list[Built], ContigCounts]:
    """Write the tables of one contig; *parts* are its converted partitions by the batch's digest."""
    ploidies = list(_ploidies(plan, contig, strata))
    files = [
        build_table(build, "ploidy", ploidy_table(ploidy).cast(PLOIDY), contig=contig, batch=batch.digest)
        for batch, ploidy in zip(plan.batches, ploidies, strict=True)
        if contig in batch.pieces
    ]
    own = {name: _own(plan, contig, parts, name) for name in PUBLISHED}
    regions = regions_files(plan, build, contig)
    fills = [
        Fill(ploidy, batch.absent_sites, _paths(batch.digest, [*own["callable"], *regions]))
        for batch, ploidy in zip(plan.batches, ploidies, strict=True)
    ]
    variants, by_stratum, substitutions = _merge(plan, build, contig, strata, fills, own["calls"])
    counts = _counts(contig, variants.written.rows, substitutions, parts)
    return [*files, variants, by_stratum, *own["calls"], *own["callable"], *regions], counts


def _own(plan: IngestPlan, contig: str, parts: Mapping[str, PartitionSummary], name: str) -> list[Built]:
    """File *name* of each converted partition that has one."""
    return [
        Built(
            part_file(plan, Partition(contig, batch), name, part.files[name].sha256),
            name,
            part.files[name],
            contig,
            batch,
        )
        for batch, part in parts.items()
        if name in part.files
    ]


def regions_files(plan: IngestPlan, build: Path, contig: str) -> list[Built]:
    """Write what the batches' BED files say about *contig*."""
    return [
        _regions_file(build, contig, batch.digest, batch.regions[contig])
        for batch in plan.batches
        if contig in batch.regions
    ]


def _regions_file(build: Path, contig: str, batch: str, regions: Sequence[tuple[int, int]]) -> Built:
    path = build / table_folder("callable", contig, batch) / "regions.parquet"
    return Built(path, "callable", write_table(path, regions_table(regions)), contig, batch)


def _paths(batch: str, files: list[Built]) -> tuple[Path, ...]:
    return tuple(built.source for built in files if built.batch == batch)


def _staged(plan: IngestPlan, contig: str, batch: str) -> Path:
    return plan.staging / Partition(contig, batch).folder


def _ploidies(plan: IngestPlan, contig: str, strata: Strata) -> Iterator[Ploidy]:
    """The ploidy of each batch's persons; by sex where the batch's files are silent on the contig."""
    assembly = ASSEMBLIES[plan.config.assembly]
    for batch, sexes in zip(plan.batches, strata.sexes, strict=True):
        if contig in batch.pieces:
            tally = read_parquet(_staged(plan, contig, batch.digest) / "ploidy.parquet")
            yield ploidy_of(assembly, contig, sexes, tally)
        else:
            yield ploidy_by_sexes(assembly, contig, sexes)


def _merge(
    plan: IngestPlan, build: Path, contig: str, strata: Strata, fills: list[Fill], calls: list[Built]
) -> tuple[Built, Built, tuple[int, int]]:
    """Write `variants` and `strata`; also the transitions and transversions among the sites."""
    assembly = ASSEMBLIES[plan.config.assembly]
    batches = [batch_strata(strata, number, fill) for number, fill in enumerate(fills)]
    of_batch = {built.batch: built.source for built in calls}
    parts = [
        (of_batch[batch.digest], _staged(plan, contig, batch.digest) / "sites.parquet")
        if contig in batch.pieces
        else None
        for batch in plan.batches
    ]
    paths = {name: build / table_folder(name, contig) / "table.parquet" for name in ("variants", "strata")}
    columns = variants_schema(added_columns(plan.annotations, plan.info_fields))
    transitions = transversions = 0
    with (
        TableWriter(paths["variants"], columns) as sites,
        TableWriter(paths["strata"], STRATA, STRATA_ROW_GROUP) as counted,
    ):
        for window in windows(parts, _window_height(plan, strata)):
            stretches = stretch_rows(assembly, contig, window.keys["pos"])
            counts, carriers = count_window(window, batches, stretches)
            rows = variants_table(contig, window, carriers, plan.annotations, plan.info_fields)
            sites.write(rows)
            counted.write(strata_table(window, strata, counts))
            found = count_substitutions(rows)
            transitions, transversions = transitions + found[0], transversions + found[1]
        variants = Built(paths["variants"], "variants", sites.finish(), contig)
        by_stratum = Built(paths["strata"], "strata", counted.finish(), contig)
    return variants, by_stratum, (transitions, transversions)


def _window_height(plan: IngestPlan, strata: Strata) -> int:
    """Rows to decode at a time, so that memory does not grow with the number of persons or strata."""
    persons = max(len(batch.persons) for batch in plan.batches)
    sites = max(ROW_GROUP, min(WINDOW_SITES, WINDOW_COUNTS // max(1, len(strata.names))))
    return max(64, min(sites, WINDOW_GENOTYPES // persons))


def _counts(
    contig: str, sites: int, substitutions: tuple[int, int], parts: Mapping[str, PartitionSummary]
) -> ContigCounts:
    quarantined: Counter[str] = Counter()
    for part in parts.values():
        quarantined.update(part.quarantined)
    return ContigCounts(
        contig=contig,
        records=sum(part.records for part in parts.values()),
        without_alt=sum(part.without_alt for part in parts.values()),
        sites=sites,
        genotypes=sum(part.sites * part.persons for part in parts.values()),
        not_called=sum(part.not_called for part in parts.values()),
        transitions=substitutions[0],
        transversions=substitutions[1],
        quarantined=dict(sorted(quarantined.items())),
    )
