"""Lakes of worlds whose persons change between questions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from goe_lake.config import read_node
from goe_lake.lake import ingest

#: Nodes that were built, by what is in them; each world has a copy.
_BUILT: dict[str, Path] = {}


def fill(node: Path, content: str, before: str | None, policy: str, write: Callable[[Path], None]) -> Path:
    """The node.toml of *node* with *policy* and the persons that *content* names, which *write* writes.

    A lake that is there already, with those of *before*, gets a new snapshot.
    """
    if (node / "lake").is_dir():
        if before != content:
            _build(node, write)
    else:
        if content not in _BUILT:
            _BUILT[content] = Path(mkdtemp(prefix="world"))
            _build(_BUILT[content], write)
        shutil.copytree(_BUILT[content], node)
    (node / "policy.toml").write_text(policy)
    return node / "node.toml"


def _build(node: Path, write: Callable[[Path], None]) -> None:
    write(node)
    ingest(read_node(node / "node.toml"), min_label_persons=1, progress=None)
