"""What an ingest will do: everything is read and checked here that takes minutes and not hours.

`plan` reads the samples, scores and annotation wholly and every genotype file once, so that a mistake
shows before the first partition is converted. A partition is one contig of one batch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from goe_lake.catalog import CLINVAR, Catalog, Column, node_catalog
from goe_lake.config import AbsentSites, GenotypeDelivery, NodeConfig
from goe_lake.errors import InputError
from goe_lake.genome import ASSEMBLIES, CONTIG_ORDER, Sex, canonical_contig
from goe_lake.lake.annotation import Annotations, read_annotations
from goe_lake.lake.info import InfoField, InfoReader, check_choice, info_fields, info_reader
from goe_lake.lake.layout import STAGING, digest_of
from goe_lake.lake.manifest import Source
from goe_lake.lake.progress import OneAtATime, Progress
from goe_lake.lake.quarantine import Entry
from goe_lake.lake.regions import Regions, read_regions
from goe_lake.lake.samples import SampleTable, read_samples
from goe_lake.lake.scans import SCANS, scan_files
from goe_lake.lake.scores import ScoreTable, read_scores
from goe_lake.lake.withdrawn import read_withdrawn
from goe_lake.vcf.checks import (
    check_assembly,
    check_disjoint,
    check_has_known_contig,
    check_has_samples,
    check_same_or_other_samples,
)
from goe_lake.vcf.reader import Piece
from goe_lake.vcf.reference import read_reference
from goe_lake.vcf.scan import Scan

#: Names how genotypes are split, trimmed and encoded; a change gives batches other digests.
ENCODING: Final = "calls/2"
MIN_LABEL_PERSONS: Final = 10
#: From so many samples on, a delivery of which most are unknown is a mistake and no withdrawal.
LARGE_DELIVERY: Final = 10


@dataclass(frozen=True, order=True)
class Partition:
    """One contig of one batch; *batch* is the batch's digest."""

    contig: str
    batch: str

    @property
    def folder(self) -> str:
        """The partition's folder beneath staging."""
        return f"partitions/{self.batch}/{self.contig}"


@dataclass(frozen=True, eq=False)
class PlannedBatch:
    """One delivery: its persons in the order of their indexes, and the pieces of each contig.

    *files* are those that hold one of the persons, and *contents* digests for each contig all that
    decides what its files in the lake hold. *owners* names each person's file, the first where there are
    several; *sexes* are None where not known; *regions* are where every person was looked at, by contig.
    """

    digest: str
    files: tuple[Path, ...]
    persons: tuple[str, ...]
    sexes: tuple[Sex | None, ...]
    owners: Mapping[str, Path]
    contents: Mapping[str, str]
    absent_sites: AbsentSites
    fields: tuple[str, ...]
    pieces: Mapping[str, tuple[Piece, ...]]
    regions: Regions


@dataclass(frozen=True, eq=False)
class IngestPlan:
    """All inputs of a node, read and checked, and the partitions to convert.

    *names* are the input files as they are called relative to `node.toml`; *info* says what is read from
    INFO of each genotype file, *info_fields* which of it become columns of `variants`; *file_records*
    counts the records of each genotype file on contigs that the lake holds.
    """

    config: NodeConfig
    catalog: Catalog
    batches: tuple[PlannedBatch, ...]
    samples: SampleTable
    scores: ScoreTable
    annotations: Annotations
    sources: tuple[Source, ...]
    names: Mapping[Path, str]
    info: Mapping[Path, InfoReader]
    info_fields: tuple[InfoField, ...]
    file_records: Mapping[Path, int]
    quarantined: tuple[Entry, ...]
    warnings: tuple[str, ...]

    @property
    def staging(self) -> Path:
        """The folder for unfinished work."""
        return self.config.lake / STAGING

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """What to convert, by contig and then in the order of the deliveries."""
        found = [Partition(contig, batch.digest) for batch in self.batches for contig in batch.pieces]
        return tuple(sorted(found, key=lambda partition: CONTIG_ORDER[partition.contig]))

    def batch(self, digest: str) -> PlannedBatch:
        """The batch of that digest; KeyError where there is none."""
        return {batch.digest: batch for batch in self.batches}[digest]

    def partition(self, contig: str, batch: str) -> Partition:
        """The partition of a contig and a batch's digest; KeyError where nothing is to be converted."""
        return {(part.contig, part.batch): part for part in self.partitions}[contig, batch]


