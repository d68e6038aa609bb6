"""The snapshots of a lake as its keeper sees them: what they hold, and whether they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from goe_lake.config import NodeConfig
from goe_lake.errors import LakeError
from goe_lake.lake.layout import SNAPSHOTS
from goe_lake.lake.manifest import Manifest
from goe_lake.lake.purge import snapshot_ids, staying_ids, withdrawn_in
from goe_lake.lake.snapshot import open_snapshot


@dataclass(frozen=True)
class SnapshotFacts:
    """One snapshot: *written* is when its manifest was (ISO 8601, UTC), *withdrawn* its samples who left.

    *problem* says why it cannot be read; its numbers are None then.
    """

    snapshot_id: str
    published: bool
    written: str
    persons: int | None = None
    samples: int | None = None
    sites: int | None = None
    files: int | None = None
    bytes: int | None = None
    withdrawn: int | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Verified:
    """A snapshot whose every file has the digest that its manifest states."""

    snapshot_id: str
    files: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """The facts as plain JSON values."""
        return asdict(self)


def snapshots_of(config: NodeConfig) -> tuple[SnapshotFacts, ...]:
    """The snapshots of the lake of *config*, the published one first, then the newest.

    Raises LakeError where there is none.
    """
    ids = snapshot_ids(config.lake)
    if not ids:
        open_snapshot(config.lake)
    staying = staying_ids(config)
    return tuple(
        _facts(config, snapshot_id, staying, published=place == 0) for place, snapshot_id in enumerate(ids)
    )


def _facts(
    config: NodeConfig, snapshot_id: str, staying: frozenset[str], *, published: bool
) -> SnapshotFacts:
    path = config.lake / SNAPSHOTS / f"{snapshot_id}.json"
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    try:
        snapshot = open_snapshot(config.lake, snapshot_id)
    except LakeError as error:
        return SnapshotFacts(snapshot_id, published, written, problem=error.problem)
    manifest: Manifest = snapshot.manifest
    return SnapshotFacts(
        snapshot_id, published, written,
        persons=manifest.persons,
        samples=manifest.samples,
        sites=sum(counts.sites for counts in manifest.contigs),
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        withdrawn=withdrawn_in(snapshot, staying),
    )  # fmt: skip


def verify(config: NodeConfig, *, every: bool = False) -> Iterator[Verified]:
    """Verify the published snapshot of the lake of *config*, or *every* one.

    Raises LakeError about the first file that is absent or differs.
    """
    published = open_snapshot(config.lake)
    for snapshot_id in snapshot_ids(config.lake) if every else (published.snapshot_id,):
        snapshot = open_snapshot(config.lake, snapshot_id)
        snapshot.verify()
        files = snapshot.manifest.files
        yield Verified(snapshot_id, len(files), sum(file.bytes for file in files))
