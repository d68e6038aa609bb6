"""The nodes that this Dagster builds, their settings and their plans."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg

from dagster_project.place import ALL, HERE, ONE, node_name
from goe_lake.config import NodeConfig, read_node
from goe_lake.engine.policy import read_policy
from goe_lake.errors import ConfigError
from goe_lake.lake import IngestPlan, Progress, Snapshot, open_snapshot, plan

_MEND: Final = f"set {ALL} to node.toml files, or to folders that hold them, parted by {os.pathsep!r}"

#: The newest plan in this process by its node.toml, with the state of the inputs that it was made from.
#: One at most: a plan holds the samples and annotations of its node.
_plans: dict[Path, tuple[str, IngestPlan]] = {}


@dataclass(frozen=True)
class Found:
    """The nodes by their partition keys, and what is wrong with the settings files that cannot be read."""

    nodes: Mapping[str, NodeConfig]
    complaints: tuple[ConfigError, ...]


class Nodes(dg.ConfigurableResource["Nodes"]):
    """The nodes whose lakes are built here.

    *paths* are node.toml files, folders of a node, or folders of such folders, parted by the
    system's path separator. They are read anew on each use, so a node may be added at any time.
    """

    paths: str = ""

    def found(self) -> Found:
        """Every node that *paths* name; one broken file does not hide the other nodes."""
        nodes: dict[str, NodeConfig] = {}
        complaints: list[ConfigError] = []
        for file in self._files():
            try:
                config = read_node(file)
                key = node_key(config)
                if key in nodes:
                    raise ConfigError(
                        file, "node.id", f"{config.node_id} is also the id in {nodes[key].file}",
                        "give each node an id of its own",
                    )  # fmt: skip
            except ConfigError as error:
                complaints.append(error)
            else:
                nodes[key] = config
        return Found(nodes, tuple(complaints))

    def node(self, key: str) -> NodeConfig:
        """The node with that partition key; raises ConfigError where no readable file declares it."""
        found = self.found()
        if key in found.nodes:
            return found.nodes[key]
        if found.complaints:
            raise found.complaints[0]
        known = ", ".join(found.nodes) or "none"
        raise ConfigError(
            ALL if HERE.file is None else ONE, key, f"is not a configured node (configured: {known})", _MEND
        )

    def folder(self, key: str) -> Path | None:
        """The folder of a node's settings, from where its files are named; None for an unknown node."""
        config = self.found().nodes.get(key)
        return config.file.parent if config is not None else None

    def snapshot(self, key: str) -> Snapshot:
        """The published snapshot of a node. Raises ConfigError or LakeError."""
        return open_snapshot(self.node(key).lake)

    def plan(self, key: str, progress: Progress | None = None) -> IngestPlan:
        """The plan of a node's ingest, made anew when an input has changed.

        Raises InputError or ConfigError.
        """
        config = self.node(key)
        state = fingerprint(config)
        if _plans.get(config.file, ("",))[0] != state:
            policy = read_policy(config.policy)
            least = policy.min_persons if policy.protects else 1
            _plans.clear()
            _plans[config.file] = (state, plan(config, min_label_persons=least, progress=progress))
        return _plans[config.file][1]

    def _files(self) -> Iterator[Path]:
        for text in filter(None, self.paths.split(os.pathsep)):
            path = Path(text).expanduser()
            if (path / "node.toml").is_file():
                yield path / "node.toml"
            elif path.is_dir():
                yield from sorted(path.glob("*/node.toml"))
            else:
                yield path


def configured_nodes() -> Nodes:
    """The nodes that the environment names: one by GOE_NODE, or those of GOE_NODES."""
    if HERE.file is not None:
        return Nodes(paths=str(HERE.file))
    return Nodes(paths=dg.EnvVar(ALL).get_value("") or "")


def node_key(config: NodeConfig) -> str:
    """A node's partition key: its country, or its id where a country has several nodes."""
    return node_name(config.country, config.node_id)


def inputs_of(config: NodeConfig) -> tuple[Path, ...]:
    """Every file that an ingest of the node reads, its settings first."""
    optional = (config.policy, config.withdrawn, *config.annotation.files.values())
    return (
        config.file,
        *(path for path in optional if path is not None),
        config.samples,
        *config.score_files,
        *(path for delivery in config.genotypes for path in delivery.files),
    )


def fingerprint(config: NodeConfig) -> str:
    """What the inputs look like without reading them: a digest of their names, sizes and times of change."""
    digest = hashlib.sha256()
    for path in inputs_of(config):
        stat = path.stat()
        digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
