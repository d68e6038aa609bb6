"""Scans of genotype files, remembered in staging so that planning again does not read them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from goe_lake.lake.progress import Progress
from goe_lake.vcf.header import Header
from goe_lake.vcf.scan import Run, Scan, scan

SCAN_VERSION: Final = "scan/2"
READERS: Final = 2


def scan_files(paths: tuple[Path, ...], folder: Path, progress: Progress) -> Mapping[Path, Scan]:
    """A scan of each of *paths*; one that *folder* remembers stands while size and time are the same.

    Raises InputError about the first file that cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not paths:
        return {}
    progress.start("read files", len(paths))
    with ThreadPoolExecutor(READERS) as pool:
        found: dict[Path, Scan] = {}
        for path, result in zip(paths, pool.map(lambda path: _scan(path, folder), paths), strict=True):
            found[path] = result
            progress.advance("read files", 1)
    progress.finish("read files")
    return found


def _scan(path: Path, folder: Path) -> Scan:
    stat = path.stat()
    state = f"{SCAN_VERSION} {path} {stat.st_size} {stat.st_mtime_ns}"
    memory = folder / f"{hashlib.sha256(state.encode()).hexdigest()[:32]}.json"
    if memory.is_file():
        # a process that was killed may have left half a note
        with suppress(ValueError, KeyError, TypeError):
            return _from_json(json.loads(memory.read_text()))
    found = scan(path)
    memory.write_text(json.dumps(asdict(found)))
    return found


def _from_json(data: Mapping[str, Any]) -> Scan:
    runs = tuple(
        Run(**{**run, "start": (run["start"][0], run["start"][1]), "end": (run["end"][0], run["end"][1])})
        for run in data["runs"]
    )
    return Scan(**{**data, "header": Header(data["header"]["text"]), "runs": runs})
