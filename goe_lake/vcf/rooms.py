"""Memory for unpacked text that is used again as soon as nobody looks at the text in it any more.

Memory that was never touched has to be cleared by the system, page by page, which costs as much as
unpacking into it.
"""

from __future__ import annotations

import mmap
import weakref
from collections import defaultdict
from contextlib import suppress
from typing import Final

import numpy as np
import numpy.typing as npt

#: Rooms are multiples of a large page.
PAGE: Final = 2 << 20
#: Rooms of one size that are kept for later: more than a file ever has in use.
MOST_SPARE: Final = 12
_spare: defaultdict[int, list[mmap.mmap]] = defaultdict(list)


def room(size: int) -> npt.NDArray[np.uint8]:
    """An array of *size* bytes that hold anything; they are used again when it and all its views are gone."""
    pages = -(-size // PAGE)
    try:
        memory = _spare[pages].pop()
    except IndexError:
        memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # text fills all of a room, so that large pages are cleared for nothing at its end only
        with suppress(AttributeError, OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    # an array that does not own its memory is what its views keep alive, whatever they are views of
    found = np.frombuffer(memory, np.uint8, size)
    weakref.finalize(found, _give_back, pages, memory).atexit = False
    return found


def _give_back(pages: int, memory: mmap.mmap) -> None:
    if len(_spare[pages]) < MOST_SPARE:
        _spare[pages].append(memory)
