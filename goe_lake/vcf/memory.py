"""How freed memory is kept, which decides half the speed of decoding."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from typing import Final

#: Numbers of glibc's `mallopt`, and how much is kept.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
KEPT_BLOCK: Final = 64 << 20
KEPT_TOTAL: Final = 512 << 20


@cache
def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next arrays.

    Returned at once, as glibc does with blocks beyond 128 KB, it has to be asked for and cleared page
    by page again, which costs as much as decoding what it is for. Elsewhere nothing is done.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        # each thread has memory of its own otherwise, in pieces of 64 MB that are given back one by one
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_THRESHOLD, KEPT_BLOCK)
        library.mallopt(_TRIM_THRESHOLD, KEPT_TOTAL)


def keep_freed_arrays() -> None:
    """The same for Arrow's arrays: its own allocator gives back early as well, so that glibc has to do."""
    import pyarrow as pa

    keep_freed_memory()
    pa.set_memory_pool(pa.system_memory_pool())
