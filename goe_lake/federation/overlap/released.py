"""Released tables of frequencies as earlier numbers for everyone: written down once, contig by contig."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from goe_lake.engine.frequency_store import NodeRelease
from goe_lake.engine.released import ReleasedTable
from goe_lake.errors import LakeError
from goe_lake.federation.ledger import Kind, Ledger, Record
from goe_lake.federation.overlap.audit import EVERYONE
from goe_lake.federation.overlap.store import OverlapStore
from goe_lake.lake import open_snapshot


def hold_to(ledger: Ledger, store: OverlapStore, releases: Iterable[NodeRelease], root: Path) -> None:
    """Let every answer be held to *releases* of the lake at *root*, the earliest first.

    Each contig is a transaction of its own, so that nobody waits for all. Where the snapshot of a
    release is gone, nobody knows who is behind its rows: the log says so, and it is tried again when
    the node is started.
    """
    for release in releases:
        with ledger.transaction() as transaction:
            store.begin(transaction.connection)
            kept = store.kept_releases(transaction.connection)
        waiting = [
            files.contig for files in release.files if not kept.get((release.release_id, files.contig))
        ]
        try:
            table = ReleasedTable(release, open_snapshot(root, release.snapshot_id)) if waiting else None
        except LakeError:
            _note_gone(
                ledger, store, release, [one for one in waiting if (release.release_id, one) not in kept]
            )
            table = None
        if table is not None:
            _keep(ledger, store, table, waiting)
        store.releases.add(release.number)


def _keep(ledger: Ledger, store: OverlapStore, table: ReleasedTable, contigs: list[str]) -> None:
    release_id = table.release.release_id
    with ledger.transaction() as transaction:
        numbers = store.numbers(transaction.connection, table.person_ids)
    said: set[str] = set()
    for contig in contigs:
        counts, at_sites = table.told(contig, numbers)
        # the groups of most contigs are the same
        counts = [one for one in counts if one.text not in said]
        said.update(one.text for one in counts)
        with ledger.transaction() as transaction:
            # another process may have been first
            if not store.kept_releases(transaction.connection).get((release_id, contig)):
                store.record(transaction.connection, EVERYONE, "", counts, at_sites)
                store.note_release(transaction.connection, release_id, contig, is_kept=True)


def _note_gone(ledger: Ledger, store: OverlapStore, release: NodeRelease, contigs: list[str]) -> None:
    if not contigs:
        return
    body = {
        "number": release.number,
        "release_id": release.release_id,
        "snapshot_id": release.snapshot_id,
        "is_compared": False,
        "reason": "its snapshot is gone: answers are not held to the rows that this release computed",
    }
    with ledger.transaction() as transaction:
        for contig in contigs:
            store.note_release(transaction.connection, release.release_id, contig, is_kept=False)
        transaction.record(Record(Kind.FREQUENCIES, body=body))
