"""The demo's services: one process a node and one gateway, on free ports of this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from goe_lake.config import read_node
from goe_lake.errors import GoeError
from goe_lake.federation.keys import FederationKeys, make_federation_keys

READY_WITHIN: Final = 60.0  # seconds for a service to say that it listens
STOP_WITHIN: Final = 10.0


class ServiceFailed(GoeError):
    """A service of the demo did not start; its log says why."""


@dataclass
class Service:
    """One running process; *log* is the file that its messages go to."""

    name: str
    process: subprocess.Popen[str]
    log: Path


@dataclass
class Services:
    """The services of one federation; a context manager that stops them.

    *program* are the arguments with which Python runs the command line.
    """

    directory: Path
    node_tomls: Sequence[Path]
    program: Sequence[str] = ("-m", "goe_lake.cli")
    running: list[Service] = field(default_factory=list)
    url: str = ""
    ca: Path = Path()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        """Make throw-away keys, start every node at once, then the gateway."""
        *ports, gateway_port = free_ports(len(self.node_tomls) + 1)
        configs = [read_node(path) for path in self.node_tomls]
        members = [
            (config.node_id, config.country, "127.0.0.1", port)
            for config, port in zip(configs, ports, strict=True)
        ]
        keys = make_federation_keys(
            self.directory / "keys", members, gateway=("GOE-GATEWAY-1", "127.0.0.1", gateway_port)
        )
        self.url, self.ca = f"https://127.0.0.1:{gateway_port}", keys.ca
        for config in configs:
            self._launch(config.node_id, ["node", "serve", str(config.file)], keys)
        self._await(self.running)
        self._launch("gateway", ["gateway", "serve"], keys)
        self._await(self.running[-1:])

    def _launch(self, name: str, command: list[str], keys: FederationKeys) -> None:
        logs = self.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        log = logs / f"{name}.log"
        arguments = [sys.executable, *self.program, *command, "--federation", str(keys.federation)]
        with log.open("w", encoding="utf-8") as messages:
            process = subprocess.Popen(  # noqa: S603 - this very program, with paths of the demo's own
                arguments, stdout=subprocess.PIPE, stderr=messages, text=True, stdin=subprocess.DEVNULL
            )
        self.running.append(Service(name, process, log))

    def _await(self, services: Iterable[Service]) -> None:
        """Wait until each of *services* has printed its line."""
        for service in services:
            assert service.process.stdout is not None
            if not _first_line(service.process.stdout, READY_WITHIN):
                raise ServiceFailed(f"{service.name} did not start; see {service.log}")

    def stop(self) -> None:
        """End every service, the gateway first."""
        for service in reversed(self.running):
            service.process.terminate()
        for service in self.running:
            try:
                service.process.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                service.process.kill()
        self.running.clear()

    def wait(self) -> None:
        """Wait until a service ends, which none does by itself."""
        self.running[-1].process.wait()


def _first_line(stream: IO[str], seconds: float) -> str:
    """The first line of *stream*; "" where it ends, or says nothing in time."""
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(seconds)
    return lines[0] if lines else ""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [int(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()
