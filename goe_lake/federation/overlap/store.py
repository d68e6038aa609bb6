"""What a node told, in tables of its ledger: read into memory once, then only what is new.

Nothing is committed here: the records of an answer belong to the transaction that lets it leave.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from goe_lake.disclosure.earlier import Memory, Record
from goe_lake.disclosure.earlier_sites import BY_CLASS, SiteRecord
from goe_lake.disclosure.families import Counts
from goe_lake.disclosure.overlap import Selection, words_of

#: Site lists and values that stay unpacked; each is some bytes a site.
MOST_UNPACKED: Final = 128
#: The account of what was sealed for sums told to a project; no project can be called so.
SEALED: Final = "(sealed) {}"
_CODEC: Final = "zstd"


class OverlapStore:
    """The overlap tables of one ledger, and what was read of them.

    *connection* is one whose transactions the caller keeps; ids are in the order of commits, since a
    transaction that writes keeps others out.
    """

    def __init__(self) -> None:
        #: The numbers of released tables that answers are held to, as far as they can be.
        self.releases: set[int] = set()
        self._memories: dict[str, Memory] = {}
        self._read: dict[str, int] = {}
        self._selections: dict[int, Selection] = {}
        self._numbers: dict[bytes, int] = {}
        self._last: tuple[Sequence[str], Counts] | None = None

    def begin(self, connection: sqlite3.Connection) -> None:
        """Make the tables where there are none."""
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'overlap_sealed'").fetchone():
            return
        statement = ""
        for line in files(__package__).joinpath("schema.sql").read_text("utf-8").splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                connection.execute(statement)
                statement = ""

    def numbers(self, connection: sqlite3.Connection, person_ids: Sequence[str]) -> Counts:
        """The node's number of each person, given to those who have none yet."""
        if self._last is not None and self._last[0] is person_ids:
            return self._last[1]
        digests = [hashlib.sha256(person.encode()).digest()[:16] for person in person_ids]
        if any(digest not in self._numbers for digest in digests):
            rows = connection.execute("SELECT digest, number FROM overlap_persons").fetchall()
            self._numbers = dict(rows)
            new = sorted(set(digests) - self._numbers.keys())
            # numbers are given within the transaction, and known once they are read again
            first = max(self._numbers.values(), default=-1) + 1
            given = {digest: first + place for place, digest in enumerate(new)}
            connection.executemany(
                "INSERT INTO overlap_persons (digest, number) VALUES (?, ?)", given.items()
            )
            known: Mapping[bytes, int] = {**self._numbers, **given}
        else:
            known = self._numbers
        numbers = np.array([known[digest] for digest in digests], dtype=np.int64)
        if known is self._numbers and isinstance(person_ids, tuple):
            # a session asks for the same persons again and again
            numbers.flags.writeable = False
            self._last = person_ids, numbers
        return numbers

    # reading ------------------------------------------------------------------------------------------

    def projects(self, connection: sqlite3.Connection, project: str, analyst: str) -> list[str]:
        """*project*, and all others in which *analyst* asked."""
        found = {project}
        if analyst:
            rows = connection.execute("SELECT project FROM overlap_askers WHERE analyst = ?", (analyst,))
            found.update(name for (name,) in rows)
        return sorted(found)

    def memories(self, connection: sqlite3.Connection, projects: Iterable[str]) -> list[Memory]:
        """What was told to each of *projects*."""
        return [self._memory(connection, project) for project in projects]

    def _memory(self, connection: sqlite3.Connection, project: str) -> Memory:
        memory = self._memories.setdefault(project, Memory())
        rows = connection.execute(
            "SELECT id, quantity, selection, value, text FROM overlap_cells "
            "WHERE project = ? AND id > ? ORDER BY id",
            (project, self._read.get(project, 0)),
        ).fetchall()
        for number, quantity, selection, value, text in rows:
            record = Record(quantity, self._selection(connection, selection), int(value), text)
            memory.add(number, record)
            self._read[project] = number
        return memory

    def site_records(
        self,
        connection: sqlite3.Connection,
        projects: Collection[str],
        weights: Iterable[tuple[int, ...]],
        first: int,
        last: int,
    ) -> list[SiteRecord]:
        """What was told of sites from *first* to *last*; the oldest first.

        Numbers by class are told as numbers by each of *weights*.
        """
        wanted = list(dict.fromkeys(weights))
        places = f"({', '.join('?' for _ in projects)})"
        rows = connection.execute(
            'SELECT weights, selection, sites, "values", text FROM overlap_site_cells '
            f"WHERE project IN {places} AND last >= ? AND first <= ? ORDER BY id",
            (*projects, first, last),
        ).fetchall()
        found = []
        for weight, selection, sites, values, text in rows:
            keys = _site_list(self._packed_sites(connection, sites))
            chosen = self._selection(connection, selection)
            record = SiteRecord(tuple(json.loads(weight)), chosen, keys, _values(values), text)
            by_class = record.weights == BY_CLASS
            found += [record.weighed(one) for one in wanted] if by_class else [record]
        return found

    def sealed(
        self,
        connection: sqlite3.Connection,
        projects: Collection[str],
        first: int,
        last: int,
        wanted: Callable[[str, Selection], bool],
    ) -> Iterator[SiteRecord]:
        """What was sealed for sums told to *projects*, at sites from *first* to *last*; the oldest first.

        Only records are read that are *wanted*, by their text and persons.
        """
        accounts = [SEALED.format(project) for project in projects]
        rows = connection.execute(
            "SELECT id, selection, sites, text FROM overlap_site_cells "
            f"WHERE project IN ({', '.join('?' for _ in accounts)}) AND last >= ? AND first <= ? ORDER BY id",
            (*accounts, first, last),
        ).fetchall()
        for number, selection, sites, text in rows:
            chosen = self._selection(connection, selection)
            if wanted(text, chosen):
                (values,) = connection.execute(
                    'SELECT "values" FROM overlap_site_cells WHERE id = ?', (number,)
                ).fetchone()
                keys = _site_list(self._packed_sites(connection, sites))
                yield SiteRecord(BY_CLASS, chosen, keys, _values(values), text)

    def sealed_bases(self, connection: sqlite3.Connection, projects: Collection[str]) -> dict[str, str]:
        """The basis of what was hidden in sums told to each of *projects*, as far as there were any."""
        places = ", ".join("?" for _ in projects)
        rows = connection.execute(
            f"SELECT project, basis FROM overlap_sealed WHERE project IN ({places})", tuple(projects)
        )
        return dict(rows.fetchall())

    def _packed_sites(self, connection: sqlite3.Connection, number: int) -> bytes:
        (body,) = connection.execute("SELECT body FROM overlap_site_lists WHERE id = ?", (number,)).fetchone()
        return bytes(body)

    def _selection(self, connection: sqlite3.Connection, number: int) -> Selection:
        if number not in self._selections:
            code, body = connection.execute(
                "SELECT code, body FROM overlap_selections WHERE id = ?", (number,)
            ).fetchone()
            unpacked = np.frombuffer(_unpacked(body), np.uint64)
            if int(code):
                self._selections[number] = Selection(unpacked, int(code))
            else:
                words = words_of(np.flatnonzero(unpacked).astype(np.int64))
                self._selections[number] = Selection(words, 0, unpacked)
        return self._selections[number]

    def kept_releases(self, connection: sqlite3.Connection) -> dict[tuple[str, str], bool]:
        """The released tables that were looked at, by digest and contig: whether their rows are kept."""
        rows = connection.execute("SELECT release, contig, is_kept FROM overlap_releases")
        return {(release, contig): bool(is_kept) for release, contig, is_kept in rows}

    # writing ------------------------------------------------------------------------------------------

    def note_release(
        self, connection: sqlite3.Connection, release_id: str, contig: str, *, is_kept: bool
    ) -> None:
        """Note that the rows of a released table are kept, or can not be."""
        connection.execute(
            "INSERT OR REPLACE INTO overlap_releases VALUES (?, ?, ?)", (release_id, contig, int(is_kept))
        )

    def note_sealed(self, connection: sqlite3.Connection, project: str, basis: str) -> None:
        """Note that what is hidden in sums told to *project* is of *basis*."""
        connection.execute("INSERT OR IGNORE INTO overlap_sealed VALUES (?, ?)", (project, basis))

    def record(
        self,
        connection: sqlite3.Connection,
        project: str,
        analyst: str,
        records: Sequence[Record],
        site_records: Sequence[SiteRecord],
    ) -> None:
        """Write what was told in one answer, in the caller's transaction."""
        connection.execute("INSERT OR IGNORE INTO overlap_askers VALUES (?, ?)", (project, analyst))
        rows = [
            (project, one.quantity, self._keep(connection, one.selection), str(one.value), one.text)
            for one in records
        ]
        connection.executemany(
            "INSERT INTO overlap_cells (project, quantity, selection, value, text) VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        for one in site_records:
            self._record_sites(connection, project, one)

    def _record_sites(self, connection: sqlite3.Connection, project: str, record: SiteRecord) -> None:
        steps = np.diff(record.sites, prepend=np.uint64(0))
        digest = hashlib.sha256(record.sites.tobytes()).digest()
        connection.execute(
            "INSERT OR IGNORE INTO overlap_site_lists (digest, body) VALUES (?, ?)",
            (digest, _packed(steps)),
        )
        (number,) = connection.execute(
            "SELECT id FROM overlap_site_lists WHERE digest = ?", (digest,)
        ).fetchone()
        connection.execute(
            "INSERT INTO overlap_site_cells "
            '(project, weights, selection, sites, first, last, "values", text) '
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                project,
                json.dumps(record.weights),
                self._keep(connection, record.selection),
                number,
                int(record.sites[0]),
                int(record.sites[-1]),
                _packed(record.values),
                record.text,
            ),
        )

    def _keep(self, connection: sqlite3.Connection, selection: Selection) -> int:
        """The id of *selection*, which is written where it is new."""
        code = 0 if selection.codes is not None else selection.code
        content = selection.words if selection.codes is None else selection.codes
        # how wide it happens to be says nothing
        used = int(np.flatnonzero(content)[-1]) + 1 if content.any() else 0
        body = content[:used].tobytes()
        digest = hashlib.sha256(f"{code}:".encode() + body).digest()
        connection.execute(
            "INSERT OR IGNORE INTO overlap_selections (digest, persons, code, body) VALUES (?, ?, ?, ?)",
            (digest, selection.persons, str(code), _packed(content[:used])),
        )
        (number,) = connection.execute(
            "SELECT id FROM overlap_selections WHERE digest = ?", (digest,)
        ).fetchone()
        return int(number)


def _packed(numbers: npt.NDArray[Any]) -> bytes:
    """Whole numbers of 8 bytes, compressed: how many bytes they were, then the rest."""
    body = np.ascontiguousarray(numbers).tobytes()
    packed = pa.Codec(_CODEC).compress(body, asbytes=True)
    return len(body).to_bytes(8, "little") + bytes(packed)


def _unpacked(body: bytes) -> bytes:
    size = int.from_bytes(body[:8], "little")
    if not size:
        return b""
    return bytes(pa.Codec(_CODEC).decompress(body[8:], decompressed_size=size, asbytes=True))


@lru_cache(maxsize=MOST_UNPACKED)
def _site_list(body: bytes) -> npt.NDArray[np.uint64]:
    return np.frombuffer(_unpacked(body), np.uint64).cumsum(dtype=np.uint64)


@lru_cache(maxsize=MOST_UNPACKED)
def _values(body: bytes) -> Counts:
    return np.frombuffer(_unpacked(body), np.int64)
