"""Real services on this machine: one process a node and one gateway, over HTTPS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from goe_lake.config import read_node
from goe_lake.federation.identity import Identity
from goe_lake.federation.keys import FederationKeys, make_federation_keys
from goe_lake.federation.membership import Membership, read_federation
from goe_lake.federation.remote_node import Channel
from goe_lake.federation.tokens import Signer
from tests.ports import free_ports

REPOSITORY = Path(__file__).resolve().parents[2]
GATEWAY = "GOE-GATEWAY-1"
STOP_WITHIN = 60.0  # seconds


@dataclass
class Running:
    """The services of one federation; *commands* says how each is started."""

    keys: FederationKeys
    membership: Membership
    node_tomls: dict[str, Path]
    logs: Path
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return self.membership.gateway.address.url

    def start(self, names: Iterable[str]) -> None:
        """Start services, all at once, and wait until each says that it listens."""
        names = list(names)
        for name in names:
            command = [sys.executable, "-m", "goe_lake.cli", *self._command(name), "--federation"]
            with self.log(name).open("a") as log:
                self.processes[name] = subprocess.Popen(
                    [*command, str(self.keys.federation)],
                    cwd=REPOSITORY,
                    env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        for name in names:
            line = self.processes[name].stdout.readline()
            assert "listens on https://" in line, self.log(name).read_text()

    def stop(self, name: str) -> int:
        """End one service as an operator would; its exit code."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        code = process.wait(STOP_WITHIN)
        process.stdout.close()
        return code

    def stop_all(self) -> None:
        """End every service."""
        for name in list(self.processes):
            self.stop(name)

    @contextmanager
    def all_started(self) -> Iterator[Running]:
        """Every service, for as long as they are needed."""
        try:
            self.start(self.node_tomls)
            self.start([GATEWAY])
            yield self
        finally:
            self.stop_all()

    def freeze(self, name: str) -> None:
        """Let one service neither answer nor end."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self.processes[name].send_signal(signal.SIGCONT)

    def log(self, name: str) -> Path:
        """The file with what a service logged."""
        return self.logs / f"{name}.log"

    def identity(self, name: str) -> Identity:
        """The private side of a service."""
        return Identity(name, self.keys.federation.parent / name)

    def gateway_signer(self) -> Signer:
        """What the gateway signs with."""
        return self.identity(GATEWAY).signer(self.membership.gateway.public_key)

    def channels(self, deadline: float = 20.0) -> list[Channel]:
        """Lines to the nodes, as the gateway has them."""
        identity, signer = self.identity(GATEWAY), self.gateway_signer()
        return [
            Channel(member, signer, identity.client_context(member.ca), deadline)
            for member in self.membership.nodes
        ]

    def _command(self, name: str) -> list[str]:
        return ["gateway", "serve"] if name == GATEWAY else ["node", "serve", str(self.node_tomls[name])]


def prepare(directory: Path, node_tomls: Iterable[Path]) -> Running:
    """Keys, free ports and a federation.toml for the built lakes of *node_tomls*; nothing is started."""
    configs = {config.node_id: config for config in map(read_node, node_tomls)}
    *ports, gateway_port = free_ports(len(configs) + 1)
    members = [
        (config.node_id, config.country, "localhost", port)
        for config, port in zip(configs.values(), ports, strict=True)
    ]
    keys = make_federation_keys(directory / "keys", members, gateway=(GATEWAY, "localhost", gateway_port))
    logs = directory / "logs"
    logs.mkdir()
    tomls = {name: config.file for name, config in configs.items()}
    return Running(keys, read_federation(keys.federation), tomls, logs)
