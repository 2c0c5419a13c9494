"""How many connections the HTTP port takes, in all and from one address: aiohttp itself knows no bound."""

import asyncio
from typing import Any

from aiohttp import web

MAX_CONNECTIONS = 512
MAX_EACH = 64
"""From one address: a Prometheus and some probes have a few."""
HANDSHAKE_S = 10.0


class Site(web.BaseSite):
    """As aiohttp's TCPSite, with bounds. A connection beyond them is ended before anything is read."""

    def __init__(self, runner: web.BaseRunner, host: str, port: int, **options: Any) -> None:
        super().__init__(runner, **options)
        self._host, self._port = host, port

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"{self._host}:{self._port}"

    async def start(self) -> None:
        """Listens. Raises OSError."""
        await super().start()
        server = self._runner.server
        assert server is not None, "the runner is set up"
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Entry(server),
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=HANDSHAKE_S if self._ssl_context else None,
        )


class _Entry(asyncio.Protocol):
    """A connection that nobody serves yet."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def connection_made(self, transport: Any) -> None:
        """Hands it on, or ends it."""
        if self._is_full(_address(transport)):
            transport.abort()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)

    def _is_full(self, address: str) -> bool:
        connections = self._server.connections
        if len(connections) >= MAX_CONNECTIONS:
            return True
        if len(connections) < MAX_EACH:
            return False
        return sum(_address(each.transport) == address for each in connections) >= MAX_EACH


def _address(transport: asyncio.BaseTransport | None) -> str:
    peer = transport.get_extra_info("peername") if transport is not None else None
    return str(peer[0]) if peer else ""
