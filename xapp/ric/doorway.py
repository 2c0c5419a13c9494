"""How many connections the HTTP port takes, in all and from one address: aiohttp itself knows no bound.

A new connection takes the place of an old one: a probe gets in although a crowd that says nothing is there.
"""

import asyncio
from collections import Counter
from typing import Any

from aiohttp import web

MAX_CONNECTIONS = 512
MAX_EACH = 64
"""From one address: a Prometheus and some probes have a few."""
HANDSHAKE_S = 10.0


class Site(web.BaseSite):
    """As aiohttp's TCPSite, with bounds. Beyond them the oldest connection of the largest crowd is ended."""

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
        """Makes room for it, and hands it on."""
        self._make_room(_address(transport))
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)

    def _make_room(self, newcomer: str) -> None:
        if len(self._server.connections) < MAX_EACH:
            return
        open_ones = [each.transport for each in self._server.connections]
        live = [each for each in open_ones if each is not None and not each.is_closing()]
        crowd = Counter(map(_address, live))
        if crowd[newcomer] >= MAX_EACH:
            _end_oldest(live, newcomer)
        elif len(live) >= MAX_CONNECTIONS:
            _end_oldest(live, crowd.most_common(1)[0][0])


def _end_oldest(transports: list[asyncio.Transport], address: str) -> None:
    """`transports` are in the order in which they came."""
    next(each for each in transports if _address(each) == address).abort()


def _address(transport: asyncio.BaseTransport | None) -> str:
    peer = transport.get_extra_info("peername") if transport is not None else None
    return str(peer[0]) if peer else ""
