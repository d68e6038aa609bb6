"""Entries of a node's log, each of which carries the digest of the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

BEFORE_ALL: Final = "0" * 64  # what the first entry has for the digest of the entry before it


class Kind(StrEnum):
    """What an entry tells of."""

    BEGUN = "begun"  # the ledger was begun; its first entry, and no other's kind
    ANSWER = "answer"  # cells of a release left the node under its protection
    UNPROTECTED = "unprotected"  # the same with the protection off: nothing is counted
    DECLINED = "declined"  # nothing left: the project's standing, its budget, or a hold
    NOISE = "noise"  # noise was drawn for a question, and its epsilon spent
    FREQUENCIES = "frequencies"  # a release of allele frequencies was made
    SITES = "sites"  # a round told which sites have enough carriers in all nodes together, or kept them
    PROJECT = "project"  # the officer approved, vetoed, withdrew, held, or decided about an answer
    RESTORED = "restored"  # the ledger is a backup; what came after the backup is lost
    MARK = "mark"  # the lake did not know of this ledger any more, and knows it again


@dataclass(frozen=True)
class Entry:
    """One line of the log; *body* is canonical JSON, *digest* is sha256 over all the other fields.

    *at* is UTC, to the microsecond. *account* is what budgets count by: the project, where the node
    knows it. *cells* and *rare_sites* are what the entry spends of its account's budget.
    """

    seq: int
    at: str
    kind: str
    account: str
    project: str
    analyst: str
    query_id: str
    release: str
    cells: int
    rare_sites: int
    body: str
    previous: str
    digest: str = ""

    def sealed(self) -> Entry:
        """The entry with its digest."""
        return Entry(**{**vars(self), "digest": self.computed_digest()})

    def computed_digest(self) -> str:
        """sha256 of all fields but the digest itself, in hex."""
        content = [vars(self)[name] for name in COLUMNS[:-1]]
        return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()

    @property
    def content(self) -> dict[str, Any]:
        """What *body* writes."""
        return dict(json.loads(self.body))

    def to_json(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        return {**vars(self), "body": self.content}


COLUMNS: Final = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True)
class Fault:
    """Something in a log that is not as it was written; *seq* is the entry at which it shows."""

    seq: int
    problem: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.problem}"


def canonical(content: Mapping[str, object]) -> str:
    """*content* as JSON that is the same whatever the order of its members."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def faults_of(entries: Iterable[Entry], before: Entry | None = None) -> Iterator[Fault]:
    """What is wrong with *entries*, in order, that follow *before*; None where they begin the log."""
    expected = 1 if before is None else before.seq + 1
    previous = BEFORE_ALL if before is None else before.digest
    for entry in entries:
        if entry.seq != expected:
            missing = f"{expected}" if entry.seq == expected + 1 else f"{expected} to {entry.seq - 1}"
            yield Fault(entry.seq, f"{missing} missing before it")
        elif entry.previous != previous:
            yield Fault(entry.seq, "does not follow from the entry before it: one of the two was changed")
        if entry.computed_digest() != entry.digest:
            yield Fault(entry.seq, "was changed after it was written")
        if (entry.kind == Kind.BEGUN) != (entry.seq == 1):
            yield Fault(entry.seq, "a log begins once, with its first entry")
        expected, previous = entry.seq + 1, entry.digest
