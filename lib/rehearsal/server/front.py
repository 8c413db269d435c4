"""What a server shows to its clients: an address or two, and the API behind each.

Imported once a worker is on its way: what answers is not needed before there is something to ask.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from rehearsal.server.api.adapters import Adapters
from rehearsal.server.api.gate import Gate
from rehearsal.server.api.inference import Inference
from rehearsal.server.api.management import Management
from rehearsal.server.api.plugins import Plugins
from rehearsal.server.api.routes import App
from rehearsal.server.config import Address, ServerConfig
from rehearsal.server.logs import ServerLog
from rehearsal.server.models.registry import Registry
from rehearsal.server.switches import Switch
from rehearsal.server.wire.crowd import Crowd
from rehearsal.server.wire.http import Connection


@dataclass(frozen=True)
class Front:
    """One address and what answers there; `name` as the log calls it."""

    name: str
    address: Address
    app: App
    config: ServerConfig
    log: ServerLog
    crowd: Crowd

    def connection(self) -> asyncio.Protocol:
        """What speaks with a client that has just connected."""
        if self.config.connection_fault:
            return Dropped(self.config.connection_fault, self.log)
        return Connection(self.app, self.config, self.log, self.crowd)

    def guard(self) -> None:
        """Keeps web pages out."""
        self.app.gate = Gate(self.address.host, dict(self.config.cors).get("access-control-allow-origin", ""))


def fronts(registry: Registry, config: ServerConfig, log: ServerLog, crowd: Crowd) -> list[Front]:
    """One for both APIs, or one for each."""
    inference, management = Inference(registry, config, log), Management(registry, config, log)
    adapters = Adapters(registry, config)
    plugins = None if Switch.NO_PLUGINS in config.original else Plugins(registry)
    if config.single_port:
        app = App(inference, management, adapters, plugins)
        return [Front("BOTH API", config.inference, app, config, log, crowd)]
    return [
        Front("INFERENCE API", config.inference, App(inference), config, log, crowd),
        Front("MANAGEMENT API", config.management, App(None, management, adapters, plugins), config, log, crowd),
    ]


class Dropped(asyncio.Protocol):
    """A connection that cannot be served, as a setting is wrong."""

    def __init__(self, why: str, log: ServerLog) -> None:
        self._why, self._log = why, log

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._log.warn("ChannelInitializer", f"Failed to initialize a channel.\n{self._why}")
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
