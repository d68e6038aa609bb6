"""Ports for the servers that tests start."""

from __future__ import annotations

import secrets
import socket

# Below the ports that systems give to outgoing connections, which might take one before the server does
RANGE = range(12_000, 30_000)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on; drawn, so that processes side by side draw others."""
    found: list[int] = []
    for port in secrets.SystemRandom().sample(RANGE, 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("hardly a port of this machine is free")


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
