"""Old snapshots of a lake, and getting rid of them together with every file that only they name.

A snapshot that holds a person who has withdrawn is never kept. Tables of released numbers in
`frequencies/` are left alone: they hold no person.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from goe_lake.config import NodeConfig
from goe_lake.errors import LakeError
from goe_lake.lake.commit import sync
from goe_lake.lake.layout import QUARANTINE, SNAPSHOTS, STAGING
from goe_lake.lake.lock import only_publisher
from goe_lake.lake.reuse import NOTES, recalled_files
from goe_lake.lake.scans import SCANS, note_name
from goe_lake.lake.snapshot import SNAPSHOT_ID, Snapshot, current_id, open_snapshot
from goe_lake.lake.tables import column_of, read_text_table
from goe_lake.lake.withdrawn import read_withdrawn
from goe_lake.vcf.arrow import pc

#: Where published tables lie: files named by their content, maybe beneath a contig and a batch.
_DATA_FILE: Final = re.compile(r"[a-z_]+(/contig=[^/]+)?(/batch=[^/]+)?/[0-9a-f]{16}\.parquet")
KEPT_TABLES: Final = frozenset({"frequencies", "frequencies_unprotected"})
_NAMING_PERSONS: Final = ("samples", "persons", "scores")


@dataclass(frozen=True)
class Purged:
    """What a purge did: the ids of snapshots *kept* and *ended*, newest first, and what was removed.

    *holding* counts the ended snapshots that held a person who has withdrawn.
    """

    kept: tuple[str, ...]
    ended: tuple[str, ...]
    holding: int
    files: int
    bytes: int


def snapshot_ids(root: Path) -> tuple[str, ...]:
    """The ids of all snapshots of the lake at *root*: the published one, then the others, newest first."""
    files = [path for path in (root / SNAPSHOTS).glob("*.json") if SNAPSHOT_ID.fullmatch(path.stem)]
    published = current_id(root)
    # the manifest is the same on every machine and holds no time; its file's time is that of publishing
    files.sort(key=lambda path: (path.stem != published, -path.stat().st_mtime_ns, path.stem))
    return tuple(path.stem for path in files)


def staying_ids(config: NodeConfig) -> frozenset[str]:
    """The sample ids of `config` that have not withdrawn, as its files say now. Raises InputError."""
    table = read_withdrawn(config.withdrawn).leave_out(read_text_table(config.samples))
    return frozenset(str(sample) for sample in column_of(table, "sample_id").to_pylist())


def withdrawn_in(snapshot: Snapshot, staying: frozenset[str]) -> int:
    """How many samples the tables of *snapshot* name that are not among those *staying*."""
    named: set[str] = set()
    for table in _NAMING_PERSONS:
        for path in snapshot.files(table):
            column = pq.read_table(path, columns=["sample_id"], partitioning=None)["sample_id"]
            named.update(str(sample) for sample in pc.unique(column).to_pylist())
    return len(named - staying)


def purge(config: NodeConfig, *, keep: int = 1) -> Purged:
    """Keep the published snapshot and the *keep* - 1 newest others; remove the rest of the lake.

    Snapshots with a withdrawn person end whatever *keep* says. Killed half way, the next purge goes on.
    No ingest may run. Raises LakeError where nothing is published, or where the published snapshot
    itself holds a withdrawn person.
    """
    root = config.lake
    with only_publisher(root / STAGING):
        staying = staying_ids(config)
        current = open_snapshot(root)
        holding = withdrawn_in(current, staying)
        if holding:
            raise LakeError(
                root, f"the published snapshot holds {holding} withdrawn samples", "run: goe ingest NODE.toml"
            )
        ids = snapshot_ids(root)
        others = {snapshot_id: _readable(root, snapshot_id) for snapshot_id in ids[1:]}
        clean = {
            snapshot_id: snapshot
            for snapshot_id, snapshot in others.items()
            if snapshot is not None and not withdrawn_in(snapshot, staying)
        }
        kept = [current, *list(clean.values())[: keep - 1]]
        kept_ids = tuple(snapshot.snapshot_id for snapshot in kept)
        removed = [_remove(path) for path in _doomed(root, kept)]
        removed += [_remove(path) for path in _doomed_staging(config, current)]
        _remove_empty_folders(root)
    return Purged(
        kept_ids,
        tuple(snapshot_id for snapshot_id in ids if snapshot_id not in kept_ids),
        sum(snapshot is not None and name not in clean for name, snapshot in others.items()),
        sum(files for files, _ in removed),
        sum(size for _, size in removed),
    )


def _readable(root: Path, snapshot_id: str) -> Snapshot | None:
    """An older snapshot, None where its files are gone or of another version."""
    try:
        return open_snapshot(root, snapshot_id)
    except LakeError:
        return None


def _doomed(root: Path, kept: Sequence[Snapshot]) -> Iterator[Path]:
    """Manifests first, so that an id ends before its files do; then quarantine; then data files."""
    ids = {snapshot.snapshot_id for snapshot in kept}
    for folder in (SNAPSHOTS, QUARANTINE):
        yield from (path for path in sorted((root / folder).glob("*")) if path.name.split(".")[0] not in ids)
        if (root / folder).is_dir():
            sync(root / folder)
    yield from sorted(root.glob("CURRENT.*"))
    named = {file.path for snapshot in kept for file in snapshot.manifest.files}
    for path in sorted(root.rglob("*.parquet")):
        place = path.relative_to(root).as_posix()
        if _DATA_FILE.fullmatch(place) and place not in named and place.split("/")[0] not in KEPT_TABLES:
            yield path


def _doomed_staging(config: NodeConfig, current: Snapshot) -> Iterator[Path]:
    """Staged work of deliveries that are not published, half-made work, and notes about other files."""
    staging = config.lake / STAGING
    batches = {batch.digest for batch in current.batches}
    for folder in sorted((staging / "partitions").glob("*")):
        yield from [folder] if folder.name not in batches else sorted(folder.glob(".*"))
    yield staging / "build"
    named = {file.path for file in current.manifest.files}
    yield from (
        note for note in sorted((staging / NOTES).glob("*")) if not named.issuperset(recalled_files(note))
    )
    scans = {note_name(path) for delivery in config.genotypes for path in delivery.files}
    yield from (note for note in sorted((staging / SCANS).glob("*")) if note.name not in scans)


def _remove(path: Path) -> tuple[int, int]:
    """Remove a file or a folder; the number of files and their bytes."""
    files = [file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return len(files), size


def _remove_empty_folders(root: Path) -> None:
    """A folder's name tells the batch that it held."""
    folders: Iterable[Path] = (path for path in root.rglob("*=*") if path.is_dir())
    for folder in sorted(folders, key=lambda path: -len(path.parts)):
        with suppress(OSError):
            folder.rmdir()
