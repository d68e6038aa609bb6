"""One publisher at a time: a lock that the system gives back when its process ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goe_lake.errors import LakeError


@contextmanager
def only_publisher(staging: Path) -> Iterator[None]:
    """Hold the right to publish from *staging*; raises LakeError where another process holds it."""
    staging.mkdir(parents=True, exist_ok=True)
    with (staging / "publishing").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LakeError(staging, "another ingest is publishing", "wait until it has ended") from None
        yield
