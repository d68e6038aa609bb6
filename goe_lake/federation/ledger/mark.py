"""What a lake remembers of its node's ledger, so that one that is lost or older than it was is noticed."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from goe_lake.errors import LedgerError

FILE: Final = "LEDGER"


@dataclass(frozen=True)
class Mark:
    """The ledger's id, and the number and digest of the newest entry that is known to be in it."""

    ledger_id: str
    seq: int
    digest: str


def read_mark(lake: Path) -> Mark | None:
    """The mark in *lake*, None where it knows of no ledger; LedgerError where it cannot be read."""
    path = lake / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Mark(str(data["ledger_id"]), int(data["seq"]), str(data["digest"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise LedgerError(
            path, "what the lake knows of the ledger cannot be read", "look with goe audit verify"
        ) from None


def raise_mark(lake: Path, mark: Mark) -> None:
    """Let *lake* know of *mark*, unless it knows a later one of the same ledger.

    Raises LedgerError where it cannot be written: then nothing may leave the node.
    """
    with _Lock(lake):
        known = read_mark(lake)
        if known is None or known.ledger_id != mark.ledger_id or known.seq < mark.seq:
            write_mark(lake, mark)


def write_mark(lake: Path, mark: Mark) -> None:
    """Let *lake* know of *mark*, whatever it knew before."""
    path = lake / FILE
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(mark), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None


class _Lock:
    """The right to change the mark, which the system gives back when its process ends."""

    def __init__(self, lake: Path) -> None:
        self._path = lake / f"{FILE}.lock"

    def __enter__(self) -> None:
        try:
            self._file = self._path.open("w")
        except OSError as error:
            raise _unwritable(self._path, error) from None
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _unwritable(path: Path, error: OSError) -> LedgerError:
    mend = "a node that answers writes two small files there; give its process the right to"
    return LedgerError(path, f"cannot be written: {error.strerror}", mend)
