"""The file that holds a node's policy."""

from __future__ import annotations

from pathlib import Path

from goe_lake.disclosure import DEFAULT_POLICY, Policy, parse_policy
from goe_lake.errors import ConfigError


def read_policy(path: Path | None) -> Policy:
    """The policy at *path*, or the default where a node has none.

    Raises ConfigError naming the setting and the mend.
    """
    if path is None:
        return DEFAULT_POLICY
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            path, "(whole file)", f"cannot be read: {error.strerror}", "check node.policy"
        ) from None
    return parse_policy(text, str(path))
