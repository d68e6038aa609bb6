"""How freed memory is kept, which decides half the speed of decoding."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Final

#: Numbers of glibc's `mallopt`, and how much is kept.
_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
#: Memories that threads share: with one, each waits for the others; with one each, much lies idle.
ARENAS: Final = 4
KEPT_BLOCK: Final = 64 << 20
KEPT_TOTAL: Final = 512 << 20
#: Arrow's memory is glibc's too: Arrow's own allocator, whose threads share nothing, touched eight times as
#: much as was ever in use. Read when pyarrow is loaded.
ALLOCATOR: Final[Mapping[str, str]] = {"ARROW_DEFAULT_MEMORY_POOL": "system"}


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
        # what threads share is given back whole once all of a piece is free, unless so much is to be spare
        library.mallopt(_TOP_PAD, KEPT_BLOCK)


def keep_freed_arrays() -> None:
    """The same for Arrow's arrays, whose own allocator gives back early."""
    import pyarrow as pa

    keep_freed_memory()
    pa.set_memory_pool(pa.system_memory_pool())
