"""Progress of a long step, told in the log of its run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: A step tells the log of its run at most this often: every line is an event that Dagster keeps.
SECONDS_BETWEEN: Final = 15.0


class Logged:
    """A Progress that writes a line now and then with *write*."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._done: dict[str, tuple[int, int]] = {}
        self._told = time.monotonic()

    def start(self, step: str, total: int) -> None:
        """See goe_lake.lake.Progress."""
        self._done[step] = (0, total)

    def advance(self, step: str, done: int) -> None:
        """See goe_lake.lake.Progress."""
        before, total = self._done[step]
        self._done[step] = (before + done, total)
        if time.monotonic() - self._told > SECONDS_BETWEEN:
            self._told = time.monotonic()
            self._write(f"{step}: {before + done:,} of {total:,}")

    def finish(self, step: str) -> None:
        """See goe_lake.lake.Progress."""
