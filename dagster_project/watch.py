"""Telling a delivery that is complete from one that is still being copied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from dagster_project.nodes import fingerprint, inputs_of
from goe_lake.config import NodeConfig
from goe_lake.lake.layout import CURRENT


@dataclass(frozen=True)
class Memory:
    """What was seen at the last look, and what a build was last asked for; states by node."""

    seen: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The memory as text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Memory:
        """The memory that `to_json` wrote; an empty one for None."""
        return cls(**json.loads(text)) if text else cls()


@dataclass(frozen=True)
class Look:
    """The nodes to build, with the state of their files, and what to remember."""

    changed: Mapping[str, str]
    memory: Memory


def look(nodes: Mapping[str, NodeConfig], memory: Memory) -> Look:
    """Compare the files of *nodes* with *memory*.

    A node is to be built when its files differ from those of its last build and are as they were at
    the look before: a file that still grows has another size each time.
    """
    states = {key: fingerprint(config) for key, config in nodes.items()}
    asked = dict(memory.asked)
    changed: dict[str, str] = {}
    for key, state in states.items():
        if key not in asked and built_since(nodes[key]):
            asked[key] = state
        if asked.get(key) != state and memory.seen.get(key) == state:
            changed[key] = asked[key] = state
    return Look(changed, Memory(seen=states, asked=asked))


def built_since(config: NodeConfig) -> bool:
    """Whether the lake was published after every input arrived (a copy may be older than that)."""
    pointer = config.lake / CURRENT
    if not pointer.is_file():
        return False
    return pointer.stat().st_mtime >= max(path.stat().st_ctime for path in inputs_of(config))
