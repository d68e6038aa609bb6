"""What this code location is: the nodes that GOE_NODES names, or the one node that GOE_NODE names.

In one Dagster instance an asset, and a list of partitions, is known by its name. So the assets of a location
of one node begin with the node (`ee/contig_parquet`), and its lists of partitions are its own: several
such locations stand side by side, each a process with the rights of its own country.

A code location is a process, and Dagster asks it once what it is; so the settings are read on import.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg

from goe_lake.errors import ConfigError
from goe_lake.settings import read_toml

ALL: Final = "GOE_NODES"
ONE: Final = "GOE_NODE"


@dataclass(frozen=True)
class Place:
    """A code location: *node* is the key of its one node, None for several; *file* its settings."""

    node: str | None = None
    file: Path | None = None

    @property
    def prefix(self) -> list[str]:
        """What the keys of all assets begin with."""
        return [] if self.node is None else [_word(self.node)]

    def key(self, asset: str) -> dg.AssetKey:
        """The key of *asset* here.

        >>> Place().key("samples").to_user_string(), Place("EE").key("samples").to_user_string()
        ('samples', 'ee/samples')
        """
        return dg.AssetKey([*self.prefix, asset])

    def name(self, shared: str) -> str:
        """A name that is unique in the instance, such as that of a list of partitions.

        >>> Place().name("goe_node"), Place("GOE-EE-NODE-2").name("goe_node")
        ('goe_node', 'goe_node_goe_ee_node_2')
        """
        return "_".join([shared, *self.prefix])


def place_of(surroundings: Mapping[str, str]) -> Place:
    """The place that the environment names. Raises ConfigError where GOE_NODE is no node.toml.

    The files that node.toml names are not looked at: a location stands before its first delivery.
    """
    text = surroundings.get(ONE, "")
    if not text:
        return Place()
    if surroundings.get(ALL):
        raise ConfigError(
            ONE, ALL, "is set as well", f"unset one: {ONE} for a location of one node, {ALL} for several"
        )
    file = Path(text).expanduser().resolve()
    file = file / "node.toml" if file.is_dir() else file
    node = read_toml(file).section("node")
    country = node.text("country", 'e.g. country = "EE"')
    return Place(node_name(country, node.text_or("id", "", "e.g. GOE-EE-NODE-1")), file)


def node_name(country: str, node_id: str) -> str:
    """A node's partition key: its country, or its id where a country has several nodes.

    >>> node_name("EE", "GOE-EE-NODE-1"), node_name("EE", "GOE-EE-NODE-2")
    ('EE', 'GOE-EE-NODE-2')
    """
    return country if node_id in ("", f"GOE-{country}-NODE-1") else node_id


def _word(text: str) -> str:
    """*text* as Dagster takes it in the names of assets."""
    return re.sub(r"\W+", "_", text).lower()


HERE: Final = place_of(os.environ)
