"""Projects: what a project.toml says, and what each node's officer has decided about it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from goe_lake.errors import ConfigError, Declined
from goe_lake.federation.asker import LINE, Asker
from goe_lake.federation.ledger.entries import Entry
from goe_lake.release import digest_of
from goe_lake.settings import Section, read_toml

PROJECT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Who asks without a project that the node knows; all of them spend one budget.
OPEN_ACCOUNT: Final = "(open)"


@dataclass(frozen=True)
class Project:
    """What a group of analysts may do until when; *expires* is the last day (UTC) that they may.

    *nodes* are those that are asked to approve; empty means any.
    """

    project_id: str
    title: str
    purpose: str
    members: tuple[str, ...]
    expires: date
    nodes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The project as plain JSON values."""
        return {
            **vars(self),
            "members": list(self.members),
            "nodes": list(self.nodes),
            "expires": self.expires.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Project:
        """The project that `to_json` wrote."""
        return cls(
            data["project_id"],
            data["title"],
            data["purpose"],
            tuple(data["members"]),
            date.fromisoformat(data["expires"]),
            tuple(data["nodes"]),
        )

    @property
    def digest(self) -> str:
        """The identity of what is approved."""
        return digest_of(self.to_json())

    def to_toml(self) -> str:
        """The text of its project.toml."""
        lines = [
            "[project]",
            f"id = {_quoted(self.project_id)}",
            f"title = {_quoted(self.title)}",
            f"purpose = {_quoted(self.purpose)}",
            f"members = [{', '.join(map(_quoted, self.members))}]",
            f'expires = "{self.expires.isoformat()}"',
        ]
        if self.nodes:
            lines.append(f"nodes = [{', '.join(map(_quoted, self.nodes))}]")
        return "\n".join(lines) + "\n"


def read_project(path: Path) -> Project:
    """The project that the file at *path* describes.

    Raises ConfigError naming the setting and the mend.
    """
    top = read_toml(path)
    section = top.section("project")
    project_id = section.text("id", 'e.g. id = "cardio-2026"')
    if not PROJECT_ID.fullmatch(project_id):
        raise section.error(
            "id", f"{project_id!r} has other characters than letters, digits and ._-", "e.g. cardio-2026"
        )
    project = Project(
        project_id=project_id,
        title=_line(section, "title", "one line that people know it by"),
        purpose=_line(
            section, "purpose", 'one of the purposes of [consent], e.g. purpose = "cardiovascular"'
        ),
        members=_lines(section, "members", 'ids of analysts, e.g. members = ["anna@example.org"]'),
        expires=_day(section, "expires"),
        nodes=_lines(section, "nodes", 'ids of nodes, e.g. nodes = ["GOE-EE-NODE-1"]', least=0),
    )
    section.done()
    top.done()
    return project


def _line(section: Section, name: str, mend: str) -> str:
    text = section.text(name, mend)
    if not LINE.fullmatch(text):
        raise section.error(name, "is not one line of at most 100 characters", mend)
    return text


def _lines(section: Section, name: str, mend: str, least: int = 1) -> tuple[str, ...]:
    texts = section.texts(name, mend) or ()
    if len(texts) < least or len(set(texts)) < len(texts) or not all(map(LINE.fullmatch, texts)):
        raise section.error(name, "names nobody, or somebody twice, or not on one line", mend)
    return texts


def _day(section: Section, name: str) -> date:
    mend = 'the last day, e.g. expires = "2027-12-31"'
    text = section.text(name, mend)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise section.error(name, f"{text!r} is not a day", mend) from None


def _quoted(text: str) -> str:
    """*text* as TOML writes it."""
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if tomllib.loads(f"x = {quoted}")["x"] != text:
        raise ConfigError("project.toml", "(text)", f"{text!r} cannot be written", "use one plain line")
    return quoted


class Event(StrEnum):
    """What an officer may decide about a project."""

    APPROVED = "approved"
    VETOED = "vetoed"
    WITHDRAWN = "withdrawn"
    HOLD_ON = "hold_on"
    HOLD_OFF = "hold_off"
    ALLOWED = "allowed"  # one answer that was held
    REFUSED = "refused"  # the same, and it stays here


@dataclass(frozen=True)
class Decided:
    """What stands of an officer's decisions about one project: the newest, and whether answers are held."""

    event: Event
    project: Project | None
    at: str
    reason: str
    hold: bool


def decided(entries: Iterable[Entry]) -> Decided | None:
    """What stands after *entries* about one project, oldest first; None where nothing was decided."""
    standing: Decided | None = None
    hold = False
    for entry in entries:
        content = entry.content
        event = Event(content["event"])
        if event in (Event.HOLD_ON, Event.HOLD_OFF):
            hold = event is Event.HOLD_ON
        elif event in (Event.APPROVED, Event.VETOED, Event.WITHDRAWN):
            project = Project.from_json(content["project"]) if event is Event.APPROVED else None
            standing = Decided(event, project, entry.at, content.get("reason", ""), hold)
    if standing is None:
        return None
    return Decided(standing.event, standing.project, standing.at, standing.reason, hold)


@dataclass(frozen=True)
class Standing:
    """Under what an asker is answered: the *purpose* that consent must cover, and whose budget it spends.

    *hold* says that an officer looks at each answer before it leaves.
    """

    purpose: str
    account: str
    hold: bool = False


def standing_of(
    asker: Asker, known: Decided | None, node_id: str, now: datetime, *, required: bool
) -> Standing:
    """Under what *asker* is answered at the node; *known* is what its officer decided about the project.

    Raises Declined, with the mend.
    """
    project = asker.project
    if known is None:
        if required:
            mend = f"ask the node's officer: goe project approve PROJECT.toml NODE.toml (for {project})"
            raise Declined("G801", f"the project {project} is not approved", mend)
        return Standing(project, OPEN_ACCOUNT)
    day = known.at[:10]
    if known.event is not Event.APPROVED or known.project is None:
        mend = "only the node's officer can change that, by approving it again"
        raise Declined("G801", f"the project {project} was {known.event} on {day}", mend)
    approved = known.project
    if now.astimezone(UTC).date() > approved.expires:
        mend = "ask for a longer time: a later `expires` in project.toml, approved again"
        raise Declined("G801", f"the project {project} expired on {approved.expires}", mend)
    if approved.nodes and node_id not in approved.nodes:
        mend = "name the node in `nodes` of project.toml, and have that approved"
        raise Declined("G801", f"the project {project} does not name this node", mend)
    if asker.analyst not in approved.members:
        mend = "name the analyst in `members` of project.toml, and have that approved"
        raise Declined("G801", f"the analyst is no member of the project {project}", mend)
    return Standing(approved.purpose, project, known.hold)