def plan(
    config: NodeConfig, *, min_label_persons: int = MIN_LABEL_PERSONS, progress: Progress | None = None
) -> IngestPlan:
    """Read and check every input of the node.

    Labels that `node.toml` does not declare are taken from the data where each is held by at least
    *min_label_persons* persons. Raises InputError or ConfigError; nothing but notes in staging is
    written.
    """
    names = _names(config)
    if config.reference is not None:
        read_reference(config.reference, ASSEMBLIES[config.assembly])
    withdrawn = read_withdrawn(config.withdrawn)
    samples = read_samples(config, names[config.samples], min_label_persons, withdrawn)
    check_choice(config.file, config.annotation)
    annotations = read_annotations(config)
    paths = tuple(dict.fromkeys(path for delivery in config.genotypes for path in delivery.files))
    scans = scan_files(paths, config.lake / STAGING / SCANS, OneAtATime(progress))
    warnings = [*samples.warnings, *annotations.warnings]
    for path, scan in scans.items():
        warnings += _check_file(config, path, scan)
    genotyped = {sample for scan in scans.values() for sample in scan.header.samples}
    staying = [str(sample) for sample in samples.table["sample_id"].to_pylist()]
    _check_known_samples(config, scans, {*samples.given, *withdrawn.ids})
    warnings += withdrawn.remarks(config.samples.name, samples.given, staying, genotyped)
    scores = read_scores(config, names, staying, {*samples.given, *withdrawn.ids, *genotyped})
    batches = tuple(_batches(config, scans, samples, warnings))
    _check_persons(batches)
    # a file of nobody who stays is not named any more: its very name may be a sample's
    read = {path for batch in batches for path in batch.files}
    scans = {path: scan for path, scan in scans.items() if path in read}
    warnings += _without_genotypes(batches, samples)
    fields = info_fields(config.annotation, {path: scan.header for path, scan in scans.items()})
    return IngestPlan(
        config=config,
        catalog=node_catalog(
            config.assembly, config.country, samples.columns, config.scores, _site_columns(config, fields)
        ),
        batches=batches,
        samples=samples,
        scores=scores,
        annotations=annotations,
        sources=tuple(_sources(config, names, scans)),
        names=names,
        info={path: info_reader(scan.header, fields) for path, scan in scans.items()},
        info_fields=fields,
        file_records={path: _held_records(scan) for path, scan in scans.items()},
        quarantined=tuple(_unheld(names, scans)),
        warnings=tuple(warnings),
    )


def _names(config: NodeConfig) -> dict[Path, str]:
    """Every input file as `node.toml` sees it; host paths stay out of the lake."""
    base = config.file.parent
    paths = (
        *(path for delivery in config.genotypes for path in delivery.files),
        *(delivery.callable for delivery in config.genotypes if delivery.callable is not None),
        config.samples,
        *config.score_files,
        *config.annotation.files.values(),
    )
    return {path: name_of(base, path) for path in paths}


def name_of(base: Path, path: Path) -> str:
    """The file at *path* as the folder *base* sees it."""
    return Path(os.path.relpath(path, base)).as_posix()


def _sources(config: NodeConfig, names: Mapping[Path, str], scans: Mapping[Path, Scan]) -> Iterator[Source]:
    for path, scan in scans.items():
        yield Source("genotypes", names[path], scan.bytes, scan.sha256)
    others = [
        *(
            ("genotypes.callable", delivery.callable)
            for delivery in config.genotypes
            if delivery.callable is not None and not scans.keys().isdisjoint(delivery.files)
        ),
        ("samples", config.samples),
        *(("scores", path) for path in config.score_files),
        *((f"annotation.{name}", path) for name, path in config.annotation.files.items()),
    ]
    for role, file in others:
        yield Source(role, names[file], file.stat().st_size, digest_of(file))


