"""Answers that wait in the ledger until the officer has looked at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from enum import StrEnum
from typing import Any

import pyarrow as pa

from goe_lake.errors import Declined
from goe_lake.federation.ledger.entries import Kind
from goe_lake.federation.ledger.projects import Event
from goe_lake.federation.ledger.store import Ledger, Record, Transaction
from goe_lake.federation.wire import read_table, write_table

COLUMNS = "number, at, project, analyst, query_id, release, basis, shape, tally, receipt, cells"


class State(StrEnum):
    """What the officer has decided about a held answer."""

    PENDING = "pending"
    ALLOWED = "allowed"
    REFUSED = "refused"


@dataclass(frozen=True)
class Held:
    """An answer that has not left, or left when the officer allowed it.

    *basis* is a digest of what the cells were computed from; *shape*, *tally* and *receipt* are JSON.
    """

    number: int
    at: str
    project: str
    analyst: str
    query_id: str
    release: str
    basis: str
    shape: str
    tally: str
    receipt: str
    _: KW_ONLY
    cells: pa.Table
    state: State


def keep(
    transaction: Transaction, record: Record, basis: str, tally: str, receipt: str, cells: pa.Table
) -> int:
    """Keep *cells* until the officer has decided, and note that in the log; their number."""
    shape = dict(record.body or {})
    (number,) = transaction.connection.execute("SELECT coalesce(max(number), 0) + 1 FROM held").fetchone()
    entry = transaction.record(replace(record, body={**shape, "code": "G803", "held": number}))
    asked = (entry.at, entry.project, entry.analyst, entry.query_id, entry.release, basis)
    transaction.connection.execute(
        f"INSERT INTO held ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (number, *asked, entry.body, tally, receipt, write_table(cells)),
    )
    return int(number)


def find(ledger: Ledger, project: str, release: str, basis: str) -> Held | None:
    """The newest held answer of *project* to the release with digest *release* from *basis*."""
    found = _read(ledger, "project = ? AND release = ? AND basis = ?", (project, release, basis))
    return found[-1] if found else None


def every(ledger: Ledger, state: State | None = None) -> list[Held]:
    """The held answers in the order in which they came; those in *state* only, where it is given."""
    return [item for item in _read(ledger, "TRUE", ()) if state is None or item.state is state]


def waiting(number: int) -> Declined:
    """What an asker is told while the officer has not decided."""
    mend = "ask the same again when the node's officer has looked at it"
    return Declined("G803", f"the answer waits for the node's officer, as number {number}", mend)


def refused(number: int) -> Declined:
    """What an asker is told when the officer has decided against it."""
    return Declined("G803", f"the node's officer keeps answer {number} back", "ask the officer why")


def _read(ledger: Ledger, condition: str, values: tuple[str, ...]) -> list[Held]:
    decisions = _decisions(ledger)
    sql = f"SELECT {COLUMNS} FROM held WHERE {condition} ORDER BY number"
    return [_of(row, decisions) for row in ledger.rows(sql, values)]


def _of(row: tuple[Any, ...], decisions: Mapping[object, State]) -> Held:
    *texts, cells = row
    return Held(*texts, cells=read_table(cells), state=decisions.get(row[0], State.PENDING))


def _decisions(ledger: Ledger) -> dict[object, State]:
    """What was decided about each number, the newest last."""
    told = {Event.ALLOWED: State.ALLOWED, Event.REFUSED: State.REFUSED}
    entries = ledger.entries("kind = ? ORDER BY seq", (Kind.PROJECT.value,))
    contents = [entry.content for entry in entries]
    return {
        content["held"]: told[Event(content["event"])]
        for content in contents
        if content["event"] in (Event.ALLOWED, Event.REFUSED)
    }
