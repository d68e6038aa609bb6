"""Partitions that are converted while their files are scanned, before anybody has asked for them.

What a file holds is known to be well-formed only at its end, and what the node wants of it only when all
else was read. So what is made here is taken over by `convert` where it is just what is asked for, and
removed otherwise; it lies in a folder of its own in staging until then.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

from goe_lake.config import GenotypeDelivery, NodeConfig
from goe_lake.genome import Assembly
from goe_lake.lake.info import info_reader
from goe_lake.lake.layout import PUBLISHED, STAGING
from goe_lake.lake.partition import SUMMARY, Job, PartitionSummary, convert_into, remove_left, take_place
from goe_lake.lake.plan import name_of
from goe_lake.lake.worker import call_in_worker
from goe_lake.vcf.ahead import Stream, let_ask, stop, stream_of, streams
from goe_lake.vcf.chunk import EncodedChunk
from goe_lake.vcf.odd import Apart
from goe_lake.vcf.reader import Piece, Wanted

#: Begins the names of folders in staging; the process follows.
_FOLDER: Final = "begun-"


@dataclass(frozen=True)
class _Begun:
    """What converts, for which node, and where to."""

    config: NodeConfig
    folder: Path
    thread: ThreadPoolExecutor


_current: list[_Begun] = []


@contextmanager
def begun(config: NodeConfig) -> Iterator[None]:
    """Convert what `ahead` streams, as `begin` does or has done, for `begun_conversion` to take over."""
    if not is_begun(config):
        begin(config)
    try:
        yield
    finally:
        end()


def is_begun(config: NodeConfig) -> bool:
    """Whether `begin` was called for *config*, and `end` not yet."""
    return [current.config for current in _current] == [config]


def begin(config: NodeConfig) -> None:
    """Begin to convert, in a thread, what `ahead` streams of the files of *config*."""
    folder = config.lake / STAGING / f"{_FOLDER}{os.getpid()}"
    current = _Begun(config, folder, ThreadPoolExecutor(1))
    _current.append(current)
    numbers = count()

    def asking() -> tuple[Path, Apart]:
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"filter-{next(numbers)}", call_in_worker

    let_ask(asking)
    current.thread.submit(_convert_all, config, folder)


def end() -> None:
    """End what goes on, and remove what nobody took."""
    while _current:
        stop()
        current = _current.pop()
        current.thread.shutdown()
        shutil.rmtree(current.folder, ignore_errors=True)
        # a lake of which nothing was made is no lake: only empty folders can be removed so
        with suppress(OSError):
            current.folder.parent.rmdir()
            current.config.lake.rmdir()


def remove_begun(staging: Path) -> None:
    """Remove what processes that were killed had begun."""
    mine = [current.folder for current in _current]
    for left in staging.glob(f"{_FOLDER}*"):
        process = left.name.removeprefix(_FOLDER)
        if left not in mine and not (process.isdecimal() and _runs_beside(int(process))):
            shutil.rmtree(left, ignore_errors=True)


def _runs_beside(process: int) -> bool:
    """Whether another process has that number; in a container one that was killed may have had this one's."""
    with suppress(PermissionError):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return process != os.getpid()


def begun_conversion(job: Job) -> PartitionSummary | None:
    """Take over what was begun of *job*, once it is done; None where nothing was, or something else."""
    stream = stream_of(job.pieces[0].path, job.contig)
    if stream is None:
        return None
    if stream.outcome.exception() is not None:
        # whoever does it again meets the same, and says so
        return None
    made: tuple[Job, PartitionSummary] = stream.outcome.result()
    guess, summary = made
    if not _is(guess, job) or stream.records != job.pieces[0].records:
        return None
    if summary.refused.get(job.names[0], 0) > job.limits[0]:
        return None
    summary = replace(summary, code=job.code)
    (guess.folder / SUMMARY).write_text(summary.to_json())
    remove_left(job.folder)
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    take_place(guess.folder, job.folder)
    return summary


def _is(guess: Job, job: Job) -> bool:
    """Whether *guess* makes the files of *job*, if it reads all of its only piece."""
    if len(job.pieces) > 1 or len(job.sexes) != len(guess.sexes) or not job.pieces[0].ordered:
        return False
    expected, piece = guess.pieces[0], job.pieces[0]
    # nothing that is written depends on these
    piece = replace(piece, runs=expected.runs, body=expected.body, whole=expected.whole)
    same = replace(job, sexes=guess.sexes, limits=guess.limits, code=guess.code, folder=guess.folder)
    return replace(same, pieces=(piece,)) == guess


def _convert_all(config: NodeConfig, folder: Path) -> None:
    deliveries = {path: delivery for delivery in config.genotypes for path in delivery.files}
    with ThreadPoolExecutor(len(PUBLISHED)) as disk:
        for number, stream in enumerate(streams()):
            delivery, target = deliveries[stream.source.path], folder / str(number)
            try:
                made = _convert(config, delivery, stream, target)
                # publishing waits for the disk, and less if that began before
                for handle in _opened(target):
                    disk.submit(_write_out, handle)
                stream.outcome.set_result(made)
            except BaseException as error:  # noqa: BLE001  whoever asks for the same meets it again
                stream.outcome.set_exception(error)
            finally:
                stream.close()


def _opened(folder: Path) -> Iterator[int]:
    """The files in *folder* that are to be published: they may be moved at any time."""
    for name in PUBLISHED:
        with suppress(FileNotFoundError):
            yield os.open(folder / f"{name}.parquet", os.O_RDONLY)


def _write_out(handle: int) -> None:
    """Bring a file to disk; whoever publishes it does so again, and says what is wrong."""
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _convert(
    config: NodeConfig, delivery: GenotypeDelivery, stream: Stream, folder: Path
) -> tuple[Job, PartitionSummary]:
    """Convert what *stream* gives into *folder*, as it will be asked for if all goes well."""
    found, path = stream.found, stream.source.path
    persons = len(found.header.samples)
    piece = Piece(
        path=path,
        container=found.container,
        runs=(),
        body=stream.body,
        persons=persons,
        order=None,
        format=found.format,
        whole=True,
        bytes=found.bytes,
        changed=found.changed,
        min_block_gq=delivery.min_block_gq,
    )
    job = Job(
        contig=stream.contig,
        assembly=config.assembly,
        sexes=(None,) * persons,
        absent_sites=delivery.absent_sites,
        reference=None,
        fields=delivery.kept_fields,
        pieces=(piece,),
        names=(name_of(config.file.parent, path),),
        limits=(sys.maxsize,),
        folder=folder,
        code="",
        info=(info_reader(found.header, ()),),
    )

    def read(
        piece: Piece, contig: str, _assembly: Assembly, _wanted: Wanted, scratch: Path, apart: Apart
    ) -> Iterator[EncodedChunk]:
        from goe_lake.vcf.fast import read_decoded

        return read_decoded(piece, contig, stream.source, scratch, apart, stream.units())

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return job, convert_into(job, lambda _source, _done: None, call_in_worker, read)
