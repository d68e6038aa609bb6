"""Looking at a whole ledger, and what a data protection officer does about one that is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from goe_lake.errors import LedgerError
from goe_lake.federation.ledger.entries import Entry, Fault, Kind, faults_of
from goe_lake.federation.ledger.mark import Mark, read_mark, write_mark
from goe_lake.federation.ledger.store import (
    FILE,
    Record,
    Transaction,
    begin,
    connect,
    identity,
    newest,
    read_entries,
    telling,
)

SIDES = ("", "-wal", "-shm")


def verify(folder: Path, lake: Path) -> tuple[int, list[Fault]]:
    """How many entries the ledger in *folder* has, and all that is wrong with it.

    Compared are every digest, the chain from the first entry to the newest, what SQLite knows of its
    own file, and the entry that *lake* remembers. Raises LedgerError where there is no ledger to look at.
    """
    path = folder / FILE
    if not path.exists():
        raise LedgerError(path, "there is no ledger", "goe audit restore, or goe audit begin")
    with telling(path), closing(connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'log'").fetchone():
            return 0, [Fault(0, "the ledger is empty")]
        faults = [*_faults_of_file(connection), *faults_of(read_entries(connection, "TRUE ORDER BY seq"))]
        head = newest(connection)
        if head is None:
            return 0, [*faults, Fault(0, "the log is empty")]
        ledger_id, _ = identity(connection, path)
        return head.seq, [*faults, *_faults_of_mark(connection, ledger_id, read_mark(lake), head)]


def _faults_of_file(connection: sqlite3.Connection) -> Iterator[Fault]:
    for (told,) in connection.execute("PRAGMA quick_check(5)"):
        if told != "ok":
            yield Fault(0, "SQLite finds the file damaged")


def _faults_of_mark(
    connection: sqlite3.Connection, ledger_id: str, mark: Mark | None, head: Entry
) -> Iterator[Fault]:
    if mark is None:
        yield Fault(head.seq, "the lake knows of no ledger")
    elif mark.ledger_id != ledger_id:
        yield Fault(head.seq, "the lake knows of another ledger")
    elif mark.seq > head.seq:
        yield Fault(head.seq, f"the lake knows of {mark.seq} entries: the newest are cut off")
    else:
        known = next(read_entries(connection, "seq = ?", (mark.seq,)), None)
        if known is None or known.digest != mark.digest:
            yield Fault(mark.seq, "the lake knows of another entry here")


def restore(folder: Path, lake: Path, backup: Path, officer: str, reason: str) -> tuple[Entry, int]:
    """Put the ledger in the file *backup* in the place of the one in *folder*, which is kept beside it.

    Returns the entry that says so, and how many entries that the lake knows of are not in the backup.
    Raises LedgerError where the backup is no whole ledger, or of another ledger than the lake knows of.
    """
    faults = _backup_faults(backup)
    if faults:
        raise LedgerError(backup, f"is no whole ledger: {faults[0]}", "use another backup")
    mark, path = _readable_mark(lake), folder / FILE
    with telling(backup), closing(connect(backup)) as connection:
        ledger_id, _ = identity(connection, backup)
        if mark is not None and mark.ledger_id != ledger_id:
            raise LedgerError(backup, "is of another ledger than the lake knows of", "use its own backup")
    set_aside(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    incoming = path.with_suffix(".incoming")
    shutil.copyfile(backup, incoming)
    incoming.replace(path)
    with telling(path), closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection, datetime.now(UTC))
        assert transaction.head is not None
        missing = max((mark.seq if mark else 0) - transaction.head.seq, 0)
        body = {"officer": officer, "reason": reason, "newest": transaction.head.seq, "missing": missing}
        entry = transaction.record(Record(Kind.RESTORED, body=body))
        connection.execute("COMMIT")
    write_mark(lake, Mark(ledger_id, entry.seq, entry.digest))
    return entry, missing


def begin_anew(folder: Path, lake: Path, node_id: str, officer: str, reason: str) -> Entry:
    """Begin an empty ledger; what is left of the old one is kept beside it.

    Every project starts with a whole budget, and with no approval.
    """
    path, mark = folder / FILE, _readable_mark(lake)
    set_aside(path)
    with telling(path), closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        known = {} if mark is None else {"before": mark.ledger_id, "entries_before": mark.seq}
        told = {**known, "officer": officer, "reason": reason}
        ledger_id, entry = begin(connection, node_id, datetime.now(UTC), told)
        connection.execute("COMMIT")
    write_mark(lake, Mark(ledger_id, entry.seq, entry.digest))
    return entry


def set_aside(path: Path) -> None:
    """Move what is left of the ledger at *path* out of the way, and keep it."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    for side in SIDES:
        left = path.with_name(path.name + side)
        if left.exists():
            left.replace(path.with_name(f"before-{stamp}-{left.name}"))


def _readable_mark(lake: Path) -> Mark | None:
    """The mark, or None where it is damaged: an officer mends that too."""
    try:
        return read_mark(lake)
    except LedgerError:
        return None


def _backup_faults(backup: Path) -> list[Fault]:
    if not backup.is_file():
        raise LedgerError(backup, "there is no such file", "name a file that goe audit backup wrote")
    # a file of another kind is not to be opened for writing
    with telling(backup), closing(sqlite3.connect(f"file:{backup}?mode=ro", uri=True)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'log'").fetchone():
            return [Fault(0, "it has no log")]
        return [*_faults_of_file(connection), *faults_of(read_entries(connection, "TRUE ORDER BY seq"))]