def _site_columns(config: NodeConfig, fields: tuple[InfoField, ...]) -> list[Column]:
    """The columns that this node adds to `variants`."""
    return [*([CLINVAR] if config.annotation.clinvar else []), *(field.column for field in fields)]


def _check_file(config: NodeConfig, path: Path, scan: Scan) -> list[str]:
    check_has_samples(path, scan.header)
    check_has_known_contig(path, scan)
    warnings = check_assembly(path, scan.header, config.assembly)
    if not scan.runs:
        warnings.append(f"{path.name}: holds no record")
    return warnings


def _batches(
    config: NodeConfig, scans: Mapping[Path, Scan], samples: SampleTable, warnings: list[str]
) -> Iterator[PlannedBatch]:
    """The deliveries that hold somebody who stays."""
    sex: dict[str, Sex | None] = dict(
        zip(*(samples.table[name].to_pylist() for name in ("sample_id", "sex")), strict=True)
    )
    for delivery in config.genotypes:
        regions: Regions = {}
        if delivery.callable is not None:
            regions, notes = read_regions(delivery.callable, config.assembly)
            warnings += notes
        batch = _batch(config, delivery, scans, sex, regions)
        if batch.persons:
            yield batch


def _batch(
    config: NodeConfig,
    delivery: GenotypeDelivery,
    scans: Mapping[Path, Scan],
    sex: Mapping[str, Sex | None],
    regions: Regions,
) -> PlannedBatch:
    """The persons of *delivery* who stay, i.e. those of whom *sex* knows, and where to read them."""
    pieces: dict[str, list[Piece]] = {}
    persons: list[str] = []
    owners: dict[str, Path] = {}
    files: list[Path] = []
    groups = 0
    for first, paths in _groups(delivery, scans).items():
        group = scans[first].header.samples
        kept = tuple(place for place, sample in enumerate(group) if sample in sex)
        if not kept:
            continue
        left = None if len(kept) == len(group) else kept
        for path in paths:
            for contig, piece in _pieces(path, scans[path], group, len(persons), delivery.min_block_gq):
                pieces.setdefault(contig, []).append(replace(piece, kept=left))
        staying = [group[place] for place in kept]
        persons += staying
        owners |= dict.fromkeys(staying, first)
        files += paths
        groups += 1
    sexes = tuple(sex[person] for person in persons)
    digest = _digest(config, delivery, persons)
    # at sites that a group's files lack, sexes decide what its persons are
    deciding = sexes if groups > 1 else ()
    return PlannedBatch(
        digest,
        tuple(files),
        tuple(persons),
        sexes,
        owners,
        {contig: _contents(digest, scans, deciding, found) for contig, found in pieces.items()},
        delivery.absent_sites,
        delivery.kept_fields,
        {contig: _by_place(pieces[contig]) for contig in sorted(pieces, key=CONTIG_ORDER.__getitem__)},
        regions,
    )


def _groups(delivery: GenotypeDelivery, scans: Mapping[Path, Scan]) -> dict[Path, list[Path]]:
    """The files of a delivery by their persons, under the first file of each group of persons."""
    groups: dict[frozenset[str], list[Path]] = {}
    for path in delivery.files:
        groups.setdefault(frozenset(scans[path].header.samples), []).append(path)
    owners: dict[str, Path] = {}
    for persons, (first, *_) in groups.items():
        check_same_or_other_samples(owners, first, persons)
        owners |= dict.fromkeys(persons, first)
    return {paths[0]: paths for paths in groups.values()}


