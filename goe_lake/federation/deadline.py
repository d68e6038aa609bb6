"""A time limit on work that only an interrupt from another thread can stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

AGAIN: Final = 0.02  # seconds between interrupts


@contextmanager
def interrupted_after(seconds: float, interrupt: Callable[[], None]) -> Iterator[threading.Event]:
    """Call *interrupt* from *seconds* on until the body ends; the event tells whether it came to that.

    Again and again, because an interrupt stops the one statement that runs at the time, and a
    release is many. None is under way any more when the body has ended.
    """
    over, late = threading.Event(), threading.Event()

    def watch() -> None:
        if over.wait(max(seconds, 0)):
            return
        late.set()
        while not over.is_set():
            interrupt()
            over.wait(AGAIN)

    watcher = threading.Thread(target=watch, name="deadline", daemon=True)
    watcher.start()
    try:
        yield late
    finally:
        over.set()
        watcher.join()
