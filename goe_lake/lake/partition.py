"""One partition, i.e. one contig of one batch: from its VCF pieces to Parquet files in staging.

What cyvcf2 reads runs in a worker process, because a malformed file may end the process of htslib.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from goe_lake.errors import InputError
from goe_lake.genome import ASSEMBLIES, Assembly, Sex
from goe_lake.lake.callable import Fill, RangeSpool, Varying
from goe_lake.lake.groups import Groups, groups_of, merged
from goe_lake.lake.info import InfoReader
from goe_lake.lake.layout import calls_row_group
from goe_lake.lake.normalise import Misfit, normalised
from goe_lake.lake.ordering import Duplicate, follow_each_other, joined, sorted_on_disk, without_duplicates
from goe_lake.lake.parquet import TableWriter, Written, write_table
from goe_lake.lake.ploidy import TALLY, Tally, ploidy_of
from goe_lake.lake.quarantine import RAISE_LIMIT, Entry, write_entries
from goe_lake.vcf.arrow import Indexes
from goe_lake.vcf.blocks import joined_blocks
from goe_lake.vcf.chunk import Chunk, EncodedChunk
from goe_lake.vcf.encode import CALLS, SITE_COLUMNS, encode
from goe_lake.vcf.leaving import keep_persons
from goe_lake.vcf.memory import keep_freed_arrays
from goe_lake.vcf.odd import Apart, here
from goe_lake.vcf.reader import Piece, Wanted, read_piece
from goe_lake.vcf.reference import Sequence, read_reference

#: Rows of a few persons that are sorted at a time.
GROUP_ROWS: Final = 16_384
#: So many records without a genotype show that a file has none.
ENOUGH_RECORDS: Final = 1000
#: Alike things beyond so many are counted and no longer listed one by one.
MOST_DETAILED: Final = 10_000
SUMMARY: Final = "summary.json"
#: Called with the number of the piece at hand and the records read since the last call.
Report = Callable[[int, int], None]
#: As `read_piece`.
Read = Callable[[Piece, str, Assembly, Wanted, Path, Apart], Iterable[Chunk | EncodedChunk]]
#: The chunks of a piece, of whose INFO that is read.
Chunks = Callable[[Piece, InfoReader], Iterable[Chunk | EncodedChunk]]


@dataclass(frozen=True)
class Job:
    """What a worker needs to convert one partition.

    *reference* is a FASTA by which indels are left-aligned; *sexes* are those of the batch's persons by
    index, None where not known; *names* are the pieces' files as quarantine entries name them; *limits*
    how many records of each may be put aside; *code* identifies the program that converts and what it
    reads. *info* says for each piece what is read from INFO.
    """

    contig: str
    assembly: str
    sexes: tuple[Sex | None, ...]
    absent_sites: str
    reference: Path | None
    fields: tuple[str, ...]
    pieces: tuple[Piece, ...]
    names: tuple[str, ...]
    limits: tuple[int, ...]
    folder: Path
    code: str
    info: tuple[InfoReader, ...]

    @property
    def persons(self) -> int:
        """The persons of the batch."""
        return len(self.sexes)


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


def convert_job(job: Job, report: Report, apart: Apart = here) -> PartitionSummary:
    """Convert one partition; the same job gives the same files. *apart* calls what uses cyvcf2.

    All files are made beside the job's folder, under a name that no other process uses, and take its
    place at the end: a worker whose owner was killed cannot write into what another one makes. Raises
    InputError, and OSError where a disk fails.
    """
    work = job.folder.with_name(f".{job.folder.name}.{os.getpid()}")
    remove_left(job.folder)
    work.mkdir(parents=True)
    try:
        summary = convert_into(replace(job, folder=work), report, apart, read_piece)
        take_place(work, job.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return summary


def remove_left(folder: Path) -> None:
    """Remove the *folder* of a job, and what processes that were killed left beside it."""
    for left in (folder, *folder.parent.glob(f".{folder.name}.*")):
        shutil.rmtree(left, ignore_errors=True)


def take_place(work: Path, folder: Path) -> None:
    """Rename *work* to *folder*, where a worker whose owner was killed may just have finished the same."""
    while True:
        try:
            work.replace(folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(folder, ignore_errors=True)


def convert_into(job: Job, report: Report, apart: Apart, read: Read) -> PartitionSummary:
    """As `convert_job`, into the job's folder itself, which is there; *read* reads its pieces."""
    keep_freed_arrays()
    late: frozenset[int] = frozenset()
    while True:
        counts, ranges = _Counts(job), RangeSpool(job.folder, job.persons)
        varying = Varying(ranges, late)
        files, not_called = _write_files(job, counts, varying, report, apart, read)
        if not (missed := varying.missed()):
            break
        # some file has its first reference block far behind its first variant
        late |= missed
        shutil.rmtree(job.folder)
        job.folder.mkdir()
    write_entries(job.folder / "quarantine.parquet", counts.all_entries())
    summary = PartitionSummary(
        code=job.code,
        persons=job.persons,
        records=counts.records,
        sites=files["sites"].rows,
        without_alt=counts.without_alt,
        not_called=not_called,
        refused=dict(counts.refused),
        quarantined=counts.all_reasons(),
        values=dict(counts.values),
        outside=dict(counts.outside),
        files=files,
    )
    (job.folder / SUMMARY).write_text(summary.to_json())
    return summary


