"""Telling a delivery that is complete from one that is still being copied, and new content from old."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from dagster_project.nodes import fingerprint, inputs_of
from goe_lake.config import NodeConfig
from goe_lake.lake.layout import CURRENT

#: A look reads files for their digests at most this long: Dagster ends a sensor after a minute.
SECONDS_READING: Final = 20.0
_PIECE: Final = 1 << 20

#: Size in bytes, time of change in ns, SHA-256; the last is "" for a file that takes too long to read here.
Known = tuple[int, int, str]


@dataclass(frozen=True)
class Memory:
    """What was seen at the last look, and what a build was last asked for.

    *seen* and *asked* are fingerprints by node, *content* digests of all inputs by node, *files* digests
    of single files by their path.
    """

    seen: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    content: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Known] = field(default_factory=dict)

    def to_json(self) -> str:
        """The memory as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Memory:
        """The memory that `to_json` wrote; an empty one for None."""
        data = json.loads(text) if text else {}
        files = {
            path: (size, changed, digest) for path, (size, changed, digest) in data.pop("files", {}).items()
        }
        return cls(**data, files=files)


@dataclass(frozen=True)
class Look:
    """The nodes to build with a key for the run, those delivered again unchanged, and what to remember."""

    changed: Mapping[str, str]
    unchanged: tuple[str, ...]
    memory: Memory


def look(nodes: Mapping[str, NodeConfig], memory: Memory, seconds: float = SECONDS_READING) -> Look:
    """Compare the files of *nodes* with *memory*.

    A node is looked at closely when its files differ from those of its last build and are as they were at
    the look before: a file that still grows has another size each time. It is built when their content
    is new; the same content delivered again is not.
    """
    reader = _Reader(dict(memory.files), time.monotonic() + seconds)
    states = {key: fingerprint(config) for key, config in nodes.items()}
    asked, content = dict(memory.asked), dict(memory.content)
    changed: dict[str, str] = {}
    unchanged = []
    for key, state in states.items():
        if key not in asked and built_since(nodes[key]):
            asked[key] = state
        if asked.get(key) == state or memory.seen.get(key) != state:
            continue
        digest = reader.content(nodes[key])
        if digest is None:
            continue
        asked[key] = state
        if content.get(key) == digest:
            unchanged.append(key)
        else:
            # the state too: content that was built once, replaced, and delivered again is built again
            changed[key] = f"{key} {digest} {state}"
            content[key] = digest
    present = {str(path) for config in nodes.values() for path in inputs_of(config)}
    files = {path: known for path, known in reader.files.items() if path in present}
    return Look(changed, tuple(unchanged), Memory(states, asked, content, files))


@dataclass
class _Reader:
    """Digests of files, read until *end* (as time.monotonic counts); *files* are known already."""

    files: dict[str, Known]
    end: float
    began: bool = False

    def content(self, config: NodeConfig) -> str | None:
        """One digest of all inputs of a node; None where the time is over, to go on at the next look."""
        whole = hashlib.sha256()
        for path in inputs_of(config):
            known = self._known(path)
            if known is None:
                return None
            size, changed, digest = known
            whole.update(f"{path}\0{digest or (size, changed)}\0".encode())
        return whole.hexdigest()[:16]

    def _known(self, path: Path) -> Known | None:
        stat = path.stat()
        facts = (stat.st_size, stat.st_mtime_ns)
        known = self.files.get(str(path))
        if known is not None and known[:2] == facts:
            return known
        if self.began and time.monotonic() > self.end:
            return None
        digest = self._digest(path)
        if digest is None and self.began:
            return None
        # a file that one whole look is too short for goes by its size and time
        self.files[str(path)] = (*facts, digest or "")
        self.began = True
        return self.files[str(path)]

    def _digest(self, path: Path) -> str | None:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                if time.monotonic() > self.end:
                    return None
        return digest.hexdigest()


def built_since(config: NodeConfig) -> bool:
    """Whether the lake was published after every input arrived (a copy may be older than that)."""
    pointer = config.lake / CURRENT
    if not pointer.is_file():
        return False
    return pointer.stat().st_mtime >= newest_arrival(config)


def newest_arrival(config: NodeConfig) -> float:
    """When the newest input of a node arrived on this disk, in seconds since 1970."""
    return max(path.stat().st_ctime for path in inputs_of(config))
