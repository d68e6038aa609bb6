"""The attacks: what is asked, by whom, and what the attacker makes of the answers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "attacks"
COUNTRIES: Final = ("EE", "FI", "LV")
#: Who attacks; two who collude are members of one project.
ANALYSTS: Final = ("anna", "ben")


@dataclass(frozen=True)
class Step:
    """One question: *sql*, and by whom and over which countries it is asked."""

    sql: str
    analyst: str = "anna"
    project: str = "demo"
    nodes: tuple[str, ...] = COUNTRIES


@dataclass(frozen=True)
class Attack:
    """Questions that must not tell a secret.

    *secret* is a column of the table of secrets, or a query over the pooled tables; *derive* is a query over
    the answers (a0, a1, …) and the errors (e0, e1, …, one row with the column error). Without a secret the
    attack succeeds where every step is answered, and if *bounded* where a step runs for longer than it may.
    """

    class_name: str
    name: str
    steps: tuple[Step, ...]
    secret: str | None = None
    derive: str | None = None
    bounded: bool = False


def read_attacks(folder: Path = FOLDER) -> tuple[Attack, ...]:
    """Every attack of the files of *folder*, in their order."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        for class_name, attacks in tomllib.loads(path.read_text(encoding="utf-8")).items():
            found += [_attack(class_name, name, data) for name, data in attacks.items()]
    return tuple(found)


def _attack(class_name: str, name: str, data: Mapping[str, Any]) -> Attack:
    texts: Iterable[str | Mapping[str, Any]] = data["sql"] if isinstance(data["sql"], list) else [data["sql"]]
    steps = tuple(Step(step) if isinstance(step, str) else _step(step) for step in texts)
    return Attack(
        class_name, name, steps, data.get("secret"), data.get("derive"), bool(data.get("bounded", False))
    )


def _step(data: Mapping[str, Any]) -> Step:
    return Step(**{**data, "nodes": tuple(data.get("nodes", COUNTRIES))})