def _write_files(
    job: Job, counts: _Counts, varying: Varying, report: Report, apart: Apart, read: Read
) -> tuple[dict[str, Written], int]:
    """Write all tables of the partition; also the number of genotypes that are not called."""
    ranges, groups = varying.ranges, groups_of(job.pieces, job.persons)
    one_group = bool((groups.first == groups.first[0]).all() and (groups.persons == job.persons).all())
    tally = Tally(ASSEMBLIES[job.assembly], job.contig, job.persons)
    rows = _rows(job, counts, varying, report, _chunks(job, apart, read))
    write = _write_one_group if one_group else _write_groups
    files = write(job, rows, counts, ranges, groups, tally)
    files["ploidy"] = write_table(job.folder / "ploidy.parquet", tally.table(ranges.followed), TALLY)
    return files, tally.not_called


def _write_one_group(
    job: Job,
    rows: Iterator[pa.Table],
    counts: _Counts,
    ranges: RangeSpool,
    groups: Groups,
    tally: Tally,
) -> dict[str, Written]:
    """Write the rows of files that all hold the batch's persons."""
    # moving alleles left may carry them past any row before
    in_order = follow_each_other(job.pieces) and job.reference is None
    ordered = joined(rows) if in_order else sorted_on_disk(rows, job.folder)
    return _write(job, _once_each(job, ordered, counts, groups), tally, lambda: _ranges_file(job, ranges))


def _write_groups(
    job: Job,
    rows: Iterator[pa.Table],
    counts: _Counts,
    ranges: RangeSpool,
    groups: Groups,
    tally: Tally,
) -> dict[str, Written]:
    """Write the rows of files of several groups of persons as rows of the batch."""
    assembly = ASSEMBLIES[job.assembly]
    ordered = sorted_on_disk(_tallied(rows, groups, tally), job.folder, GROUP_ROWS)
    # sorting reads every piece, so that ploidy and ranges are known when the first site is merged
    first = next(ordered, None)
    files = _ranges_file(job, ranges)
    ploidy = ploidy_of(assembly, job.contig, job.sexes, tally.table(ranges.followed))
    fill = Fill(ploidy, job.absent_sites, tuple(job.folder / f"{name}.parquet" for name in files))
    rest = ordered if first is None else chain([first], ordered)
    once = _once_each(job, rest, counts, groups)
    whole = Tally(assembly, job.contig, job.persons)
    files |= _write(job, merged(once, groups, fill, assembly, job.contig), whole)
    tally.not_called = whole.not_called
    return files


def _sequence(job: Job) -> Sequence | None:
    """The contig in the reference, None where no reference is given."""
    if job.reference is None:
        return None
    found = read_reference(job.reference, ASSEMBLIES[job.assembly]).get(job.contig)
    if found is None:
        raise InputError(
            job.reference,
            f"has no {job.contig}",
            f"give the whole FASTA of {job.assembly}, or remove reference",
        )
    return found


def _ranges_file(job: Job, ranges: RangeSpool) -> dict[str, Written]:
    """Write the callable ranges, if there are any."""
    written = ranges.finish(job.folder / "callable.parquet", job.absent_sites)
    return {} if written is None else {"callable": written}


def _rows(job: Job, counts: _Counts, varying: Varying, report: Report, chunks: Chunks) -> Iterator[pa.Table]:
    """The rows of every piece, chunk by chunk, in the order of the files."""
    sequence = _sequence(job)
    for source, (piece, info) in enumerate(zip(job.pieces, job.info, strict=True)):
        report(source, 0)
        records = likelihoods = 0
        for chunk in chunks(piece, info):
            counts.add(source, chunk)
            # records, and not what is left of them without some persons
            records += (
                len(chunk.records)
                if isinstance(chunk, Chunk)
                else _different(chunk.table["record"].to_numpy())
            )
            if chunk.blocks:
                varying.ranges.add(joined_blocks(chunk.blocks), piece.first_person)
            if isinstance(chunk, Chunk) and chunk.lost:
                # else a gap in everybody's ranges would tell where those who left had their own variants
                lost = encode(replace(chunk, rows=chunk.lost, gq=None, dp=None), source)
                varying.add(lost.table, piece.first_person, piece.staying)
            if chunk.rows:
                encoded = encode(chunk, source)
                # whoever varies at a base of a gVCF was looked at there, and blocks leave that base out
                varying.add(encoded.table, piece.first_person, piece.staying)
                counts.values.update(encoded.values)
                counts.outside.update(encoded.outside)
                rows = _annotated(counts, source, info, chunk, encoded.table)
                if sequence is not None:
                    rows = normalised(rows, sequence, _misfit(counts, source, rows))
                if len(rows):
                    yield rows
            likelihoods += chunk.likelihoods_only
            if likelihoods == records >= ENOUGH_RECORDS:
                break
            report(source, chunk.seen)
        if likelihoods == records > 0:
            raise InputError(
                piece.path,
                f"its records on {job.contig} have likelihoods or probabilities and no genotypes (FORMAT/GT)",
                "call genotypes: bcftools +tag2tag FILE -- --GP-to-GT; from PL or GL, genotype the file anew",
            )
    varying.finish()


