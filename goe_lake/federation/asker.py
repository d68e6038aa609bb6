"""Who asks: a project, and the analyst who does so for it."""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import dataclass
from typing import Any, Final

#: One line of text, as names of projects, analysts and purposes are.
LINE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
ANONYMOUS: Final = "anonymous"


@dataclass(frozen=True)
class Asker:
    """A project, and the analyst who asks for it."""

    project: str
    analyst: str = ANONYMOUS

    @property
    def well_written(self) -> bool:
        """Whether neither breaks a line of a log, or is of any length."""
        return bool(LINE.fullmatch(self.project) and LINE.fullmatch(self.analyst))

    def to_json(self) -> dict[str, Any]:
        """The asker as plain JSON values."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, data: object) -> Asker:
        """The asker that `to_json` wrote; ValueError for anything else."""
        if not isinstance(data, dict) or set(data) != {"project", "analyst"}:
            raise ValueError("this is no asker")
        if not all(isinstance(value, str) for value in data.values()):
            raise ValueError("this is no asker")
        return cls(**data)


def local_analyst() -> str:
    """The analyst at this machine: $GOE_ANALYST, else the user of this process."""
    named = os.environ.get("GOE_ANALYST")
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ANONYMOUS