def _by_place(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Pieces group by group, in the order of their first record: files cut by region need no sorting."""
    return tuple(sorted(pieces, key=lambda piece: (piece.first_person, piece.runs[0].first_pos)))


def _pieces(
    path: Path, scan: Scan, persons: tuple[str, ...], first_person: int, min_block_gq: int
) -> Iterator[tuple[str, Piece]]:
    """What each contig of a file holds; spellings of one contig are taken together."""
    columns = {sample: column for column, sample in enumerate(scan.header.samples)}
    order = tuple(columns[sample] for sample in persons)
    for contig in dict.fromkeys(canonical_contig(run.contig) for run in scan.runs):
        if contig is None:
            continue
        runs = tuple(run for run in scan.runs if canonical_contig(run.contig) == contig)
        yield (
            contig,
            Piece(
                path=path,
                container=scan.container,
                runs=runs,
                body=scan.runs[0].start,
                persons=len(persons),
                order=None if order == tuple(range(len(persons))) else order,
                format=scan.format,
                whole=len(runs) == len(scan.runs),
                bytes=scan.bytes,
                changed=scan.changed,
                first_person=first_person,
                min_block_gq=min_block_gq,
            ),
        )


def _digest(config: NodeConfig, delivery: GenotypeDelivery, persons: Sequence[str]) -> str:
    """What a batch is known by: its persons and how they are read, so that a file given again replaces."""
    content = {
        "encoding": ENCODING,
        "assembly": config.assembly,
        "absent_sites": delivery.absent_sites,
        "format_fields": sorted(delivery.format_fields),
        "callable": digest_of(delivery.callable) if delivery.callable else None,
        "min_block_gq": delivery.min_block_gq,
        "reference": _reference_digest(config),
        "persons": persons,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _contents(
    batch: str, scans: Mapping[Path, Scan], sexes: tuple[Sex | None, ...], pieces: list[Piece]
) -> str:
    """A digest of the batch and of the files that hold one of its contigs, in order.

    *sexes* are given where they decide what is filled in.
    """
    content = [batch, sexes, *(scans[piece.path].sha256 for piece in _by_place(pieces))]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _reference_digest(config: NodeConfig) -> str | None:
    """What tells one reference from another: the digest of its index, and its size."""
    if config.reference is None:
        return None
    index = config.reference.with_name(config.reference.name + ".fai")
    return f"{digest_of(index)} {config.reference.stat().st_size}"


def _check_persons(batches: Sequence[PlannedBatch]) -> None:
    owners: dict[str, Path] = {}
    for batch in batches:
        check_disjoint(owners, batch.owners)
        owners |= batch.owners


def _check_known_samples(config: NodeConfig, scans: Mapping[Path, Scan], known: set[str]) -> None:
    """Raise InputError where most samples of the node, or of a large delivery, are unknown.

    Their ids are spelt otherwise then; a few are persons who have withdrawn.
    """
    given = [
        {sample: path for path in delivery.files for sample in scans[path].header.samples}
        for delivery in config.genotypes
    ]
    unknown = [[sample for sample in samples if sample not in known] for samples in given]
    most = 2 * sum(map(len, unknown)) > sum(map(len, given))
    for samples, missing in zip(given, unknown, strict=True):
        if missing and (most or (len(samples) >= LARGE_DELIVERY and 2 * len(missing) > len(samples))):
            raise InputError(
                samples[missing[0]],
                f"{len(missing)} samples are not in {config.samples.name}: {', '.join(missing[:5])}",
                "add them to the samples table; if they have withdrawn, list them in the file that "
                "`withdrawn` of [samples] names",
            )


def _without_genotypes(batches: Sequence[PlannedBatch], samples: SampleTable) -> list[str]:
    genotyped = sum(len(batch.persons) for batch in batches)
    rest = len(samples.table) - genotyped
    return [f"{rest} samples of the samples table have no genotypes"] if rest and batches else []


def _held_records(scan: Scan) -> int:
    return sum(run.records for run in scan.runs if canonical_contig(run.contig) is not None)


def _unheld(names: Mapping[Path, str], scans: Mapping[Path, Scan]) -> Iterator[Entry]:
    """One entry for each contig of a file that the lake does not hold."""
    for path, scan in scans.items():
        counts: dict[str, int] = {}
        for run in scan.runs:
            if canonical_contig(run.contig) is None:
                counts[run.contig] = counts.get(run.contig, 0) + run.records
        for contig, count in counts.items():
            yield Entry(names[path], "contig_not_held", value=contig, count=count)
