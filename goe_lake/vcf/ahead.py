"""Scans that begin while the rest of the program still loads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from goe_lake.vcf.scan import Scan, scan

#: Files of more bytes, all together, gain nothing; and whatever else is wrong is to be told soon.
MOST_AHEAD: Final = 256 << 20
_begun: dict[Path, Future[Scan]] = {}


def scan_ahead(paths: Sequence[Path]) -> None:
    """Begin to scan the files at *paths*, one after the other, if they are not too large."""
    try:
        total = sum(path.stat().st_size for path in paths)
    except OSError:
        # whoever needs the file says what is wrong
        return
    if total <= MOST_AHEAD:
        pool = ThreadPoolExecutor(1)
        _begun.update({path: pool.submit(scan, path) for path in dict.fromkeys(paths)})


def scanned(path: Path) -> Scan:
    """The scan of the file at *path*: the one begun ahead, once, or a new one. Raises as `scan` does."""
    begun = _begun.pop(path, None)
    return scan(path) if begun is None else begun.result()
