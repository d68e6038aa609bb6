"""Starting and stopping the services."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp
from structlog.typing import Processor

from goe_lake.config import read_node
from goe_lake.errors import ConfigError, Incomplete
from goe_lake.federation import Federation
from goe_lake.federation.identity import Identity
from goe_lake.federation.membership import Address, read_federation
from goe_lake.federation.node_service import NodeService
from goe_lake.federation.public_sites import read_public_sites
from goe_lake.federation.remote_node import DEADLINE, Channel, RemoteNode
from goe_lake.federation.sealing_keys import circle_of, sealer_of
from goe_lake.federation.signed import check_vouched
from goe_lake.federation.standing import StandingFederation
from goe_lake.federation.tokens import RequestGate
from goe_lake.web.gateway_app import gateway_app
from goe_lake.web.node_app import node_app

log = structlog.get_logger("goe_lake.web")

NODE_DEADLINE: Final = 9.0  # seconds; within the time that a gateway waits
KEEP_ALIVE: Final = 75  # seconds; longer than the gateway keeps a connection that nobody uses


@dataclass(frozen=True)
class Binding:
    """Where a service listens on this machine; None leaves the port to federation.toml."""

    host: str = "127.0.0.1"
    port: int | None = None


def serve_node(
    node_toml: Path,
    federation_toml: Path,
    *,
    identity: Path | None = None,
    binding: Binding | None = None,
    deadline: float = NODE_DEADLINE,
    ready: Callable[[str], None],
) -> None:
    """Answer the gateway's requests for the node of *node_toml* until SIGTERM.

    *identity* is the folder of the node's keys, by default the one beside federation.toml that is
    named as the node. *ready* is called with one line once the service listens.
    """
    _log_events()
    membership = read_federation(federation_toml)
    member = membership.node(read_node(node_toml).node_id)
    own = Identity(member.node_id, identity or membership.file.parent / member.node_id)
    check_vouched(membership, own)
    service = NodeService(node_toml, membership, sealer_of(member, membership, own))
    signer = own.signer(member.public_key)
    gate = RequestGate(member.node_id, membership.gateway.gateway_id, membership.gateway.public_key)
    app = node_app(service, gate, signer, _checked_deadline(deadline))
    context = own.server_context(client_ca=membership.ca)
    try:
        _serve(app, context, member.address, binding or Binding(), deadline, f"node {member.node_id}", ready)
    finally:
        service.close()


def serve_gateway(
    federation_toml: Path,
    *,
    identity: Path | None = None,
    binding: Binding | None = None,
    deadline: float = DEADLINE,
    ready: Callable[[str], None],
) -> None:
    """Answer analysts' queries over the nodes of *federation_toml* until SIGTERM.

    *identity* is the folder of the gateway's keys, by default the one beside federation.toml that is
    named as the gateway. *ready* is called with one line once the service listens.
    """
    _log_events()
    membership = read_federation(federation_toml)
    member = membership.gateway
    own = Identity(member.gateway_id, identity or membership.file.parent / member.gateway_id)
    check_vouched(membership, own)
    signer = own.signer(member.public_key)
    channels = [
        Channel(node, signer, own.client_context(node.ca), _checked_deadline(deadline))
        for node in membership.nodes
    ]
    federation = StandingFederation(membership, channels)
    _open(federation)
    stop = threading.Event()
    threading.Thread(target=federation.watch, args=[stop], name="watch", daemon=True).start()
    try:
        context, name = own.server_context(), f"gateway {member.gateway_id}"
        app = gateway_app(federation)
        _serve(app, context, member.address, binding or Binding(), deadline, name, ready)
    finally:
        stop.set()
        federation.close()


@contextmanager
def remote_federation(federation_toml: Path, *, identity: Path | None = None) -> Iterator[Federation]:
    """All nodes of *federation_toml* as one federation, asked over HTTPS in the gateway's name.

    Raises NodeFailed where a node cannot be reached.
    """
    membership = read_federation(federation_toml)
    member = membership.gateway
    own = Identity(member.gateway_id, identity or membership.file.parent / member.gateway_id)
    check_vouched(membership, own)
    signer = own.signer(member.public_key)
    channels = [Channel(node, signer, own.client_context(node.ca)) for node in membership.nodes]
    try:
        nodes = [RemoteNode(channel, membership) for channel in channels]
        path = membership.public_sites
        known = read_public_sites(path) if path is not None else None
        yield Federation(nodes, circle=circle_of(membership), public_sites=known)
    finally:
        for channel in channels:
            channel.close()


def _open(federation: StandingFederation) -> None:
    """Open *federation* as far as that is possible now; the rest is tried again later."""
    try:
        absent = federation.open()
    except (Incomplete, ConfigError) as error:
        log.error("federation_not_opened", error=str(error))
    else:
        if absent:
            log.warning("nodes_absent", nodes=absent)


def _checked_deadline(deadline: float) -> float:
    if not 0.2 <= deadline <= 3600:
        raise ConfigError("(command line)", "--deadline", f"{deadline} is outside 0.2..3600", "e.g. 10")
    return deadline


def _log_events() -> None:
    """Events as JSON lines on stderr, those of other libraries too, and of those no exception's text."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_exception)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _without_exception(record: logging.LogRecord) -> bool:
    """Take the exception out of *record*: its text may quote a value."""
    record.exc_info = record.exc_text = None
    return True


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._ready(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is under way, then stop."""
        for connection in tuple(self.server_state.connections):
            cycle = getattr(connection, "cycle", None)
            if cycle is None or cycle.response_complete:
                # a client that is asleep would not say goodbye, and TLS would wait for it
                connection.transport.abort()
        await super().shutdown(sockets)


def _serve(
    app: ASGIApp,
    context: ssl.SSLContext,
    address: Address,
    binding: Binding,
    deadline: float,
    name: str,
    ready: Callable[[str], None],
) -> None:
    """Serve *app* until SIGTERM or SIGINT; requests under way are answered first."""
    config = uvicorn.Config(
        app,
        host=binding.host,
        port=address.port if binding.port is None else binding.port,
        ssl_context_factory=lambda config, default: context,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(deadline) + 1,
        # no access log: a request's line says who asked what
        access_log=False,
        log_config=None,
        ws="none",
        server_header=False,
        headers=[("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")],
        proxy_headers=False,
    )
    # uvicorn raises the signal again when it has stopped; to stop when told to is no failure
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _Server(config, lambda port: ready(f"{name} listens on https://{binding.host}:{port}")).run()
