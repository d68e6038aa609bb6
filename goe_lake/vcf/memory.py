"""How freed memory is kept, which decides half the speed of decoding."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Final

#: Numbers of glibc's `mallopt`, and how much is kept.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
#: Memories that threads share: with one, each waits for the others; with one each, much lies idle.
ARENAS: Final = 4
KEPT_BLOCK: Final = 64 << 20
KEPT_TOTAL: Final = 512 << 20
#: Settings with which Arrow's allocator keeps freed memory; read when pyarrow is loaded.
ALLOCATOR: Final[Mapping[str, str]] = {
    "ARROW_DEFAULT_MEMORY_POOL": "mimalloc",
    "MIMALLOC_PURGE_DELAY": "-1",
}


@cache
def keep_freed_memory() -> None:
    """Let this process keep freed memory for its next arrays.

    Returned at once, as glibc does with blocks beyond 128 KB, it has to be asked for and cleared page
    by page again, which costs as much as decoding what it is for. Elsewhere nothing is done.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_ARENA_MAX, ARENAS)
        library.mallopt(_MMAP_THRESHOLD, KEPT_BLOCK)
        library.mallopt(_TRIM_THRESHOLD, KEPT_TOTAL)


def keep_freed_arrays() -> None:
    """The same for Arrow's arrays: its own allocator gives back early unless ALLOCATOR was set in time."""
    import pyarrow as pa

    keep_freed_memory()
    kept = all(os.environ.get(name) == value for name, value in ALLOCATOR.items())
    if not kept or pa.default_memory_pool().backend_name != ALLOCATOR["ARROW_DEFAULT_MEMORY_POOL"]:
        pa.set_memory_pool(pa.system_memory_pool())