def _different(numbers: Indexes) -> int:
    """How many different *numbers* there are, which lie near each other."""
    return int(np.count_nonzero(np.bincount(numbers - numbers.min()))) if len(numbers) else 0


def _chunks(job: Job, apart: Apart, read: Read) -> Chunks:
    """What gives the chunks of a piece, without the persons who are left out."""

    def chunks(piece: Piece, info: InfoReader) -> Iterator[Chunk | EncodedChunk]:
        wanted = Wanted(job.fields, info.names)
        kept = None if piece.kept is None else np.array(piece.kept, np.int64)
        for chunk in read(piece, job.contig, ASSEMBLIES[job.assembly], wanted, job.folder / "piece", apart):
            if kept is None:
                yield chunk
            else:
                # whoever leaves persons out gets chunks that are not encoded: see `read_piece`
                assert isinstance(chunk, Chunk)
                yield keep_persons(chunk, kept)

    return chunks


def _annotated(
    counts: _Counts, source: int, info: InfoReader, chunk: Chunk | EncodedChunk, rows: pa.Table
) -> pa.Table:
    """*rows* of *chunk* with what INFO says; a value that cannot be read is missing, and put aside."""
    if not info.names:
        return rows
    # whoever wants INFO gets chunks that are not encoded: see `read_piece`
    assert isinstance(chunk, Chunk)
    noted, bad = info.annotate(chunk, rows)
    for place, name, text in bad:
        record = chunk.records[place]
        named = counts.job.pieces[source].name_record(record.number)
        counts.put_aside(source, named, record.pos, "info_not_readable", f"{name}={text}", records=0)
    return noted


def _misfit(counts: _Counts, source: int, rows: pa.Table) -> Misfit:
    """What puts aside a row of *rows*, which come from file *source*."""

    def note(row: int, bases: str) -> None:
        given = rows.select(["pos", "ref", "record"]).slice(row, 1).to_pylist()[0]
        record = counts.job.pieces[source].name_record(given["record"])
        value = f"{given['ref'][:40]} where the reference has {bases}"
        counts.put_aside(source, record, given["pos"], "ref_not_in_reference", value)

    return note


def _tallied(rows: Iterator[pa.Table], groups: Groups, tally: Tally) -> Iterator[pa.Table]:
    """The rows, each table counted for the persons of its file."""
    for table in rows:
        source = table["source"][0].as_py()
        tally.add(table, int(groups.first[source]), int(groups.persons[source]))
        yield table


def _once_each(job: Job, ordered: Iterator[pa.Table], counts: _Counts, groups: Groups) -> Iterator[pa.Table]:
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

    return without_duplicates(ordered, note, groups.first)


def _write(
    job: Job, tables: Iterator[pa.Table], tally: Tally, after: Callable[[], dict[str, Written]] = dict
) -> dict[str, Written]:
    """Write calls and sites, row by row alike, and count the ploidies.

    *after* writes what is known once all rows were read, while the last of them are encoded.
    """
    row_group = calls_row_group(job.persons, len(job.fields))
    with (
        TableWriter(job.folder / "calls.parquet", CALLS, row_group) as calls,
        TableWriter(job.folder / "sites.parquet", SITE_COLUMNS) as sites,
    ):
        for table in _gathered(tables, row_group):
            calls.write(table)
            sites.write(table)
            tally.add(table)
        for writer in (calls, sites):
            writer.encode_rest()
        return after() | {"calls": calls.finish(), "sites": sites.finish()}


def _gathered(tables: Iterator[pa.Table], height: int) -> Iterator[pa.Table]:
    """The rows of *tables* in tables of *height* rows in one piece, the last one shorter.

    A table costs as much as some thousand rows.
    """
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += len(table)
        while rows >= height:
            over = rows - height
            last = held.pop()
            yield pa.concat_tables([*held, last.slice(0, len(last) - over)]).combine_chunks()
            held, rows = [last.slice(len(last) - over)], over
    if rows:
        yield pa.concat_tables(held).combine_chunks()
