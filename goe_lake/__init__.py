"""The Genome of Europe as a federated data lake: ordinary SQL over genomes that never leave their country."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from goe_lake.errors import QueryRefused

if TYPE_CHECKING:
    from goe_lake.federation import Federation
    from goe_lake.federation.client import Client

    __version__: str

__all__ = ["QueryRefused", "__version__", "connect", "open_federation"]


def __getattr__(name: str) -> str:
    """`__version__`, which is looked up when somebody asks: it takes longer than loading this package."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("goe-lake")


def open_federation(
    node_tomls: Iterable[Path | str],
    project: str = "demo",
    analyst: str | None = None,
    *,
    sealed: bool = True,
    public_sites: Path | str | None = None,
) -> Federation:
    """Open the federation of the built lakes that the *node_tomls* describe, in this process.

    *project* and *analyst* are who asks; the analyst is $GOE_ANALYST or the user of this process unless
    it is named. A project that no officer decided about is answered where a policy allows it, and its name
    is then the purpose that consent must cover. Sums over three nodes or more whose keys can be listed are
    sealed, unless *sealed* is False. *public_sites* is a Parquet file of sites (contig, pos, ref, alt) that
    are listed whoever carries them. Raises ConfigError where the nodes do not fit together, and LakeError
    where a lake is not built.
    """
    import structlog

    from goe_lake.federation import EmbeddedNode, Federation
    from goe_lake.federation.asker import local_analyst
    from goe_lake.federation.public_sites import read_public_sites
    from goe_lake.federation.sealed_sums import seat_in_memory

    if not structlog.is_configured():  # it would print to stdout, which belongs to the caller
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
    who, nodes = analyst or local_analyst(), [EmbeddedNode(path) for path in node_tomls]
    circle = seat_in_memory(nodes) if sealed else None
    known = read_public_sites(Path(public_sites)) if public_sites is not None else None
    return Federation(nodes, project=project, analyst=who, circle=circle, public_sites=known)


def connect(
    url: str,
    token: str | None = None,
    ca: Path | str | None = None,
    project: str = "demo",
    analyst: str = "anonymous",
) -> Client:
    """Connect to the gateway at *url*; the calls, answers and errors are those of `open_federation`.

    *project*, *analyst* and *token* say who asks; *ca* is the certificate authority of the gateway,
    where the system does not know it.
    """
    from goe_lake.federation.client import Client

    return Client(url, token=token, ca=ca, project=project, analyst=analyst)
