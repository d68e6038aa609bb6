"""The Genome of Europe as a federated data lake: ordinary SQL over genomes that never leave their country."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from goe_lake.errors import ConfigError, QueryRefused

if TYPE_CHECKING:
    from goe_lake.federation import Federation

__version__ = version("goe-lake")

__all__ = ["QueryRefused", "__version__", "connect", "open_federation"]


def open_federation(node_tomls: Iterable[Path | str], project: str = "demo") -> Federation:
    """Open the federation of the built lakes that the *node_tomls* describe, in this process.

    *project* names the purpose that consent must cover. Raises ConfigError where the nodes do not
    fit together, and LakeError where a lake is not built.
    """
    from goe_lake.federation import EmbeddedNode, Federation

    return Federation([EmbeddedNode(path) for path in node_tomls], project=project)


def connect(url: str, token: str | None = None) -> Federation:
    """Connect to the gateway at *url*."""
    raise ConfigError(
        "connect", "url", f"{url}: gateways over the wire are not answered yet", "use open_federation"
    )
