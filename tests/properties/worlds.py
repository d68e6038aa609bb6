"""Random cohorts built as lakes, opened as a federation, and pooled by the oracle; each of them once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import goe_lake
from goe_lake.config import read_node
from goe_lake.engine.node import NodeAnswer
from goe_lake.federation import EmbeddedNode, Federation
from goe_lake.federation.asker import Asker
from goe_lake.lake import ingest
from goe_lake.release import Release
from tests.oracle.cohort import PURPOSE, NodeFiles, Shape, shape_of, write_cohort
from tests.oracle.pooled import Pooled, pool

SITE = ("contig", "pos", "ref", "alt", "end_pos")


@dataclass(frozen=True)
class World:
    """A cohort three times: as files, as a federation of lakes, and as one database."""

    nodes: tuple[NodeFiles, ...]
    federation: Federation
    pooled: Pooled

    def pooled_or_skip(self, text: str) -> tuple[list[str], list[str], list[tuple[Any, ...]]]:
        """Names, types and rows that DuckDB gives for *text*; skips the test where it gives none."""
        try:
            return self.pooled.run(text)
        except duckdb.Error as error:
            pytest.skip(f"the pooled rows do not know it: {str(error).splitlines()[0]}")


class Worlds:
    """The worlds of one test session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._built: dict[Shape, World] = {}

    def world(self, shape: Shape) -> World:
        """The world of *shape*."""
        if shape not in self._built:
            folder = self.folder / f"world{len(self._built)}"
            self._built[shape] = build(write_cohort(shape, folder))
        return self._built[shape]


@dataclass
class Watched:
    """A node, and a note of everything that left it."""

    node: EmbeddedNode
    left: list[tuple[dict[str, Any], NodeAnswer]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)

    def answer(self, release: Release, asker: Asker, query_id: str) -> NodeAnswer:
        """The node's answer, noted."""
        answer = self.node.answer(release, asker, query_id)
        self.left.append((release.to_json(), answer))
        return answer


def build(
    nodes: tuple[NodeFiles, ...], wrap: Callable[[EmbeddedNode], goe_lake.federation.Node] = lambda node: node
) -> World:
    """The lakes of *nodes* as a federation and as one database; *wrap* stands between gateway and node."""
    for node in nodes:
        ingest(read_node(node.toml), min_label_persons=1, progress=None)
    return opened(nodes, wrap)


def opened(
    nodes: tuple[NodeFiles, ...], wrap: Callable[[EmbeddedNode], goe_lake.federation.Node] = lambda node: node
) -> World:
    """The same, of lakes that were built."""
    federation = Federation([wrap(EmbeddedNode(node.toml)) for node in nodes], project=PURPOSE)
    listed = federation.site_list.sites.select(SITE).to_pylist()
    return World(nodes, federation, pool(nodes, [tuple(site[name] for name in SITE) for site in listed]))


def pool_size() -> int:
    """How many cohorts a test draws from: enough to differ, few enough to be built in seconds."""
    return max(4, min(60, settings.default.max_examples // 5))


def protected_shapes() -> st.SearchStrategy[Shape]:
    """Shapes of cohorts under protection, with thresholds of 2 to 6 persons."""
    return st.integers(0, pool_size() - 1).map(lambda seed: shape_of(seed, 2 + seed % 5))


class WatchedWorlds:
    """Worlds whose nodes are watched: what leaves each of them is noted."""

    def __init__(self, worlds: Worlds) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=worlds.folder))
        self._built: dict[Shape, tuple[World, list[Watched]]] = {}

    def world(self, shape: Shape) -> tuple[World, list[Watched]]:
        """The world of *shape*, and its nodes."""
        if shape not in self._built:
            nodes: list[Watched] = []

            def watch(node: EmbeddedNode) -> Watched:
                nodes.append(Watched(node))
                return nodes[-1]

            files = write_cohort(shape, self._folder / f"world{len(self._built)}")
            self._built[shape] = build(files, watch), nodes
        return self._built[shape]
