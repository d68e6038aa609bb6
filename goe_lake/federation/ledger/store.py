"""A node's ledger: one SQLite file of all that left the node, and of what its officer decided.

Nothing leaves before the transaction that records it has been written to disk. The lake keeps the
number and digest of the newest entry, so that a ledger that is lost, or older than it was, is noticed:
then the node answers nothing until its officer restores a backup or begins anew.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from goe_lake.errors import LedgerError
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger.budgets import Spending, spent
from goe_lake.federation.ledger.entries import BEFORE_ALL, COLUMNS, Entry, Kind, canonical, faults_of
from goe_lake.federation.ledger.mark import Mark, raise_mark, read_mark
from goe_lake.federation.ledger.projects import Decided, decided

FILE: Final = "ledger.sqlite"
VERSION: Final = 1
BUSY: Final = 5.0  # seconds to wait for another process that answers
LOOKED_AT: Final = 200  # newest entries whose chain is checked at each opening

NOBODY: Final = Asker("", "")

Clock = Callable[[], datetime]
Parameter = str | int | bytes | None


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Record:
    """What an entry tells of an answer, before it has its place in the log."""

    kind: Kind
    asker: Asker = NOBODY
    account: str = ""
    query_id: str = ""
    release: str = ""
    cells: int = 0
    rare_sites: int = 0
    body: Mapping[str, object] | None = None


class Transaction:
    """What one answer changes in the ledger, all of it or nothing; other tables may join in."""

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self.connection, self.now = connection, now
        self.head: Entry | None = newest(connection)

    def record(self, record: Record) -> Entry:
        """Append *record* to the log."""
        before = self.head
        entry = Entry(
            seq=1 if before is None else before.seq + 1,
            at=self.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            kind=record.kind,
            account=record.account,
            project=record.asker.project,
            analyst=record.asker.analyst,
            query_id=record.query_id,
            release=record.release,
            cells=record.cells,
            rare_sites=record.rare_sites,
            body=canonical(record.body or {}),
            previous=BEFORE_ALL if before is None else before.digest,
        ).sealed()
        places = ", ".join("?" for _ in COLUMNS)
        values = [str(value) if isinstance(value, Kind) else value for value in vars(entry).values()]
        self.connection.execute(f"INSERT INTO log VALUES ({places})", values)
        self.head = entry
        return entry

    def spent(self, account: str) -> Spending:
        """What *account* has spent today, with what was recorded here."""
        return spent(self.connection, account, self.now)


class Ledger:
    """The ledger in one folder; threads and processes may use it at once."""

    def __init__(self, path: Path, lake: Path, connection: sqlite3.Connection, clock: Clock) -> None:
        self.path, self._lake, self._clock = path, lake, clock
        self._connection = connection
        self._lock = threading.RLock()
        self._inode = path.stat().st_ino
        self.ledger_id, self.node_id = identity(connection, path)

    @classmethod
    def open(cls, folder: Path, lake: Path, node_id: str, clock: Clock = utc_now) -> Ledger:
        """The ledger of *node_id* in *folder*; begun where *lake* never knew of one.

        Raises LedgerError where it is lost, damaged, older than the lake remembers, or another node's.
        """
        path, mark = folder / FILE, read_mark(lake)
        if mark is not None and not path.exists():
            raise lost(path, f"is gone: the lake knows of its entry {mark.seq}")
        if not lake.is_dir():
            raise LedgerError(
                lake, "there is no lake to remember the ledger", "run goe ingest NODE.toml first"
            )
        with telling(path):
            connection = connect(path)
            begin_where_empty(connection, path, node_id, mark, clock())
            ledger = cls(path, lake, connection, clock)
            ledger._check_whose(node_id)
            ledger._check(mark)
        return ledger

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One change of the ledger; when the block has ended it is on disk, and the lake knows of it.

        Raises LedgerError; then nothing was changed, and nothing may leave.
        """
        with self._lock, telling(self.path):
            self._check_is_there()
            mark = read_mark(self._lake)
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._check_mark(mark)
                transaction = Transaction(self._connection, self._clock())
                yield transaction
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            head = transaction.head
            assert head is not None
            raise_mark(self._lake, Mark(self.ledger_id, head.seq, head.digest))

    def append(self, record: Record) -> Entry:
        """Append one entry."""
        with self.transaction() as transaction:
            return transaction.record(record)

    def now(self) -> datetime:
        """The time by the ledger's clock."""
        return self._clock()

    def spent(self, account: str) -> Spending:
        """What *account* has spent today."""
        with self._lock, telling(self.path):
            return spent(self._connection, account, self._clock())

    def knows_query(self, account: str, query_id: str) -> bool:
        """Whether *account* was answered under *query_id* before."""
        condition = "account = ? AND query_id = ? AND kind = ? LIMIT 1"
        return any(self.entries(condition, (account, query_id, Kind.ANSWER.value)))

    def decided(self, project: str) -> Decided | None:
        """What the officer's decisions about *project* come to; None where there is none."""
        condition = "project = ? AND kind = ? ORDER BY seq"
        return decided(self._unaltered(self.entries(condition, (project, Kind.PROJECT.value))))

    def entries(self, condition: str = "TRUE ORDER BY seq", values: Iterable[Parameter] = ()) -> list[Entry]:
        """The entries for which *condition* (SQL, with ? for *values*) holds."""
        with self._lock, telling(self.path):
            return list(read_entries(self._connection, condition, values))

    def rows(self, sql: str, values: Iterable[Parameter] = ()) -> list[tuple[Any, ...]]:
        """What a SELECT over the ledger's tables gives."""
        with self._lock, telling(self.path):
            return self._connection.execute(sql, tuple(values)).fetchall()

    def backup(self, file: Path) -> int:
        """Write a copy of the ledger to *file* while it is in use; the number of its newest entry."""
        if file.exists():
            raise LedgerError(file, "is there already", "name a new file")
        with self._lock, telling(file):
            copy = sqlite3.connect(file)
            try:
                self._connection.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
                head = newest(copy)
            finally:
                copy.close()
        return 0 if head is None else head.seq

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _unaltered(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            if entry.computed_digest() != entry.digest:
                raise lost(self.path, f"is damaged: entry {entry.seq} was changed after it was written")
            yield entry

    def _check_whose(self, node_id: str) -> None:
        if self.node_id != node_id:
            mend = "name a folder of its own in [node] ledger"
            raise LedgerError(self.path, f"is the ledger of {self.node_id}, not of {node_id}", mend)

    def _check(self, mark: Mark | None) -> None:
        """Raise LedgerError where the newest entries do not hang together, or the lake remembers others."""
        newest_first = "TRUE ORDER BY seq DESC LIMIT ?"
        entries = self.entries(newest_first, (LOOKED_AT + 1,))[::-1]
        before = entries.pop(0) if len(entries) > LOOKED_AT else None
        for fault in faults_of(entries, before):
            raise lost(self.path, f"is damaged: {fault}")
        self._check_mark(mark)
        if mark is None:
            self._be_remembered(entries[-1])

    def _check_mark(self, mark: Mark | None) -> None:
        if mark is None:
            return
        if mark.ledger_id != self.ledger_id:
            raise lost(self.path, "is not the ledger that the lake knows of")
        known = list(read_entries(self._connection, "seq = ?", (mark.seq,)))
        if not known:
            raise lost(self.path, f"is older than it was: the lake knows of its entry {mark.seq}")
        if known[0].digest != mark.digest:
            raise lost(self.path, f"is not as it was: the lake knows of another entry {mark.seq}")

    def _be_remembered(self, head: Entry) -> None:
        """Let a lake that knows of no ledger know of this one: it is new, or the lake was made anew."""
        meanwhile = read_mark(self._lake)
        if meanwhile is not None:  # another process began the ledger, and was first
            self._check_mark(meanwhile)
        elif head.seq == 1:
            raise_mark(self._lake, Mark(self.ledger_id, head.seq, head.digest))
        else:
            self.append(Record(Kind.MARK, body={"newest": head.seq}))

    @property
    def in_place(self) -> bool:
        """Whether the file is still the one that was opened, neither taken away nor replaced."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def _check_is_there(self) -> None:
        if not self.in_place:
            raise lost(self.path, "was removed or replaced while the node was running")


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the SQLite file at *path*, made where it is absent; each COMMIT is on disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        mend = "a node that answers keeps a ledger; let [node] ledger name a folder that it may write to"
        raise LedgerError(path, f"cannot be made: {error.strerror}", mend) from None
    connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def begin_where_empty(
    connection: sqlite3.Connection, path: Path, node_id: str, mark: Mark | None, now: datetime
) -> None:
    """Make the tables and the first entry, where there are none and the lake knows of none."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'log'").fetchone():
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # another process may have come first
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'log'").fetchone():
            if mark is not None:
                raise lost(path, f"is empty: the lake knows of its entry {mark.seq}")
            begin(connection, node_id, now, {})
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def begin(
    connection: sqlite3.Connection, node_id: str, now: datetime, body: Mapping[str, object]
) -> tuple[str, Entry]:
    """Make the tables of a new ledger and its first entry; its id, and that entry."""
    schema = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
    statement = ""
    # executescript would commit first
    for line in schema.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    ledger_id = secrets.token_hex(16)
    connection.execute("INSERT INTO ledger VALUES (1, ?, ?, ?)", (VERSION, ledger_id, node_id))
    told = {**body, "ledger_id": ledger_id, "node": node_id}
    return ledger_id, Transaction(connection, now).record(Record(Kind.BEGUN, body=told))


