"""Making files visible: data files under names made of their content, then the manifest, then CURRENT."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from goe_lake.lake.contig import Built
from goe_lake.lake.layout import CURRENT, QUARANTINE, SNAPSHOTS, data_path, digest_of
from goe_lake.lake.manifest import DataFile, Manifest
from goe_lake.lake.quarantine import Entry, write_entries

#: Files that wait for the disk at the same time.
SYNCED: Final = 8


class Disk:
    """Waits until files are on disk, many side by side, while other things are done."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(SYNCED)
        self._waiting: dict[Path, Future[None]] = {}

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def write_out(self, path: Path) -> None:
        """Begin to bring the file at *path* and its place in its folder to disk."""
        for item in (path, path.parent):
            # a folder that was being brought there may have changed since
            self._waiting[item] = self._pool.submit(sync, item)

    def wait(self) -> None:
        """Return when all of that is on disk; raises OSError where it cannot be."""
        while self._waiting:
            self._waiting.popitem()[1].result()


def install(lake: Path, built: Iterable[Built], disk: Disk) -> tuple[DataFile, ...]:
    """Put *built* files into *lake*; a file that an earlier snapshot lists is never changed.

    They need not be on *disk* yet: whoever publishes them waits for that.
    """
    files = tuple(_install(lake, item) for item in built)
    for file in files:
        disk.write_out(lake / file.path)
    return files


def _install(lake: Path, item: Built) -> DataFile:
    facts = item.written
    name = data_path(item.table, facts.sha256, item.contig, item.batch)
    target = lake / name
    if item.source != target:
        _move(item.source, target, facts.sha256)
    return DataFile(
        table=item.table,
        path=name,
        rows=facts.rows,
        bytes=facts.bytes,
        sha256=facts.sha256,
        contig=item.contig,
        batch=item.batch,
        min_pos=facts.min_pos,
        max_pos=facts.max_pos,
    )


def _move(source: Path, target: Path, sha256: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and digest_of(target) == sha256:
        source.unlink()
    else:
        source.replace(target)


def commit(lake: Path, manifest: Manifest, entries: Iterable[Entry]) -> None:
    """Write the quarantine and the manifest, then swap CURRENT: the only visible step."""
    (lake / QUARANTINE).mkdir(exist_ok=True)
    write_entries(lake / QUARANTINE / f"{manifest.snapshot_id}.parquet", entries)
    write_whole(lake / SNAPSHOTS / f"{manifest.snapshot_id}.json", manifest.to_json())
    write_whole(lake / CURRENT, manifest.snapshot_id + "\n")


def write_whole(path: Path, text: str, *, durable: bool = True) -> None:
    """Write *text* so that *path* has its old content or this, whatever happens.

    What is not *durable* may be neither after the power failed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    fresh.replace(path)
    if durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
