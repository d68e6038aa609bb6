"""How a process that does nothing but ingest begins: without what an ingest never uses."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NoReturn

from goe_lake.vcf.memory import ALLOCATOR, keep_freed_memory

#: Packages that our own libraries load where they are installed, which takes a second of a processor.
UNUSED: Final = frozenset({"cffi", "dateutil", "pandas", "scipy", "yaml"})
#: Read when numpy and pyarrow are loaded: one thread for products of matrices, whose others would wait by
#: running in circles; and no pages of 2 MB for arrays that are filled to a small part, since all of a page
#: has to be cleared.
SETTINGS: Final[Mapping[str, str]] = {
    "OPENBLAS_NUM_THREADS": "1",
    "NUMPY_MADVISE_HUGEPAGE": "0",
    **ALLOCATOR,
}


class _Absent:
    """Lets imports of UNUSED fail as if it were not installed."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        """See `importlib.abc.MetaPathFinder`."""
        if name in UNUSED:
            raise ModuleNotFoundError(name)


@cache
def begin_lean() -> None:
    """Let this process do without UNUSED; to be called before numpy, pyarrow or numba, and before threads.

    Garbage is not collected until `all_loaded`: modules hold none, and looking through them again and
    again takes a tenth of a second of a processor.
    """
    sys.meta_path.insert(0, _Absent())
    keep_freed_memory()
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    gc.disable()


def all_loaded() -> None:
    """Collect garbage again after `begin_lean`, though not among what was loaded: it stays to the end."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def end_lean(code: int) -> NoReturn:
    """End this process after `begin_lean`, without taking apart what it loaded: that takes 50 ms and more.

    What was to be done at the end is done; no thread but this one may still have work.
    """
    end: Any = atexit
    end._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