def identity(connection: sqlite3.Connection, path: Path) -> tuple[str, str]:
    """The id of the ledger behind *connection*, and of its node."""
    row = connection.execute("SELECT version, ledger_id, node_id FROM ledger").fetchone()
    if row is None:
        raise lost(path, "is damaged: it does not say whose it is")
    version, ledger_id, node_id = row
    if version != VERSION:
        raise LedgerError(path, f"is of version {version}", f"this goe_lake reads version {VERSION}")
    return ledger_id, node_id


def newest(connection: sqlite3.Connection) -> Entry | None:
    """The newest entry of the log."""
    return next(read_entries(connection, "TRUE ORDER BY seq DESC LIMIT 1"), None)


def read_entries(
    connection: sqlite3.Connection, condition: str, values: Iterable[Parameter] = ()
) -> Iterator[Entry]:
    """The entries for which *condition* holds."""
    sql = f"SELECT {', '.join(COLUMNS)} FROM log WHERE {condition}"
    for row in connection.execute(sql, tuple(values)):
        yield Entry(*row)


def lost(path: Path, problem: str) -> LedgerError:
    """The error about a ledger that cannot be relied on."""
    mend = (
        "The node answers nothing until its data protection officer restores a backup "
        "(goe audit restore NODE.toml BACKUP) or begins a new ledger (goe audit begin NODE.toml)"
    )
    return LedgerError(path, problem, mend)


@contextmanager
def telling(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into LedgerError; none of them quotes a value of the log."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            problem = f"other processes kept it for {BUSY:g} s"
            raise LedgerError(path, problem, "ask again; see what holds it") from None
        mend = "a node that answers keeps a ledger; see that its folder can be written and has room"
        raise LedgerError(path, f"cannot be used: {error}", mend) from None
    except sqlite3.Error as error:
        raise lost(path, f"is damaged: {type(error).__name__}") from None
