"""Packages that our own libraries load where they are installed, and an ingest never uses."""

from __future__ import annotations

import sys
from typing import Final

#: pyarrow and numba load them, which takes a second of a processor and more.
UNUSED: Final = frozenset({"cffi", "pandas", "scipy", "yaml"})


class _Absent:
    """Lets imports of UNUSED fail as if it were not installed."""

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        """See `importlib.abc.MetaPathFinder`."""
        if name in UNUSED:
            raise ModuleNotFoundError(name)


def leave_out_unused() -> None:
    """Let this process do without UNUSED; to be called before pyarrow or numba is imported."""
    sys.meta_path.insert(0, _Absent())
