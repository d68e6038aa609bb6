"""One partition, i.e. one contig of one batch: from its VCF pieces to Parquet files in staging.

Runs in a worker process, because a malformed file may end the decoder's process.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from goe_lake.errors import InputError
from goe_lake.genome import ASSEMBLIES
from goe_lake.lake.info import InfoReader
from goe_lake.lake.layout import calls_row_group
from goe_lake.lake.ordering import Duplicate, follow_each_other, joined, sorted_on_disk, without_duplicates
from goe_lake.lake.parquet import TableWriter, Written, write_table
from goe_lake.lake.ploidy import TALLY, Tally
from goe_lake.lake.quarantine import RAISE_LIMIT, Entry, write_entries
from goe_lake.vcf.chunk import Chunk, EncodedChunk
from goe_lake.vcf.encode import CALLS, SITES, encode
from goe_lake.vcf.leaving import keep_persons
from goe_lake.vcf.reader import Piece, Wanted, read_piece

#: Alike things beyond so many are counted and no longer listed one by one.
MOST_DETAILED: Final = 10_000
SUMMARY: Final = "summary.json"
#: Called with the number of the piece at hand and the records read since the last call.
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """What a worker needs to convert one partition.

    *names* are the pieces' files as quarantine entries name them; *limits* how many records of each
    may be put aside; *code* identifies the program that converts and what it reads. *info* says
    for each piece what is read from INFO.
    """

    contig: str
    assembly: str
    persons: int
    fields: tuple[str, ...]
    pieces: tuple[Piece, ...]
    names: tuple[str, ...]
    limits: tuple[int, ...]
    folder: Path
    code: str
    info: tuple[InfoReader, ...]


@dataclass(frozen=True)
class PartitionSummary:
    """What became of one partition.

    *records* were read and made *sites* rows; *without_alt* records had no alternate allele;
    *refused* counts put-aside records by file; *values* and *outside* count gq and dp values, and
    those out of bounds; *not_called* counts genotypes; *files* are those in staging.
    """

    code: str
    persons: int
    records: int
    sites: int
    without_alt: int
    not_called: int
    refused: Mapping[str, int]
    quarantined: Mapping[str, int]
    values: Mapping[str, int]
    outside: Mapping[str, int]
    files: Mapping[str, Written]

    def to_json(self) -> str:
        """The summary as JSON text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> PartitionSummary:
        """The summary that `to_json` wrote; ValueError, KeyError or TypeError where it is none."""
        data = json.loads(text)
        return cls(**{**data, "files": {name: Written(**facts) for name, facts in data["files"].items()}})


@dataclass
class _Counts:
    """Running counts of one conversion, and what was put aside."""

    job: Job
    records: int = 0
    without_alt: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)

    def add(self, source: int, chunk: Chunk | EncodedChunk) -> None:
        """Count what *chunk* read and put aside."""
        self.records += chunk.seen
        self.without_alt += chunk.without_alt
        last = ""
        for item in chunk.quarantined:
            # several alleles of one record count as one record
            self.put_aside(
                source, item.record, item.pos, item.reason, item.value, records=int(item.record != last)
            )
            last = item.record

    def put_aside(
        self, source: int, record: str, pos: int, reason: str, value: str, *, records: int = 1
    ) -> None:
        """Note something refused; raises InputError once too many records of its file were."""
        job, name = self.job, self.job.names[source]
        self.reasons[reason] += 1
        self.refused[name] += records
        if self.reasons[reason] <= MOST_DETAILED:
            self.entries.append(Entry(name, reason, record, job.contig, pos, None, value))
        if self.refused[name] > job.limits[source]:
            raise InputError(
                job.pieces[source].path,
                f"more than {job.limits[source]} records cannot be used, "
                f"the last because of {reason} ({job.contig}:{pos} {value})",
                f"mend the file, or {RAISE_LIMIT}",
                record,
            )

    def all_reasons(self) -> dict[str, int]:
        """How many things were put aside for each reason."""
        bounds = {f"{name}_out_of_bounds": count for name, count in self.outside.items() if count}
        return dict(self.reasons) | bounds

    def all_entries(self) -> list[Entry]:
        """What was put aside; what is no longer listed one by one follows as one entry a reason."""
        listed = Counter(entry.reason for entry in self.entries)
        rest = [
            Entry(self.job.names[0], reason, contig=self.job.contig, count=count - listed[reason])
            for reason, count in sorted(self.all_reasons().items())
            if count > listed[reason]
        ]
        return [*self.entries, *rest]


