"""How a process that does nothing but ingest begins: without what an ingest never uses."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping
from typing import Final

#: Packages that our own libraries load where they are installed, which takes a second of a processor.
UNUSED: Final = frozenset({"cffi", "dateutil", "pandas", "scipy", "yaml"})
#: One thread for numpy's products of matrices, whose others would wait by running in circles; and Arrow's
#: memory from glibc, see `memory.keep_freed_arrays`. Read when numpy and pyarrow are loaded.
SETTINGS: Final[Mapping[str, str]] = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


class _Absent:
    """Lets imports of UNUSED fail as if it were not installed."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        """See `importlib.abc.MetaPathFinder`."""
        if name in UNUSED:
            raise ModuleNotFoundError(name)


def begin_lean() -> None:
    """Let this process do without UNUSED; to be called before numpy, pyarrow or numba is imported.

    Garbage is not collected until `all_loaded`: modules hold none, and looking through them again and
    again takes a tenth of a second of a processor.
    """
    sys.meta_path.insert(0, _Absent())
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    gc.disable()


def all_loaded() -> None:
    """Collect garbage again after `begin_lean`, though not among what was loaded: it stays to the end."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
