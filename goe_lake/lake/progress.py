"""How far a long piece of work has come, told to whoever draws it."""

from __future__ import annotations

import threading
from typing import Protocol


class Progress(Protocol):
    """Something that shows progress. Steps may overlap, each under its own name; calls never do."""

    def start(self, step: str, total: int) -> None:
        """Step *step* begins; it is *total* units long (files, records or contigs)."""

    def advance(self, step: str, done: int) -> None:
        """*done* more units of *step* are done."""

    def finish(self, step: str) -> None:
        """Step *step* has ended."""


class Stopped(Exception):
    """The work is not wanted any more; whoever stopped it knows why."""


class OneAtATime:
    """Hands calls from several threads on to a Progress, one at a time; to nobody where it is None.

    After `stop`, work that tells of its progress ends with Stopped.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._lock = progress, threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        """Let the threads that work end."""
        self._stopped = True

    def start(self, step: str, total: int) -> None:
        """See Progress."""
        if self._progress is not None:
            with self._lock:
                self._progress.start(step, total)

    def advance(self, step: str, done: int) -> None:
        """See Progress. Raises Stopped after `stop`."""
        if self._stopped:
            raise Stopped
        if self._progress is not None:
            with self._lock:
                self._progress.advance(step, done)

    def finish(self, step: str) -> None:
        """See Progress."""
        if self._progress is not None:
            with self._lock:
                self._progress.finish(step)