def convert_job(job: Job, report: Report) -> PartitionSummary:
    """Convert one partition; the same job gives the same files.

    All files are made beside the job's folder, under a name that no other process uses, and take its
    place at the end: a worker whose owner was killed cannot write into what another one makes. Raises
    InputError.
    """
    work = job.folder.with_name(f".{job.folder.name}.{os.getpid()}")
    for left in (job.folder, *job.folder.parent.glob(f".{job.folder.name}.*")):
        shutil.rmtree(left, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        summary = _convert(replace(job, folder=work), report)
        _take_place(work, job.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return summary


def _take_place(work: Path, folder: Path) -> None:
    """Rename *work* to *folder*, where a worker whose owner was killed may just have finished the same."""
    while True:
        try:
            work.replace(folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(folder, ignore_errors=True)


def _convert(job: Job, report: Report) -> PartitionSummary:
    counts = _Counts(job)
    rows = _rows(job, counts, report)
    ordered = joined(rows) if follow_each_other(job.pieces) else sorted_on_disk(rows, job.folder)
    tally = Tally(ASSEMBLIES[job.assembly], job.contig, job.persons)
    files = _write(job, _once_each(job, ordered, counts), tally)
    files["ploidy"] = write_table(job.folder / "ploidy.parquet", tally.table(), TALLY)
    write_entries(job.folder / "quarantine.parquet", counts.all_entries())
    summary = PartitionSummary(
        code=job.code,
        persons=job.persons,
        records=counts.records,
        sites=files["sites"].rows,
        without_alt=counts.without_alt,
        not_called=tally.not_called,
        refused=dict(counts.refused),
        quarantined=counts.all_reasons(),
        values=dict(counts.values),
        outside=dict(counts.outside),
        files=files,
    )
    (job.folder / SUMMARY).write_text(summary.to_json())
    return summary


def _rows(job: Job, counts: _Counts, report: Report) -> Iterator[pa.Table]:
    """The rows of every piece, chunk by chunk, in the order of the files."""
    for source, (piece, info) in enumerate(zip(job.pieces, job.info, strict=True)):
        report(source, 0)
        wanted = Wanted(job.fields, info.names)
        scratch = job.folder / "piece"
        for read in read_piece(piece, job.contig, ASSEMBLIES[job.assembly], wanted, scratch):
            chunk = read
            if isinstance(read, Chunk) and piece.kept is not None:
                chunk = keep_persons(read, np.array(piece.kept, np.int64))
            counts.add(source, chunk)
            if chunk.rows:
                encoded = encode(chunk, source)
                counts.values.update(encoded.values)
                counts.outside.update(encoded.outside)
                yield _annotated(counts, source, info, chunk, encoded.table)
            report(source, chunk.seen)


def _annotated(
    counts: _Counts, source: int, info: InfoReader, chunk: Chunk | EncodedChunk, rows: pa.Table
) -> pa.Table:
    """*rows* of *chunk* with what INFO says; a value that cannot be read is missing, and put aside."""
    if not info.names:
        return rows
    # whoever wants INFO, or leaves persons out, gets chunks that are not encoded: see `read_piece`
    assert isinstance(chunk, Chunk)
    noted, bad = info.annotate(chunk, rows)
    for place, name, text in bad:
        record = chunk.records[place]
        named = counts.job.pieces[source].name_record(record.number)
        counts.put_aside(source, named, record.pos, "info_not_readable", f"{name}={text}", records=0)
    return noted


def _once_each(job: Job, ordered: Iterator[pa.Table], counts: _Counts) -> Iterator[pa.Table]:
    """The rows without repeated sites; twins are put aside, or refused where they differ."""

    def note(twin: Duplicate) -> None:
        record = job.pieces[twin.source].name_record(twin.record)
        if twin.same:
            counts.put_aside(twin.source, record, twin.pos, "duplicate", f"{twin.ref} {twin.alt}")
            return
        first = job.pieces[twin.first_source]
        raise InputError(
            job.pieces[twin.source].path,
            f"gives other genotypes for {job.contig}:{twin.pos} {twin.ref} {twin.alt} than "
            f"{first.name_record(twin.first_record)} of {first.path.name}",
            "keep one of the two records",
            record,
        )

    return without_duplicates(ordered, note)


def _write(job: Job, tables: Iterator[pa.Table], tally: Tally) -> dict[str, Written]:
    """Write calls and sites, row by row alike, and count the ploidies."""
    row_group = calls_row_group(job.persons, len(job.fields))
    with (
        TableWriter(job.folder / "calls.parquet", CALLS, row_group) as calls,
        TableWriter(job.folder / "sites.parquet", SITES) as sites,
    ):
        for table in tables:
            if len(table):
                calls.write(table)
                sites.write(table)
                tally.add(table)
        return {"calls": calls.finish(), "sites": sites.finish()}
