"""A published snapshot of a lake: the only way in which a reader finds its files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from goe_lake.catalog import Catalog
from goe_lake.errors import LakeError
from goe_lake.genome import CONTIG_ORDER
from goe_lake.lake.layout import CURRENT, SNAPSHOTS, digest_of
from goe_lake.lake.manifest import Batch, Manifest

SNAPSHOT_ID: Final = re.compile(r"[0-9a-f]{64}")
INGEST_AGAIN: Final = "ingest the node again: goe ingest NODE.toml"


@dataclass(frozen=True)
class Snapshot:
    """One immutable published state of the lake at *root*."""

    root: Path
    manifest: Manifest

    @property
    def snapshot_id(self) -> str:
        """The digest of the manifest's content."""
        return self.manifest.snapshot_id

    @property
    def catalog(self) -> Catalog:
        """The node's public catalogue at this snapshot."""
        return self.manifest.catalog

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The deliveries of genotypes, in the order of `node.toml`."""
        return self.manifest.batches

    @cached_property
    def contigs(self) -> tuple[str, ...]:
        """The contigs on which this lake has sites, chr1 first."""
        named = {file.contig for file in self.manifest.files if file.table == "variants" and file.contig}
        return tuple(sorted(named, key=CONTIG_ORDER.__getitem__))

    def files(self, table: str, contig: str | None = None, batch: str | None = None) -> tuple[Path, ...]:
        """The files of *table*, of one contig or one batch (its digest) where these are given.

        Empty where the snapshot has none, e.g. a batch whose files are silent on a contig.
        """
        return tuple(
            self.root / file.path
            for file in self.manifest.files
            if file.table == table
            and (contig is None or file.contig == contig)
            and (batch is None or file.batch == batch)
        )

    def verify(self) -> None:
        """Read every file and compare its SHA-256; raises LakeError about the first that differs."""
        for file in self.manifest.files:
            if digest_of(self.root / file.path) != file.sha256:
                raise LakeError(
                    self.root / file.path, "its content is not what the manifest says", INGEST_AGAIN
                )


def open_snapshot(root: Path, snapshot_id: str | None = None) -> Snapshot:
    """The published snapshot of the lake at *root*, or an older one by its id.

    Raises LakeError where there is none, or where a file that its manifest lists is absent or has
    another size.
    """
    root = Path(root).resolve()
    wanted = snapshot_id if snapshot_id is not None else _current(root)
    path = root / SNAPSHOTS / f"{wanted}.json"
    # an id comes from outside in some calls, and must not become a path
    if not SNAPSHOT_ID.fullmatch(wanted) or not path.is_file():
        raise LakeError(
            root, f"there is no snapshot {wanted!r}", "name one of the files in snapshots/, or ingest"
        )
    snapshot = Snapshot(root, _read_manifest(path, wanted))
    _check_sizes(snapshot)
    return snapshot


def current_id(root: Path) -> str | None:
    """The id of the published snapshot of the lake at *root*, None where nothing is published."""
    pointer = root / CURRENT
    return pointer.read_text(encoding="ascii").strip() if pointer.is_file() else None


def _current(root: Path) -> str:
    found = current_id(root)
    if found is None:
        raise LakeError(root, "is not a lake yet: nothing is published here", "run: goe ingest NODE.toml")
    return found


def _read_manifest(path: Path, wanted: str) -> Manifest:
    try:
        manifest = Manifest.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeError(path, f"is not a manifest that this version reads: {error}", INGEST_AGAIN) from None
    if manifest.snapshot_id != wanted:
        raise LakeError(path, "holds another snapshot than its name says", INGEST_AGAIN)
    return manifest


def _check_sizes(snapshot: Snapshot) -> None:
    for file in snapshot.manifest.files:
        path = snapshot.root / file.path
        if not path.is_file():
            raise LakeError(path, "the manifest lists this file and it is absent", INGEST_AGAIN)
        if path.stat().st_size != file.bytes:
            raise LakeError(
                path, f"has {path.stat().st_size} bytes, the manifest says {file.bytes}", INGEST_AGAIN
            )
