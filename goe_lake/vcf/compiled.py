"""Compiling the loops that touch every byte of a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """*function* as machine code that runs without the interpreter's lock.

    The code is kept beside the module, or in the user's cache where that cannot be written, so that
    only the first run on a machine compiles it.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        # there is no place to keep it
        return numba.njit(nogil=True)(function)
