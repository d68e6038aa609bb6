"""Scans of genotype files, remembered in staging so that planning again does not read them again.

A note holds no header: the names of samples are read from the file each time, so that a note never
keeps a person who has withdrawn.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from goe_lake.lake.progress import Progress
from goe_lake.vcf.ahead import scanned
from goe_lake.vcf.container import Container, read_chunks
from goe_lake.vcf.header import Header, parse_header
from goe_lake.vcf.scan import Run, Scan

#: The folder of the notes, beneath staging.
SCANS: Final = "scans"
SCAN_VERSION: Final = "scan5"
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
    memory = folder / note_name(path)
    if memory.is_file():
        # a process that was killed may have left half a note
        with suppress(ValueError, KeyError, TypeError):
            return _from_json(path, json.loads(memory.read_text()))
    found = scanned(path)
    memory.write_text(json.dumps({**asdict(found), "header": None}))
    return found


def note_name(path: Path) -> str:
    """The name of the note about the file at *path* as it is now."""
    stat = path.stat()
    state = f"{path} {stat.st_size} {stat.st_mtime_ns}"
    return f"{SCAN_VERSION}-{hashlib.sha256(state.encode()).hexdigest()[:32]}.json"


def _from_json(path: Path, data: Mapping[str, Any]) -> Scan:
    runs = tuple(Run(**{**run, **_places(run)}) for run in data["runs"])
    return Scan(**{**data, "header": _header(path, data["container"], data["format"]), "runs": runs})


def _header(path: Path, container: Container, kind: str) -> Header:
    """The header of a file that was scanned before; ValueError where it is no longer as it was."""
    text = b""
    for chunk in read_chunks(path, container):
        text += chunk.text
        if kind == "bcf" and len(text) >= 9:
            end = 9 + struct.unpack_from("<I", text, 5)[0]
            if len(text) >= end:
                return parse_header(path, text[9:end].rstrip(b"\0"))
        elif kind == "vcf":
            end = text.find(b"\n", text.find(b"\n#CHROM") + 1) if b"\n#CHROM" in text else -1
            if end >= 0:
                return parse_header(path, text[: end + 1])
    raise ValueError(f"{path} has no whole header")


def _places(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """The places of a run, which JSON keeps as lists."""
    return {
        "start": tuple(run["start"]),
        "end": tuple(run["end"]),
        "cuts": tuple((tuple(place), before) for place, before in run["cuts"]),
    }
