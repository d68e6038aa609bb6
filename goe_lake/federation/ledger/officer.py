"""What a node's data protection officer decides; each decision is an entry of the node's log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from goe_lake.config import NodeConfig, read_node
from goe_lake.errors import ConfigError
from goe_lake.federation.asker import Asker
from goe_lake.federation.ledger import held
from goe_lake.federation.ledger.entries import Entry, Kind
from goe_lake.federation.ledger.projects import Decided, Event, Project, decided
from goe_lake.federation.ledger.store import Ledger, Record


@dataclass(frozen=True)
class Office:
    """An officer at work on the ledger of one node."""

    config: NodeConfig
    ledger: Ledger
    officer: str

    def approve(self, project: Project, reason: str = "") -> Entry:
        """Let *project* ask the node, as it is described now; ConfigError where that cannot be meant."""
        if project.nodes and self.config.node_id not in project.nodes:
            raise ConfigError(
                "project.toml", "project.nodes", f"does not name {self.config.node_id}", "approve elsewhere"
            )
        if self.ledger.now().date() > project.expires:
            raise ConfigError(
                "project.toml", "project.expires", f"{project.expires} is past", "give a later day"
            )
        more = {"project": project.to_json(), "project_digest": project.digest, "reason": reason}
        return self._note(project.project_id, Event.APPROVED, more)

    def veto(self, project_id: str, reason: str) -> Entry:
        """Never answer the project, whoever approves it elsewhere."""
        return self._note(project_id, Event.VETOED, {"reason": reason})

    def withdraw(self, project_id: str, reason: str) -> Entry:
        """Take an approval back; ConfigError where the project is not approved."""
        known = self.ledger.decided(project_id)
        if known is None or known.event is not Event.APPROVED:
            raise ConfigError(
                "(command line)", "ID", f"{project_id} is not approved here", "goe project list"
            )
        return self._note(project_id, Event.WITHDRAWN, {"reason": reason})

    def hold(self, project_id: str, *, on: bool) -> Entry:
        """Look at each answer to the project before it leaves, or no longer."""
        if self.ledger.decided(project_id) is None:
            raise ConfigError("(command line)", "ID", f"{project_id} is not known here", "approve it first")
        return self._note(project_id, Event.HOLD_ON if on else Event.HOLD_OFF, {})

    def decide(self, number: int, reason: str, *, allow: bool) -> Entry:
        """Let the held answer with *number* go when it is asked for again, or keep it here for good."""
        waiting = {item.number: item for item in held.every(self.ledger, held.State.PENDING)}
        if number not in waiting:
            listed = ", ".join(map(str, waiting)) or "none"
            raise ConfigError("(command line)", "NUMBER", f"{number} is not waiting", f"waiting: {listed}")
        event = Event.ALLOWED if allow else Event.REFUSED
        more = {"held": number, "release": waiting[number].release, "reason": reason}
        return self._note(waiting[number].project, event, more)

    def projects(self) -> dict[str, Decided]:
        """What stands about each project that something was decided about."""
        entries = self.ledger.entries("kind = ? ORDER BY seq", (Kind.PROJECT.value,))
        known = dict.fromkeys(entry.project for entry in entries)
        found = {name: decided(entry for entry in entries if entry.project == name) for name in known}
        return {name: standing for name, standing in found.items() if standing is not None}

    def _note(self, project_id: str, event: Event, more: Mapping[str, object]) -> Entry:
        body = {"event": event.value, "officer": self.officer, **more}
        return self.ledger.append(Record(Kind.PROJECT, asker=Asker(project_id, ""), body=body))


@contextmanager
def office(node_toml: Path, officer: str) -> Iterator[Office]:
    """The ledger of the node of *node_toml*, for *officer* to decide in."""
    config = read_node(node_toml)
    ledger = Ledger.open(config.ledger, config.lake, config.node_id)
    try:
        yield Office(config, ledger, officer)
    finally:
        ledger.close()
